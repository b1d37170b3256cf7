"""Frozen in a custom build in place of MicroPython's own, which would mount the flash.

That one formats a flash whose first block reads as blank, and waits for ever where another does not
mount. Ctrl-C does not interrupt this one, until the application lets it.
"""

import startup


def _rom():
    """(block device, memoryview of it) of the partition "romfs", None where there is none."""
    import vfs

    # Only this object of the partition shows it where it is mapped into memory.
    segment = vfs.rom_ioctl(2, 0)
    return None if isinstance(segment, int) else (segment, memoryview(segment))


try:
    startup.lamp_on()
except Exception as error:  # noqa: BLE001 - it is on by its hardware too
    print("boot: the lamp could not be put on:", error)
try:
    startup.start(_rom())
except Exception as error:  # noqa: BLE001 - nobody is above it
    startup.failed(error)
