"""The configuration store: one document on flash, replaced whole or not at all.

A document is {"v": version, "h": digest, "c": values} in CBOR (`protocol.configuration`), on flash
followed by its CRC-32, little endian. It is written beside the old one and renamed over it, so a
power cut leaves the one or the other. A file whose CRC is wrong has rotted, and nothing in it is
believed; one whose CRC is right and whose fields are not ours is of another release.
"""

import os
from binascii import crc32

from protocol import cbor, configuration
from protocol.errors import ProtocolError

from . import parts

_CRC_SIZE = 4
_ENOENT = 2


class Settings:
    """What the lamppost is configured to do.

    path: the document's file. values: every field, defaults where none is given. given: the fields
    of the document alone. version: that of it, 0 with none. digest: 8 bytes over `values`.
    reason: why the last document was refused, or that on flash was not taken whole; "" when it was.
    on_change: called with (applied, version) after each attempt to apply a new one.
    """

    def __init__(self, path, on_change=None):
        self._path = path
        self._subscribers = []
        self.reason = ""
        self.on_change = on_change
        version, given = self._load()
        self._take(version, given)

    def fall_back(self):
        """Safe mode: the defaults but for where the lamppost stands and what drives its lamp.

        A configuration may be what the node crashes of. `version` and `digest` stay those of the
        document, so that nobody sends it again.
        """
        values = configuration.defaults()
        for name in self.values:
            if name.startswith("site/") or name == "parts/output":
                values[name] = self.values[name]
        self.values = values

    def subscribe(self, listener):
        """Call `listener()` after each change of `values`."""
        self._subscribers.append(listener)

    def document(self) -> bytes:
        """The document in force."""
        return configuration.document(self.version, self.given)

    def apply(self, document) -> str:
        """Check `document` (bytes), make it last, and take it; "" or the reason why not.

        With a reason the old configuration stays in force, in memory and on flash.
        """
        version = 0
        try:
            if len(document) > configuration.MAX_DOCUMENT:
                raise ProtocolError(
                    "configuration: %d bytes, at most %d"
                    % (len(document), configuration.MAX_DOCUMENT)
                )
            version, given = configuration.parse_document(document)
        except ProtocolError as error:
            return self._refuse(version, str(error))
        if version == self.version and given == self.given:
            self.reason = ""
            return ""
        clash = parts.clash(configuration.effective(given))
        if clash:
            return self._refuse(version, clash)
        try:
            self._save(document)
        except OSError as error:
            return self._refuse(version, "configuration: flash refused it (%s)" % error)
        self._take(version, given)
        self.reason = ""
        for listener in self._subscribers:
            listener()
        if self.on_change is not None:
            self.on_change(True, version)
        return ""

    def _refuse(self, version, reason):
        self.reason = reason
        if self.on_change is not None:
            self.on_change(False, version)
        return reason

    def _take(self, version, given):
        # All of it or, without memory, nothing: half of it would pass for applied when it is sent
        # again, and the old values would stay in force.
        values = configuration.effective(given)
        self.digest = configuration.digest(given)
        self.version = version
        self.given = given
        self.values = values

    def _save(self, document):
        temporary = self._path + ".new"
        with open(temporary, "wb") as file:
            file.write(document)
            file.write(crc32(document).to_bytes(_CRC_SIZE, "little"))
        os.rename(temporary, self._path)

    def _load(self):
        try:
            with open(self._path, "rb") as file:
                data = file.read(configuration.MAX_DOCUMENT + _CRC_SIZE + 1)
        except OSError as error:
            if error.errno != _ENOENT:  # else none was ever applied
                self.reason = "configuration: flash cannot be read (%s)" % error
            return 0, {}
        document = data[:-_CRC_SIZE]
        if crc32(document) != int.from_bytes(data[-_CRC_SIZE:], "little") or not document:
            self.reason = "configuration: what is on flash is damaged (%d bytes)" % len(data)
            return 0, {}
        try:
            return configuration.parse_document(document)
        except ProtocolError as error:
            # A newer release may know other fields or bounds: keep what still holds.
            self.reason = str(error)
            return _still_valid(document)


def _still_valid(document):
    """(version, values) of what holds in a stored document of another release, or (0, {})."""
    try:
        body = cbor.loads(document)
    except ProtocolError:
        return 0, {}
    given = body.get("c") if isinstance(body, dict) else None
    if not isinstance(given, dict):
        return 0, {}
    valid = {key: given[key] for key in given if not configuration.field_problems(key, given[key])}
    if configuration.validate(valid):
        # What holds does not hold together: those that others lean on go, all at once.
        for key in ("lamp/calendar", "photocell/on_lux", "photocell/off_lux"):
            valid.pop(key, None)
    version = body.get("v")
    if not isinstance(version, int) or not 0 <= version <= 0xFFFFFFFF:
        version = 0
    return int(version), valid
