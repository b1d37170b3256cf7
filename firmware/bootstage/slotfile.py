"""The file `slot.json` of a slot: what was unpacked there, and the SHA-256 of each file.

JSON, one value a line, so that a small heap never has to hold all of it:

    {"version": "1.2.3", "hash": hex (MCUboot image hash), "counter": security counter,
     "upload": hex (SHA-256 of the signed image file)}
    ["node/app.mpy", bytes, hex SHA-256]          one for each file
    {"check": hex}                                SHA-256 of all the lines before it

It is written last, so a slot without it is empty.
"""

import json
from binascii import hexlify
from hashlib import sha256

NAME = "slot.json"
MAX_FILES = 200
# A line is bounded, so that a rotten file cannot fill the heap.
_MAX_LINE = 320
_DIGITS = "0123456789abcdef"


def head(version: str, image_hash: bytes, counter: int, upload: bytes) -> bytes:
    """The first line. image_hash, upload: 32 bytes each; counter: 0 or more."""
    return _line(
        {
            "version": version,
            "hash": hexlify(image_hash).decode(),
            "counter": counter,
            "upload": hexlify(upload).decode(),
        }
    )


def entry(name: str, size: int, sha: str) -> bytes:
    """The line of a file: path under the slot's folder, bytes, SHA-256 as hex."""
    return _line([name, size, sha])


def tail(digest: bytes) -> bytes:
    """The last line. digest: SHA-256 of all the lines before it."""
    return _line({"check": hexlify(digest).decode()})


def read_head(file) -> dict:
    """The first line of slot.json, when all of the file is whole; the entries are next to be read.

    file: open for reading bytes, at its start. ValueError says what is wrong.
    """
    digest = sha256()
    count = -1
    while True:
        line = file.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise ValueError("it ends early")
        if line.startswith(b'{"check"'):
            break
        digest.update(line)
        count += 1
        if count > MAX_FILES:
            raise ValueError("it names more than %d files" % MAX_FILES)
    if line != tail(digest.digest()) or count < 1:
        raise ValueError("its check does not fit")
    file.seek(0)
    contents = json.loads(file.readline(_MAX_LINE))
    if not isinstance(contents, dict) or not (
        isinstance(contents.get("version"), str)
        and isinstance(contents.get("counter"), int)
        and _is_sha(contents.get("hash"))
        and _is_sha(contents.get("upload"))
    ):
        raise ValueError("it does not have the expected form")
    return contents


def read_entry(file):
    """(path, bytes, SHA-256 as hex) of the next file, None after the last; see `read_head`."""
    values = json.loads(file.readline(_MAX_LINE))
    if isinstance(values, dict):
        return None
    if not isinstance(values, list) or len(values) != 3 or not isinstance(values[0], str):
        raise ValueError("it does not have the expected form")
    return tuple(values)


def _is_sha(text) -> bool:
    return isinstance(text, str) and len(text) == 64 and all(digit in _DIGITS for digit in text)


def _line(value) -> bytes:
    return json.dumps(value).encode() + b"\n"
