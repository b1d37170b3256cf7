"""The boot stage's flash: mounting, the state file, and the copies in NVS."""

import json
import os
from binascii import crc32

from . import slotstate

ROOT = "/flash"
STATE = "/boot.json"
IDENTITY = "/identity.cbor"

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
