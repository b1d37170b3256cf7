"""What is burnt into the chip: puts the lamp on, finds the flash and hands over to the boot stage.

Run by the real MicroPython with this folder and a ROM folder (which holds ``bootstage/``) on its
path. When the application ends, for whatever reason, the chip starts again.
"""

import sys
from binascii import hexlify

import _street
import machine
from esp32 import Partition


def board_on():
    """The lamp at full, by its own pins: relay closed, dimming input at 100 %."""
    machine.Pin(5, machine.Pin.OUT, value=1)
    machine.PWM(machine.Pin(4), freq=1000, duty_u16=65535)


class Observer:
    """Tells the street of every record the node has durably logged."""

    def logged(self, epoch, seq, body):
        _street.control.say(b'{"ledger":[%d,%d,"%s"]}' % (epoch, seq, hexlify(body)))


def main():
    _street.control.say(b'{"boot":%d}' % machine.reset_cause())
    try:
        import bootstage

        partition = Partition.find(Partition.TYPE_DATA, label="vfs")[0]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a brick
        sys.print_exception(error, sys.stderr)
        _street.leave(_street.EXIT_DEAD)
    try:
        bootstage.start(partition, board_on, Observer())
        print("the application returned", file=sys.stderr)
    except BaseException as error:  # noqa: BLE001 - a chip has nobody above it
        sys.print_exception(error, sys.stderr)
    _street.leave(_street.EXIT_ENDED)


main()
