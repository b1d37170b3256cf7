"""What a custom build of MicroPython freezes: the boot stage and what starts it.

The application is in the partition romfs. Each board's manifest, in `custom`, includes this one.
`_boot.py` takes the place of MicroPython's own: of the port's modules those are left out that mount
a flash, or format it.
"""

# ruff: noqa: F821 - MicroPython's makemanifest.py runs it, and brings these names
_KEEPS_LINE_NUMBERS = 1

for _name in ("_boot.py", "startup.py"):
    module(_name, base_path="entry", opt=_KEEPS_LINE_NUMBERS)
package("bootstage", opt=_KEEPS_LINE_NUMBERS)

freeze("$(PORT_DIR)/modules", ("machine.py",))
include("$(MPY_DIR)/extmod/asyncio")
require("umqtt.simple")
