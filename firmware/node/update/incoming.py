"""A file that comes in pieces, with a few words on what it is: both outlive a reboot.

The words (JSON) are beside the bytes, in a file of their own. Without them the bytes mean nothing.
"""

import json
import os

_SYNC = 8192  # bytes between two commits: at most these are sent again after a power cut


class Incoming:
    """The file under way in `root` under `name`, or none; of `Upload` and `Multicast`.

    length: bytes the whole file has, 0 when there is none. `_forget` makes it so.
    """

    length = 0

    def __init__(self, root: str, name: str):
        self._path = root + "/" + name + ".bin"
        self._session = root + "/" + name + ".json"
        self._file = None
        self._unsynced = 0
        self._forget()
        self._load()
        if not self.active:
            # One without words that can be used is never gone on with: give its space back.
            try:
                self.drop()
            except OSError as error:
                print("update: what is left of", name, "cannot be removed:", error)

    @property
    def active(self) -> bool:
        """Whether there is one."""
        return self.length > 0

    def close(self) -> None:
        """Commit what is here; the next piece opens the file again."""
        self._unsynced = 0
        if self._file is not None:
            file = self._file
            self._file = None
            file.close()

    def drop(self) -> None:
        """Forget the file and its bytes. OSError from the flash."""
        self.close()
        self._forget()
        # The words first: without them the bytes mean nothing.
        for path in (self._session, self._path):
            try:
                os.remove(path)
            except OSError as error:
                if error.errno != 2:  # ENOENT: it was not there
                    raise

    def _begin(self, words: dict) -> None:
        """Drop what is under way, and keep the words on another file."""
        self.drop()
        open(self._path, "wb").close()
        with open(self._session + ".new", "wb") as file:
            file.write(json.dumps(words).encode())
        os.rename(self._session + ".new", self._session)

    def _appending(self):
        """The file, open for more."""
        if self._file is None:
            self._file = open(self._path, "ab")
        return self._file

    def _appended(self, count: int, last: bool) -> None:
        """So many bytes were written to it; now and then, and with the last, they are committed."""
        self._unsynced += count
        if last:
            self.close()
        elif self._unsynced >= _SYNC:
            self._appending().flush()
            self._unsynced = 0

    def _forget(self) -> None:
        self.length = 0

    def _load(self) -> None:
        """Take up what was under way, if it can be used."""
