"""The frozen `_boot.py` of a custom build, on the real MicroPython and a chip stood in for."""

from pathlib import Path

from simulators.tools import Interpreter

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
PATH = [FIRMWARE / "entry", FIRMWARE / "custom" / "esp32-wroom", FIRMWARE]

# The modules that a chip has and a PC has not; what happens is told in its order.
CHIP = """
import sys
import time

class Stand:
    def __init__(self, **names):
        for name in names:
            setattr(self, name, names[name])

class Ended(BaseException):
    pass

def tell(*what):
    print(">", *what)

def ended():
    raise Ended

class Pin:
    OUT = 3
    def __init__(self, number, mode=None, value=None):
        self.number = number
        if mode == Pin.OUT:
            tell("pin", number, value)

def pwm(pin, freq, duty_u16):
    tell("pwm", pin.number, freq, duty_u16)

class Partition:
    TYPE_DATA = 1
    @staticmethod
    def find(kind, label):
        return ["<%s>" % label]

def rom_ioctl(op, number):
    tell("rom_ioctl", op, number)
    return SEGMENT

def start(device, board_on, observer, rom):
    if FAILS:
        raise OSError(5)
    seen = None if rom is None else (bytes(rom[0]), len(rom[1]))
    tell("boot stage", device, observer, seen)
    board_on()
    raise Ended

def sleep(seconds):
    tell("sleep", seconds)

def reset():
    tell("reset")
    raise Ended

sys.modules["machine"] = Stand(Pin=Pin, PWM=pwm, reset=reset)
sys.modules["esp32"] = Stand(Partition=Partition)
sys.modules["vfs"] = Stand(rom_ioctl=rom_ioctl)
sys.modules["bootstage"] = Stand(start=start)
sys.modules["time"] = Stand(sleep=sleep)
try:
    exec(open(BOOT).read(), {"__name__": "__main__"})
except Ended:
    tell("ended")
"""

LAMP = ["> pin 26 1", "> pwm 25 1000 65535"]


def boot(micropython: Interpreter, segment: str, *, fails: bool = False) -> list[str]:
    named = {"SEGMENT": segment, "FAILS": str(fails), "BOOT": repr(str(PATH[0] / "_boot.py"))}
    script = "".join(f"{name} = {value}\n" for name, value in named.items()) + CHIP
    said = micropython.run(script, path=PATH)
    return [line for line in said.splitlines() if line.startswith("> ")]


def test_the_lamp_is_on_before_the_flash_is_looked_at_and_the_rom_is_mapped(
    micropython: Interpreter,
) -> None:
    assert boot(micropython, 'b"halves"') == [
        *LAMP,
        "> rom_ioctl 2 0",
        "> boot stage <vfs> None (b'halves', 6)",
        *LAMP,
        "> ended",
    ]


def test_without_a_romfs_partition_the_slots_are_folders(micropython: Interpreter) -> None:
    assert "> boot stage <vfs> None None" in boot(micropython, "-22")


def test_a_boot_stage_that_cannot_be_started_is_tried_again_with_the_lamp_on(
    micropython: Interpreter,
) -> None:
    assert boot(micropython, 'b"halves"', fails=True) == [
        *LAMP,
        "> rom_ioctl 2 0",
        "> sleep 600",
        "> reset",
        "> ended",
    ]
