"""An image on its way in: the bytes so far and which file they are of. Survives a reboot.

`upload.json` says what is coming, `upload.bin` holds the bytes; its size is the offset.
"""

import json
import os
from binascii import hexlify, unhexlify

from .incoming import Incoming


class Upload(Incoming):
    """The one upload under way, or none.

    Attributes:
        length: bytes the whole file will have, 0 when there is no upload.
        sha: SHA-256 of the whole file, None when the sender did not say.
        upgrade: True: only a higher version is wanted.
        offset: bytes that are here.
    """

    def __init__(self, root: str):
        super().__init__(root, "upload")

    @property
    def complete(self) -> bool:
        """Whether every byte is here."""
        return self.active and self.offset == self.length

    def begin(self, length: int, sha, upgrade: bool) -> None:
        """Start another upload; what was under way is dropped. OSError from the flash."""
        self._begin(
            {
                "length": length,
                "sha": hexlify(sha).decode() if sha is not None else "",
                "upgrade": upgrade,
            }
        )
        self.length = length
        self.sha = sha
        self.upgrade = upgrade

    def append(self, data: bytes) -> None:
        """The bytes that follow, none to many. OSError from the flash."""
        if not data:
            return
        self._appending().write(data)
        self.offset += len(data)
        self._appended(len(data), self.offset >= self.length)

    def open(self):
        """The complete file, to be read."""
        self.close()
        return open(self._path, "rb")

    def _forget(self) -> None:
        self.length = 0
        self.sha = None
        self.upgrade = False
        self.offset = 0

    def _load(self) -> None:
        try:
            with open(self._session, "rb") as file:
                session = json.load(file)
            size = os.stat(self._path)[6]
        except (OSError, ValueError):
            return  # none under way, or none that can be used: the sender begins again
        try:
            length = session["length"]
            sha = unhexlify(session["sha"]) if session["sha"] else None
            upgrade = session["upgrade"] is True
        except (KeyError, TypeError, ValueError):
            return
        if isinstance(length, int) and length > 0 and size <= length and sha is not None:
            self.length = length
            self.sha = sha
            self.upgrade = upgrade
            self.offset = size
