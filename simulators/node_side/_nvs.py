"""Non-volatile storage: small named values, each kept or not kept as a whole.

Environment: LAMPLIGHTER_SIM_NVS (the file, made when absent).
"""

import json
import os
from binascii import hexlify, unhexlify

import _street
from _flash import cut

_NOT_FOUND = (-0x1102, "ESP_ERR_NVS_NOT_FOUND")
_BAD_LENGTH = (-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
_LONG_KEY = (-0x1109, "ESP_ERR_NVS_KEY_TOO_LONG")

_PATH = os.getenv("LAMPLIGHTER_SIM_NVS") or ""
_spaces = None  # namespace -> key -> integer, or hexadecimal text of a blob


def _load():
    global _spaces
    if _spaces is None:
        try:
            with open(_PATH) as file:
                _spaces = json.load(file)
        except OSError:
            _spaces = {}
    return _spaces


def _failed(error):
    return OSError(*error)


class NVS:
    """One namespace. As on the ESP32, a missing key raises OSError(-4354)."""

    def __init__(self, namespace):
        if len(namespace) > 15:
            raise _failed(_LONG_KEY)
        self._values = _load().setdefault(namespace, {})

    def set_i32(self, key, value):
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            raise OverflowError("expected 32 bits, got %s" % value)
        self._set(key, value)

    def get_i32(self, key):
        value = self._values.get(key)
        if not isinstance(value, int):
            raise _failed(_NOT_FOUND)
        return value

    def set_blob(self, key, value):
        self._set(key, hexlify(value).decode())

    def get_blob(self, key, buffer):
        value = self._values.get(key)
        if not isinstance(value, str):
            raise _failed(_NOT_FOUND)
        value = unhexlify(value)
        if len(value) > len(buffer):
            raise _failed(_BAD_LENGTH)
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        if key not in self._values:
            raise _failed(_NOT_FOUND)
        del self._values[key]

    def commit(self):
        if cut.due():  # an entry is written whole or not at all, so there is no torn one
            _street.lose_power()
        with open(_PATH + ".new", "w") as file:
            json.dump(_spaces, file)
        os.rename(_PATH + ".new", _PATH)

    def _set(self, key, value):
        if len(key) > 15:
            raise _failed(_LONG_KEY)
        self._values[key] = value
