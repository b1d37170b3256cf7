"""The boot stage's flash: mounting, the state file, the slots' files, and the copies in NVS."""

import json
import os
from binascii import crc32, hexlify
from hashlib import sha256

from . import slotfile, slotstate

ROOT = "/flash"
STATE = "/boot.json"
IDENTITY = "/identity.cbor"

_DIRECTORY = 0x4000
_MAX_IDENTITY = 1024
_CHUNK = 512
MOUNT_ATTEMPTS = 3
BLANK_PAUSE_MS = 5000


class Nvs:
    """The copies in NVS: security counter, active slot, identity.

    IDF may erase all of NVS, and a build without it is thinkable, so each value may be missing;
    nothing here raises.
    """

    def __init__(self):
        try:
            import esp32

            self._nvs = esp32.NVS("lamp")
        except (ImportError, OSError) as error:
            print("bootstage: no NVS:", error)
            self._nvs = None

    def number(self, key: str, default: int) -> int:
        """The integer `key`, `default` when it is not there."""
        if self._nvs is None:
            return default
        try:
            return self._nvs.get_i32(key)
        except OSError:
            return default

    def set_number(self, key: str, value: int) -> None:
        """Keep the integer; writes only when it changes."""
        if self._nvs is None or self.number(key, -2) == value:
            return
        try:
            self._nvs.set_i32(key, value)
            self._nvs.commit()
        except OSError as error:
            print("bootstage: NVS does not take", key, error)

    def identity(self) -> bytes:
        """The copy of the identity file, b"" when there is none whose CRC fits."""
        if self._nvs is None:
            return b""
        buffer = bytearray(_MAX_IDENTITY)
        try:
            data = bytes(buffer[: self._nvs.get_blob("identity", buffer)])
        except OSError:
            return b""
        return data if intact(data) else b""


def intact(identity: bytes) -> bool:
    """Whether the last four bytes are the CRC-32 (little endian) of the bytes before them."""
    return len(identity) > 4 and crc32(identity[:-4]) == int.from_bytes(identity[-4:], "little")


def mount(device, nvs: Nvs) -> str:
    """Mount littlefs at /flash; returns "" or what had to be done for it.

    A flash that does not mount is left as it is, and OSError raised: the caller holds the lamp on
    and tries again. Formatting it would gain nothing, since no copy of the application exists that
    could be put there, and would cost both slots and the log where a supply that is still coming up
    spoilt the reads. Only what was never written is formatted, so that a new chip can be used:
    every block blank, at two looks BLANK_PAUSE_MS apart.
    """
    import time

    import vfs

    attempt = 0
    while True:
        attempt += 1
        try:
            filesystem = vfs.VfsLfs2(device)
            break
        except OSError as error:
            print("bootstage: no littlefs at attempt", attempt, error)
            if attempt >= MOUNT_ATTEMPTS:
                filesystem = None
                break
            time.sleep_ms(100)
    if filesystem is not None:
        vfs.mount(filesystem, ROOT)
        return ""
    if not _blank(device):
        raise OSError("it holds data but no littlefs that mounts; it is left as it is")
    time.sleep_ms(BLANK_PAUSE_MS)
    if not _blank(device):
        raise OSError("it read as blank, then it did not; it is left as it is")
    vfs.VfsLfs2.mkfs(device)
    vfs.mount(vfs.VfsLfs2(device), ROOT)
    identity = nvs.identity()
    if not identity:
        return "flash was blank and was formatted; there is no identity"
    write(ROOT + IDENTITY, identity)
    return "flash was blank and was formatted; the identity came from NVS"


def _blank(device) -> bool:
    """Whether every block is erased (all FF), or every one zero. OSError when one does not read."""
    count = device.ioctl(4, 0)
    size = device.ioctl(5, 0)
    piece = bytearray(_CHUNK)
    wanted = b""
    for block in range(count):
        for offset in range(0, size, _CHUNK):
            # Block devices answer with a negative number, or raise.
            if device.readblocks(block, piece, offset):
                raise OSError("block %d cannot be read" % block)
            if not wanted:
                wanted = bytes(piece[:1]) * _CHUNK
                if piece[0] not in (0x00, 0xFF):
                    return False
            if piece != wanted:
                return False
    return True


def write(path: str, data) -> None:
    """Replace the file: after a power cut it holds the old contents or the new, never a mix."""
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.rename(path + ".new", path)


def load_json(path: str):
    """The decoded JSON file, None when there is none; ValueError when it is not JSON."""
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except OSError:
        return None


def load_state():
    """The state file's state, or None when it is missing or rotten."""
    try:
        state = load_json(ROOT + STATE)
        if state is None:
            return None
        return slotstate.validated(state)
    except ValueError as error:
        print("bootstage:", error)
        return None


def save_state(state: dict) -> None:
    """Write the state file; OSError when the flash does not take it."""
    contents = dict(state)
    contents["check"] = slotstate.check(state)
    write(ROOT + STATE, json.dumps(contents).encode())


def folder(slot: int) -> str:
    """The folder of a slot."""
    return "%s/slot%d" % (ROOT, slot)


def slot_path(slot: int) -> str:
    """The slot.json of a slot."""
    return "%s/%s" % (folder(slot), slotfile.NAME)


def load_slot(slot: int):
    """The first line of slot.json, None for an empty slot; ValueError when it is not whole."""
    try:
        file = open(slot_path(slot), "rb")
    except OSError:
        return None
    try:
        return slotfile.read_head(file)
    finally:
        file.close()


class Record:
    """The slot.json of a slot that is being filled: a draft that `install_slot` makes valid."""

    def __init__(self, slot: int, head: bytes):
        self._slot = slot
        self._file = open(slot_path(slot) + ".new", "wb")
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


def install_slot(slot: int) -> None:
    """Put a finished `Record` in force, which makes the slot one that can be started."""
    os.rename(slot_path(slot) + ".new", slot_path(slot))


def remove_slot(slot: int) -> None:
    """Remove slot.json, if it is there, which makes the slot an empty one."""
    try:
        os.stat(slot_path(slot))
    except OSError:
        return
    os.remove(slot_path(slot))


def problem(slot: int) -> str:
    """What keeps the slot from being started, "" when each of its files is as it was unpacked."""
    found = ""
    for found in checking(slot_path(slot)):  # noqa: B007 - the last one counts
        pass
    return found or ""


def checking(path: str):
    """Check the slot whose slot.json (or draft of it) is at `path`, piece by piece.

    Yields None after each piece, and at last the text that `problem` answers with.
    """
    try:
        file = open(path, "rb")
    except OSError:
        yield "it is empty"
        return
    root = path[: path.rfind("/")]
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
