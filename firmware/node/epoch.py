"""The epoch of the node's log: one higher at each start, never used twice.

It is kept in a file and, since a reformatted flash must not bring old keys back, in NVS. Either may
be lost: the higher one counts. IDF may erase all of NVS, and a flash may be reformatted, but not
both at once short of a new board, which gets a new node id.
"""

import struct
from binascii import crc32

_KEY = "log_epoch"
# What NVS holds as i32.
_MAX = 0x7FFFFFFF


def next_epoch(path, nvs, seen, key=_KEY) -> int:
    """Take the next epoch, at least 1, and make it last. `seen`: the highest the log itself holds.

    nvs: an `esp32.NVS`, or None. key: its name there, another one for another count than the log's.
    Raises OSError when neither place takes it.
    """
    epoch = highest(path, nvs, seen, key) + 1
    kept = False
    failure = None
    for keep in (_to_nvs, _to_file):
        try:
            kept = keep(path, nvs, epoch, key) or kept
        except OSError as error:
            failure = error
    if not kept:
        raise failure or OSError(5)
    return epoch


def highest(path, nvs, seen, key=_KEY) -> int:
    """The highest epoch known to have been used: `seen`, or what file or NVS say."""
    return max(seen, _from_file(path), _from_nvs(nvs, key))


def _from_file(path):
    try:
        with open(path, "rb") as file:
            data = file.read(8)
    except OSError:
        return 0
    if len(data) < 8:
        return 0
    epoch, crc = struct.unpack("<II", data)
    # Erased flash, all ones, happens to have a CRC that fits.
    return epoch if crc == crc32(data[:4]) and epoch <= _MAX else 0


def _from_nvs(nvs, key):
    if nvs is None:
        return 0
    try:
        return max(0, nvs.get_i32(key))
    except OSError:
        return 0  # never written, or erased


def _to_nvs(path, nvs, epoch, key):
    if nvs is None:
        return False
    nvs.set_i32(key, epoch)
    nvs.commit()
    return True


def _to_file(path, nvs, epoch, key):
    data = struct.pack("<I", epoch)
    with open(path, "wb") as file:
        file.write(data + struct.pack("<I", crc32(data)))
    return True
