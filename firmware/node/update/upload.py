"""An image on its way in: the bytes so far and which file they are of. Survives a reboot.

`upload.json` says what is coming, `upload.bin` holds the bytes; its size is the offset.
"""

import json
import os
from binascii import hexlify, unhexlify

_SYNC = 8192  # bytes between two commits: at most these are sent again after a power cut


class Upload:
    """The one upload under way, or none.

    Attributes:
        length: bytes the whole file will have, 0 when there is no upload.
        sha: SHA-256 of the whole file, None when the sender did not say.
        upgrade: True: only a higher version is wanted.
        offset: bytes that are here.
    """

    def __init__(self, root: str):
        self.path = root + "/upload.bin"
        self._session = root + "/upload.json"
        self._file = None
        self._unsynced = 0
        self._clear()
        self._load()
        if not self.active:
            # One without a session that can be used is never gone on with: give its space back.
            try:
                self.drop()
            except OSError as error:
                print("update: what is left of an upload cannot be removed:", error)

    @property
    def active(self) -> bool:
        """Whether there is one."""
        return self.length > 0

    @property
    def complete(self) -> bool:
        """Whether every byte is here."""
        return self.active and self.offset == self.length

    def begin(self, length: int, sha, upgrade: bool) -> None:
        """Start another upload; what was under way is dropped. OSError from the flash."""
        self.drop()
        open(self.path, "wb").close()
        text = json.dumps(
            {
                "length": length,
                "sha": hexlify(sha).decode() if sha is not None else "",
                "upgrade": upgrade,
            }
        )
        with open(self._session + ".new", "wb") as file:
            file.write(text.encode())
        os.rename(self._session + ".new", self._session)
        self.length = length
        self.sha = sha
        self.upgrade = upgrade

    def append(self, data: bytes) -> None:
        """The bytes that follow, none to many. OSError from the flash."""
        if not data:
            return
        if self._file is None:
            self._file = open(self.path, "ab")
        self._file.write(data)
        self.offset += len(data)
        self._unsynced += len(data)
        if self.offset >= self.length:
            self.close()
        elif self._unsynced >= _SYNC:
            self._file.flush()
            self._unsynced = 0

    def open(self):
        """The complete file, to be read."""
        self.close()
        return open(self.path, "rb")

    def close(self) -> None:
        """Commit what is here; the next `append` opens the file again."""
        self._unsynced = 0
        if self._file is not None:
            file = self._file
            self._file = None
            file.close()

    def drop(self) -> None:
        """Forget the upload and its bytes."""
        self.close()
        self._clear()
        # The session first: without it the bytes mean nothing.
        for path in (self._session, self.path):
            try:
                os.remove(path)
            except OSError as error:
                if error.errno != 2:  # ENOENT: it was not there
                    raise

    def _clear(self) -> None:
        self.length = 0
        self.sha = None
        self.upgrade = False
        self.offset = 0

    def _load(self) -> None:
        try:
            with open(self._session, "rb") as file:
                session = json.load(file)
            size = os.stat(self.path)[6]
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
