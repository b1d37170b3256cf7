"""What starts a real board: the lamp on by this board's pins, then the boot stage with its flash.

On stock MicroPython it lies on the littlefs beside `boot.py` and `main.py`; in a custom build it is
frozen beside `_boot.py`. No update rewrites it.
"""

import lamp_pins
import machine

# As firmware/node/board.py drives it.
DIMMING_HZ = 1000
# Between two attempts, should not even the boot stage start: a read may have been spoilt.
RETRY_S = 600


def lamp_on():
    """Relay closed, dimming input at 100 %. Raises what `machine` does."""
    machine.Pin(lamp_pins.LAMP_RELAY, machine.Pin.OUT, value=1)
    machine.PWM(machine.Pin(lamp_pins.LAMP_DIMMING), freq=DIMMING_HZ, duty_u16=65535)


def start(rom=None):
    """Hand over to the boot stage, which does not come back while the node is well.

    rom: as for `bootstage.start`. The littlefs must not be mounted: it is the boot stage's.
    """
    import bootstage
    from esp32 import Partition

    bootstage.start(Partition.find(Partition.TYPE_DATA, label="vfs")[0], lamp_on, None, rom)


def failed(error):
    """The boot stage could not be started: say so, and try again after RETRY_S.

    The lamp is on meanwhile. Ctrl-C on the console leads to the prompt instead, on stock.
    """
    import sys
    import time

    sys.print_exception(error)
    print("startup: the boot stage cannot be started: flash the node again; the lamp stays on")
    time.sleep(RETRY_S)
    machine.reset()
