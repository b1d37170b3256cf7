"""The breadcrumb: what the last life of the node leaves for the next, in the RTC's own memory.

2 KB of it survive a watchdog, a panic and a brown-out whose voltage did not fall far; not a power
cut. The chip reports a brown-out as power-on and a panic as hard reset, so what the cause really
was is told from both: what the chip says, and whether a crumb is there and what it says.

Layout: magic, flags, length of the text, uptime in s, CRC-32 of text, CRC-32 of these 16 bytes;
then the text in UTF-8. All little endian.
"""

import struct
from binascii import crc32

# The text is the tail of a traceback: the exception and the calls nearest to it.
MAX_TEXT = 600

POWER_ON = 0
BROWN_OUT = 1
HARD = 2
WATCHDOG = 3
SOFT = 4
CRASH = 5
CAUSES = ("power-on", "brown-out", "hard reset", "watchdog", "soft reset", "crash")

_MAGIC = b"LmC1"
_FORMAT = "<4sHHII"
_HEAD = struct.calcsize(_FORMAT)
_SIZE = _HEAD + 4 + MAX_TEXT
_RUNNING = 1
_COUNTED = 2


class Crumb:
    """The crumb in `rtc` (has `memory`), None where there is no such memory.

    kept: it was there at the start. running: the last life ended without saying so. counted: it
    ended in a stop that the state of the slots has in its count. uptime: seconds that life lasted,
    as last told. text: what it said of its end, or "".
    """

    def __init__(self, rtc):
        self._rtc = rtc
        self.kept = False
        self.running = False
        self.counted = False
        self.uptime = 0
        self.text = ""
        if rtc is None:
            return
        try:
            self._load(bytes(rtc.memory()))
        except Exception as error:  # noqa: BLE001 - without it less is known, and all else goes on
            print("bootstage: no breadcrumb:", error)

    def begin(self):
        """A life begins that is only to end by a reset that is meant."""
        self.running = True
        self.counted = False
        self.uptime = 0
        self.text = ""
        self._save()

    def tick(self, uptime: int):
        """So many seconds it has lasted."""
        self.uptime = uptime & 0xFFFFFFFF
        self._save()

    def note(self, text: str):
        """What is known of an end that is near, in words: the last MAX_TEXT bytes of it are kept.

        The first word stays: what comes after a failure is its consequence.
        """
        if not self.text:
            self.text = tail(text)
            self._save()

    def forget(self):
        """What was noted did not come to an end."""
        self.text = ""
        self._save()

    def meant(self):
        """The reset that follows is no crash."""
        self.running = False
        self._save()

    def count(self):
        """The end of this life has been counted as a stop."""
        self.counted = True
        self._save()

    def _save(self):
        if self._rtc is None:
            return
        text = self.text.encode()
        flags = (_RUNNING if self.running else 0) | (_COUNTED if self.counted else 0)
        head = struct.pack(_FORMAT, _MAGIC, flags, len(text), self.uptime, crc32(text))
        try:
            self._rtc.memory(head + struct.pack("<I", crc32(head)) + text)
        except Exception as error:  # noqa: BLE001 - as above
            print("bootstage: the breadcrumb cannot be written:", error)

    def _load(self, data):
        if not _HEAD + 4 <= len(data) <= _SIZE or data[:4] != _MAGIC:
            return
        if crc32(data[:_HEAD]) != int.from_bytes(data[_HEAD : _HEAD + 4], "little"):
            return
        _, flags, length, uptime, check = struct.unpack(_FORMAT, data[:_HEAD])
        self.kept = True
        self.running = bool(flags & _RUNNING)
        self.counted = bool(flags & _COUNTED)
        self.uptime = uptime
        text = data[_HEAD + 4 :]
        if len(text) == length and crc32(text) == check:
            self.text = text.decode()


def tail(text: str) -> str:
    """The last part of `text` that takes at most MAX_TEXT bytes."""
    data = text.encode()
    if len(data) <= MAX_TEXT:
        return text
    at = len(data) - MAX_TEXT
    while data[at] & 0xC0 == 0x80:  # not from the middle of a character
        at += 1
    return data[at:].decode()


def cause(crumb, reset: int) -> int:
    """Why the node started: one of the causes above. reset: `machine.reset_cause()`."""
    import machine

    if reset == machine.WDT_RESET:
        return WATCHDOG
    if reset == machine.SOFT_RESET:
        return CRASH if crumb.running and crumb.text else SOFT
    if reset == machine.PWRON_RESET:
        return BROWN_OUT if crumb.kept else POWER_ON
    # What is meant says so first; a panic has no time to.
    return CRASH if crumb.running else HARD
