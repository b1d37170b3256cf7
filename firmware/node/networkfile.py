"""The network document on flash: replaced whole or not at all, and never read out whole.

Followed by its CRC-32, little endian, it is written beside the old one and renamed over it.
"""

import os
from binascii import crc32

from protocol import network
from protocol.errors import ProtocolError

_CRC_SIZE = 4
_ENOENT = 2


class NetworkFile:
    """How this lamppost reaches the local network.

    path: the file. values: of `network.parse`, None when there is none. reason: why there is none
    although there is a file, else "". changes: counts the documents taken and removed since start.
    on_change: called after each of these.
    """

    def __init__(self, path, on_change=None):
        self._path = path
        self.reason = ""
        self.changes = 0
        self.on_change = on_change
        self.values = self._load()

    def apply(self, document) -> str:
        """Check `document` (bytes), make it last, and take it; "" or the reason why not."""
        try:
            values = network.parse(document)
        except ProtocolError as error:
            return str(error)
        if values == self.values:
            return ""
        try:
            with open(self._path + ".new", "wb") as file:
                file.write(document)
                file.write(crc32(document).to_bytes(_CRC_SIZE, "little"))
            os.rename(self._path + ".new", self._path)
        except OSError as error:
            return "network: flash refused it (%s)" % error
        self._take(values)
        return ""

    def remove(self) -> str:
        """Forget the document; "" or the reason why it is still there."""
        try:
            os.remove(self._path)
        except OSError as error:
            if error.errno != _ENOENT:
                return "network: flash refused it (%s)" % error
        self._take(None)
        return ""

    def public(self) -> bytes:
        """What anybody may read of it: b"" when there is none."""
        return b"" if self.values is None else network.public(self.values)

    def _take(self, values):
        self.values = values
        self.reason = ""
        self.changes += 1
        if self.on_change is not None:
            self.on_change()

    def _load(self):
        try:
            with open(self._path, "rb") as file:
                data = file.read(network.MAX_DOCUMENT + _CRC_SIZE + 1)
        except OSError as error:
            if error.errno != _ENOENT:  # else none was ever written
                self.reason = "network: flash cannot be read (%s)" % error
            return None
        document = data[:-_CRC_SIZE]
        if not document or crc32(document) != int.from_bytes(data[-_CRC_SIZE:], "little"):
            self.reason = "network: what is on flash is damaged (%d bytes)" % len(data)
            return None
        try:
            return network.parse(document)
        except ProtocolError as error:
            self.reason = str(error)
            return None
