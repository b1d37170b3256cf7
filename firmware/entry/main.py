"""Stock MicroPython runs this last, but not for mpremote: from here on the boot stage has it."""

import startup

try:
    # Its files are out of reach once "/" is not mounted: all of it is imported before.
    import bootstage.boot
    import bootstage.crumb
    import bootstage.folders
    import bootstage.slotfile
    import bootstage.slotstate
    import bootstage.store  # noqa: F401
    import vfs

    # The boot stage mounts the flash elsewhere, and one littlefs mounted twice would be spoilt.
    vfs.umount("/")
    startup.start()
except Exception as error:  # noqa: BLE001 - nobody is above it
    startup.failed(error)
