"""Maps what is burnt into the chip into memory and starts it: none of its code is on the heap.

Run by the real MicroPython. Environment: LAMPLIGHTER_SIM_ROM (a ROMFS image with the shims of this
folder and, in a custom build, the boot stage), LAMPLIGHTER_SIM_START (``chip``, a custom build, or
``stock``, stock MicroPython).
"""

import sys
from os import getenv, stat

import ffi
import uctypes
import vfs

_PROT_READ = 1
_MAP_SHARED = 1

_mmap = ffi.open(None).func("p", "mmap", "pIiiii")


def mapped(path):
    """The bytes of a file where they are mapped, read only; what is written to it shows in them."""
    size = stat(path)[6]
    with open(path, "rb") as file:
        address = _mmap(0, size, _PROT_READ, _MAP_SHARED, file.fileno(), 0)
    if address in (-1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF):
        raise OSError("%s cannot be mapped" % path)
    return memoryview(uctypes.bytearray_at(address, size))


vfs.mount(vfs.VfsRom(mapped(getenv("LAMPLIGHTER_SIM_ROM"))), "/chip")
sys.path.insert(0, "/chip")
__import__(getenv("LAMPLIGHTER_SIM_START") or "chip").main(mapped)
