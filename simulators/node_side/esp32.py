"""``esp32`` for the simulated chip: flash partitions, NVS and the IDF heap."""

from _flash import Partition
from _nvs import NVS
from _rmt import RMT

__all__ = ["HEAP_DATA", "HEAP_EXEC", "NVS", "RMT", "Partition", "idf_heap_info"]

HEAP_DATA = 4
HEAP_EXEC = 1

# What MicroPython 1.27 was published to leave IDF on an ESP32 after boot (bytes).
_IDF_TOTAL = 228_800
_IDF_FREE = 94_256
_IDF_LARGEST = 53_248


def idf_heap_info(capabilities):
    """(total, free, largest free block, least free ever) of each region, in bytes.

    There is no IDF here: the figures are those published for an ESP32 and never change.
    """
    if capabilities == HEAP_EXEC:
        return []
    return [(_IDF_TOTAL, _IDF_FREE, _IDF_LARGEST, _IDF_FREE)]
