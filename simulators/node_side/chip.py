"""What is burnt into the chip: puts the lamp on, finds the flash and hands over to the boot stage.

When the application ends, for whatever reason, the chip starts again.

Environment: LAMPLIGHTER_SIM_ROMFS (the file of the partition "romfs", where the chip has one).
"""

import gc
import os
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


def main(mapped):
    """Run the chip; mapped: maps a file into memory."""
    gc.collect()
    _street.control.say(b'{"boot":%d,"heap":%d}' % (machine.reset_cause(), gc.mem_alloc()))
    try:
        import bootstage

        partition = Partition.find(Partition.TYPE_DATA, label="vfs")[0]
        rom = None
        for found in Partition.find(Partition.TYPE_DATA, label="romfs"):
            rom = found, mapped(os.getenv("LAMPLIGHTER_SIM_ROMFS"))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a brick
        sys.print_exception(error, sys.stderr)
        _street.leave(_street.EXIT_DEAD)
    try:
        bootstage.start(partition, board_on, Observer(), rom)
        print("the application returned", file=sys.stderr)
    except BaseException as error:  # noqa: BLE001 - a chip has nobody above it
        sys.print_exception(error, sys.stderr)
    _street.leave(_street.EXIT_ENDED)
