"""Opening sealed requests and sealing their replies, each request taking effect at most once.

Counters: for each key the node keeps the highest counter it has accepted, and on flash a ceiling
above it, raised in blocks before it is passed. After a start everything below the ceiling counts as
used. So no request is ever accepted twice, at the price of a block of counters a start; a lamppost
that started every minute would use a thousandth of the 2**40 in two years. The ceilings stand in a
file and in NVS, of which the higher counts, so that a reformatted flash opens no door to a replay.

Replies: the reply to the last accepted request is kept as it was sealed, whole, whatever its size
(at most a bus frame). A repeat of that very request, as a gateway sends when the reply was lost,
gets these bytes again. It is never executed again and sealed anew: the nonce of a reply comes from
the request's counter, and two texts under one nonce would give away both.

Broadcasts: sealed under a group key, which opens nothing but broadcasts; never answered.
"""

import os
from binascii import crc32
from hashlib import sha256

from protocol import cbor, envelope
from protocol.errors import ProtocolError

BLOCK = 1024

_NVS_KEY = "counters"
# Eight keys and the forgotten ones, 11 bytes each, with their CRC.
_MAX_CEILINGS = 9
_MAX_FILE = 128
_FORGOTTEN = 0  # no key has this id


class Replayed(Exception):
    """The counter was used before. `lowest` is the lowest one that will be accepted."""

    def __init__(self, lowest):
        self.lowest = lowest


class Sealing:
    """The node's end of the seal.

    path: file of the counters. node_id: 6 bytes. keys: {key id: 16 bytes}, which may change. nvs:
    an `esp32.NVS` or None. refused: messages whose seal did not open; replayed: messages with a
    used counter, repeats of broadcasts not counted.
    """

    def __init__(self, path, node_id, keys, nvs=None):
        self._path = path
        self._nvs = nvs
        self._node_id = node_id
        self._keys = keys
        self._ceilings = self._load()
        # Lowest acceptable counter of each key.
        self._lowest = dict(self._ceilings)
        self._last_request = b""
        self._last_reply = None
        self.refused = 0
        self.replayed = 0

    def open(self, data):
        """(message, key id, counter, None) of a new request, (None, 0, 0, reply) for the last one.

        The counter is used up, in the file or NVS as well, before this returns. Raises
        ProtocolError when the seal does not open, Replayed, or OSError when neither takes it.
        """
        # The key of the cache is the whole sealed message: no second one has the same digest.
        request = sha256(data).digest()
        if request == self._last_request and self._last_reply is not None:
            return None, 0, 0, self._last_reply
        message, key_id, counter = self._unsealed(self._node_id, data)
        try:
            self._use(key_id, counter)
        except Replayed:
            self.replayed += 1
            raise
        self._last_request = request
        self._last_reply = None
        return message, key_id, counter, None

    def open_broadcast(self, data):
        """The message in a sealed broadcast, whose counter is used up as in `open`.

        Raises ProtocolError, Replayed (a gateway may well send one twice) or OSError.
        """
        message, key_id, counter = self._unsealed(envelope.BROADCAST_ID, data)
        self._use(key_id, counter)
        return message

    def lowest(self, key_id) -> int:
        """The lowest counter that will be accepted under this key."""
        return self._lowest.get(key_id, self._ceilings.get(_FORGOTTEN, 0))

    def seal(self, key_id, counter, message) -> bytes:
        """Seal the reply to the request with this key and counter, and keep it for a repeat."""
        reply = envelope.seal(
            self._keys[key_id], key_id, self._node_id, envelope.FROM_NODE, counter, message
        )
        self._last_reply = reply
        return reply

    def _unsealed(self, node_id, data):
        try:
            opened = envelope.open_sealed(self._keys, node_id, envelope.TO_NODE, data)
            if envelope.is_group_key(opened[1]) != (node_id == envelope.BROADCAST_ID):
                raise ProtocolError("envelope: key %d is not for this" % opened[1])
        except ProtocolError:
            self.refused += 1
            raise
        return opened

    def _use(self, key_id, counter):
        """The counter is used from here on, or Replayed."""
        lowest = self.lowest(key_id)
        if counter < lowest:
            raise Replayed(lowest)
        if counter >= self._ceilings.get(key_id, 0):
            self._reserve(key_id, counter + BLOCK)
        self._lowest[key_id] = counter + 1

    def _reserve(self, key_id, ceiling):
        ceilings = dict(self._ceilings)
        ceilings[key_id] = min(ceiling, envelope.MAX_COUNTER + 1)
        if len(ceilings) > _MAX_CEILINGS:
            # Keys that are no more share one, the highest, which a key that comes anew begins at:
            # should an old key be installed again, nothing that was sent under it is good again.
            for known in list(ceilings):
                if known not in self._keys:
                    ceilings[_FORGOTTEN] = max(ceilings.get(_FORGOTTEN, 0), ceilings.pop(known))
        data = cbor.dumps(ceilings)
        data += crc32(data).to_bytes(4, "little")
        # One place is enough, since the higher counts: to insist on both would lock the gateway out
        # for ever when one of them has come to refuse writes.
        kept = False
        failure = None
        for keep in (self._to_file, self._to_nvs):
            try:
                kept = keep(data) or kept
            except OSError as error:
                failure = error
        if not kept:
            raise failure or OSError(5)
        self._ceilings = ceilings

    def _to_file(self, data):
        with open(self._path + ".new", "wb") as file:
            file.write(data)
        os.rename(self._path + ".new", self._path)
        return True

    def _to_nvs(self, data):
        if self._nvs is None:
            return False
        self._nvs.set_blob(_NVS_KEY, data)
        self._nvs.commit()
        return True

    def _load(self):
        ceilings = _parse(_read_file(self._path))
        if self._nvs is not None:
            for key_id, ceiling in _parse(_read_nvs(self._nvs)).items():
                ceilings[key_id] = max(ceiling, ceilings.get(key_id, 0))
        return ceilings


def _read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_FILE)
    except OSError:
        return b""  # nothing was ever accepted


def _read_nvs(nvs):
    buffer = bytearray(_MAX_FILE)
    try:
        return bytes(buffer[: nvs.get_blob(_NVS_KEY, buffer)])
    except OSError:
        return b""  # never written, or erased


def _parse(data):
    """{key id: ceiling}; empty for bytes that are damaged or none."""
    if len(data) < 5 or crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        return {}
    try:
        ceilings = cbor.loads(data[:-4])
    except ProtocolError:
        return {}
    return ceilings if isinstance(ceilings, dict) else {}
