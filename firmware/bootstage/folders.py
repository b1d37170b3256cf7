"""Slots as two folders on the littlefs: what stock MicroPython can start an application from.

A slot's files lie under its folder, the list of them in its slot.json. Bytecode is copied to the
heap when it is imported.
"""

import os
from binascii import hexlify
from hashlib import sha256

from . import slotfile
from .store import ROOT

_DIRECTORY = 0x4000
_CHUNK = 512


class Folders:
    """The two slots. Every method that reads flash may raise OSError."""

    # Bytes that an image may have in its slot without being unpacked; 0: it has to be unpacked.
    capacity = 0

    def folder(self, slot: int) -> str:
        """The folder of a slot."""
        return "%s/slot%d" % (ROOT, slot)

    def enter(self, slot: int) -> str:
        """What to import a slot's application from; the slot was checked."""
        return self.folder(slot)

    def head(self, slot: int):
        """The first line of slot.json, None for an empty slot; ValueError when it is not whole."""
        try:
            file = open(self._list(slot), "rb")
        except OSError:
            return None
        try:
            return slotfile.read_head(file)
        finally:
            file.close()

    def begin(self, slot: int, head: bytes):
        """Begin the list of what is written to an empty slot, whose folder exists."""
        return _List(self._list(slot) + ".new", head)

    def install(self, slot: int) -> None:
        """Put a finished list in force, which makes the slot one that can be started."""
        os.rename(self._list(slot) + ".new", self._list(slot))

    def remove(self, slot: int) -> None:
        """Remove slot.json, if it is there, which makes the slot an empty one."""
        try:
            os.stat(self._list(slot))
        except OSError:
            return
        os.remove(self._list(slot))

    def checking(self, slot: int, draft: bool = False):
        """Check the files of an installed slot, or of a finished `draft`, piece by piece.

        Yields None after each piece, and at last what is wrong, "" when nothing is.
        """
        return _checking(self.folder(slot), self._list(slot) + (".new" if draft else ""))

    def _list(self, slot: int) -> str:
        return "%s/%s" % (self.folder(slot), slotfile.NAME)


class _List:
    """The slot.json of a slot that is being filled: a draft until `Folders.install`."""

    def __init__(self, path: str, head: bytes):
        self._file = open(path, "wb")
        self._digest = sha256()
        self._write(head)

    def add(self, name: str, size: int, sha: str) -> None:
        """A file that was written: path under the slot's folder, bytes, SHA-256 as hex."""
        self._write(slotfile.entry(name, size, sha))

    def finish(self) -> None:
        """All files are in it."""
        self._file.write(slotfile.tail(self._digest.digest()))
        self._file.close()

    def abandon(self) -> None:
        """Close it, after an error."""
        self._file.close()

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        self._digest.update(line)


def _checking(root: str, path: str):
    try:
        file = open(path, "rb")
    except OSError:
        yield "it is empty"
        return
    wrong = ""
    count = 0
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    try:
        slotfile.read_head(file)
        entry = slotfile.read_entry(file)
        while entry is not None and not wrong:
            name, size, sha = entry
            digest = sha256()
            with open("%s/%s" % (root, name), "rb") as checked:
                got = checked.readinto(buffer)
                while got:
                    digest.update(view[:got])
                    size -= got
                    yield None
                    got = checked.readinto(buffer)
            if size or hexlify(digest.digest()).decode() != sha:
                wrong = "%s is not as it was unpacked" % name
            count += 1
            entry = slotfile.read_entry(file)
        # A file that nobody vouched for could be imported in place of one that was checked.
        found = _count_files(root)
        if not wrong and found != count:
            wrong = "%d files are there, %d were unpacked" % (found, count)
    except ValueError as error:
        wrong = "slot.json: %s" % error
    except OSError as error:
        wrong = "reading it failed (%s)" % error
    except Exception as error:  # noqa: BLE001 - whatever a rotten file makes, the other slot is next
        wrong = "checking it failed (%r)" % error
    file.close()
    yield wrong


def _count_files(path: str) -> int:
    """Files under a folder, but for slot.json and its draft."""
    count = 0
    for entry in os.ilistdir(path):
        if entry[1] == _DIRECTORY:
            count += _count_files(path + "/" + entry[0])
        elif not entry[0].startswith(slotfile.NAME):
            count += 1
    return count
