"""What stock MicroPython does on an ESP32: mounts the flash at "/", runs boot.py and main.py.

A transcript of _boot.py, inisetup.py and main.c of its port (1.29). This machine's own files, which
are at "/" on a PC, are put under "/host", for the stand-ins of the chip's other memories.
"""

import os
import sys

_HOST = "/host"
# The stand-ins read these when they are imported, which is below.
_FILES = (
    "LAMPLIGHTER_SIM_FLASH",
    "LAMPLIGHTER_SIM_NVS",
    "LAMPLIGHTER_SIM_RTC",
    "LAMPLIGHTER_SIM_ROMFS",
)


def main(mapped):
    """Run the chip; mapped: maps a file into memory, which stock MicroPython does not."""
    import vfs

    # Without a root: with one, VfsPosix of MicroPython 1.26 renames a file to itself.
    vfs.mount(vfs.VfsPosix(), _HOST)
    for name in _FILES:
        os.putenv(name, _HOST + (os.getenv(name) or ""))
    vfs.umount("/")
    sys.path[:] = ["", "/chip", ".frozen", "/lib"]

    import _street
    import machine
    from esp32 import Partition

    _street.control.say(b'{"boot":%d}' % machine.reset_cause())
    _mount(Partition.find(Partition.TYPE_DATA, label="vfs")[0])
    _run("boot.py")
    _run("main.py")
    print(">>> ", end="")
    while True:
        machine.idle()


def _mount(device):
    import vfs

    try:
        vfs.mount(device, "/")
    except OSError:
        first = bytearray(device.ioctl(5, 0))
        device.readblocks(0, first)
        while first != b"\xff" * len(first):
            import time

            print("The filesystem appears to be corrupted.")
            time.sleep(3)
        print("Performing initial setup")
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/")
        with open("boot.py", "w") as file:
            file.write("# This file is executed on every boot\n")


def _run(name):
    try:
        with open(name) as file:
            source = file.read()
    except OSError:
        return
    try:
        exec(source, {"__name__": "__main__"})  # noqa: S102 - as the chip does
    except Exception as error:  # noqa: BLE001 - the prompt follows
        sys.print_exception(error)
