"""How the node's lives ended: counted by cause, the last crash kept until somebody has read it."""

import os
import struct
from binascii import crc32

from protocol import messages, records

# The causes in the order of a RESETS record, which is that of the boot stage's crumb.py.
_CAUSES = 6
_FORMAT = "<6I"


class Lives:
    """What came before this life; counts its start.

    boot: the boot stage's object. log: NodeLog. reset: called to start the chip again.
    """

    def __init__(self, boot, log, reset):
        self._boot = boot
        self._log = log
        self._reset = reset
        self._path = boot.root + "/resets"
        self.counts = [0] * _CAUSES
        # Counted here, so that a start is which does not come to its tasks.
        self._load()
        if 0 <= boot.cause < _CAUSES:
            self.counts[boot.cause] = min(self.counts[boot.cause] + 1, 0xFFFFFFFF)
        self._save()

    def start(self):
        """Tell of this start: RESETS, a crash before it, what had to be mended."""
        boot = self._boot
        self._log.append(records.RESETS, *self.counts)
        if boot.crashed:
            self._tell(records.EVENT_CRASHED, crc32(boot.last_crash().encode()))
        if boot.safe:
            self._tell(records.EVENT_SAFE_MODE, boot.safe)
        if boot.notice:
            self._tell(records.EVENT_FLASH_MENDED, 1)

    def handle(self, request):
        """Answer a CRASH request: read the last crash, clear it, or leave safe mode."""
        boot = self._boot
        if request.writes:
            request.require_seal()
            clear, leave = messages.parse_crash_request(request.body)
            if clear:
                boot.clear_crash()
            if leave and boot.safe:
                boot.leave_safe()
                self._reset(1000)
        text = boot.last_crash()
        return messages.crash_reply(text, crc32(text.encode()), self.counts[-1], boot.safe)

    def _tell(self, code, value):
        self._log.append(records.EVENT, code, value)

    def _load(self):
        try:
            with open(self._path, "rb") as file:
                data = file.read(64)
        except OSError:
            return  # the first start
        size = struct.calcsize(_FORMAT)
        if len(data) == size + 4 and crc32(data[:size]) == int.from_bytes(data[size:], "little"):
            self.counts = list(struct.unpack(_FORMAT, data))

    def _save(self):
        data = struct.pack(_FORMAT, *self.counts)
        try:
            with open(self._path + ".new", "wb") as file:
                file.write(data)
                file.write(crc32(data).to_bytes(4, "little"))
            os.rename(self._path + ".new", self._path)
        except OSError as error:
            # Counted in this life's record all the same.
            print("crash: the resets cannot be counted on flash:", error)
