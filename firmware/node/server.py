"""The SMP server: bytes of a request from any link in, bytes of the reply out.

Nothing a peer sends raises past `Server.handle`. What all groups refuse alike goes out as
{"rc": code, "rsn": text}, what is a group's own as {"err": {"group", "rc"}}, as MCUmgr does;
to a request of SMP version 1, which knows no "err", always as {"rc"}.
"""

import asyncio
import gc

from protocol import envelope, messages, smp
from protocol.busframe import MAX_PAYLOAD
from protocol.errors import ProtocolError

from .groups import CONSOLE, Refused, Request
from .sealing import Replayed

# Room that a sealed reply leaves its content: header, {"m": bytes} and seal around it.
_SEALED_LIMIT = MAX_PAYLOAD - smp.HEADER_SIZE - 6 - envelope.OVERHEAD

# Characters of a reason.
_MAX_REASON = 120

# What a version 1 client is told for a code of group 64.
_STREET_TO_MGMT = {
    smp.STREET_ERR_INVALID: smp.MGMT_ERR_EINVAL,
    smp.STREET_ERR_NOT_SEALED: smp.MGMT_ERR_EACCESSDENIED,
    smp.STREET_ERR_SEAL: smp.MGMT_ERR_EACCESSDENIED,
    smp.STREET_ERR_REPLAY: smp.MGMT_ERR_EACCESSDENIED,
    smp.STREET_ERR_BUSY: smp.MGMT_ERR_EBUSY,
}


class Server:
    """groups: {group number: group}. sealing: Sealing. switch_closed: asks the service switch.

    identity: of `identity.load`, its keys those of `sealing`, and root, the folder that it is kept
    in; without, keys cannot be changed.

    handled: requests answered, and broadcasts taken. rejected: messages too broken to answer.
    faults: errors of our own. proven: sealed requests accepted over a link other than the console:
    the gateway reaches us. on_replay: called with the refusals so far when they reach 1, 2, 4, ...
    on_key: called with the id of a key that has come into force. on_sealed: called with the name of
    the link by which a sealed request was accepted.
    """

    def __init__(self, groups, sealing, switch_closed, on_replay=None, identity=None, root=""):
        self._groups = groups
        self._sealing = sealing
        self._switch_closed = switch_closed
        self._identity = identity
        self._root = root
        self._lock = asyncio.Lock()
        self.handled = 0
        self.rejected = 0
        self.faults = 0
        self.last_fault = ""
        self.proven = 0
        self.on_replay = on_replay
        self.on_key = None
        self.on_sealed = None

    async def handle(self, message, link):
        """The reply to the bytes of one SMP message from the link named `link`, or None."""
        return await self._answer(message, link, 0, MAX_PAYLOAD)

    async def broadcast(self, message, link):
        """Carry out the bytes of one SMP message that came to all on `link`; nobody answers it."""
        await self._answer(message, link, 0, MAX_PAYLOAD, True)

    async def _answer(self, message, link, key_id, limit, broadcast=False):
        try:
            op, group, sequence, command, _, version = smp.unpack_header(message)
        except ProtocolError:
            self.rejected += 1
            return None
        if op not in (smp.OP_READ, smp.OP_WRITE):
            # A reply, perhaps our own heard back: answering could go on for ever.
            self.rejected += 1
            return None
        self.handled += 1
        try:
            body = await self._body(message, link, key_id, broadcast)
            if not version and "err" in body:
                body = {"rc": smp.MGMT_ERR_EUNKNOWN}
            reply = smp.pack(op + 1, group, sequence, command, body, version)
            if len(reply) <= limit:
                return reply
            body = {"rc": smp.MGMT_ERR_EMSGSIZE}
        except Refused as refused:
            body = _refusal(refused, version)
        except ProtocolError as error:
            body = {"rc": smp.MGMT_ERR_EINVAL, "rsn": str(error)[:_MAX_REASON]}
            if group == smp.GROUP_STREET and version:
                body = smp.error(smp.GROUP_STREET, smp.STREET_ERR_INVALID)
        except MemoryError:
            gc.collect()
            self._fault("out of memory")
            body = {"rc": smp.MGMT_ERR_ENOMEM}
        except Exception as error:  # noqa: BLE001 - the boundary: a peer never stops a link
            self._fault("group %d command %d: %r" % (group, command, error))
            body = {"rc": smp.MGMT_ERR_EUNKNOWN}
        return smp.pack(op + 1, group, sequence, command, body, version)

    async def _body(self, message, link, key_id, broadcast):
        """The body of the reply. key_id: of the seal it was taken out of, 0 for none."""
        op, number, _, command, body = smp.unpack(message)
        writes = op == smp.OP_WRITE
        if number == smp.GROUP_STREET and command == messages.SEALED:
            if key_id or not writes:
                raise Refused(smp.MGMT_ERR_ENOTSUP)
            if broadcast:
                return await self._open_broadcast(body, link)
            return await self._open(body, link)
        if broadcast and not (writes and _for_all(number, command, key_id)):
            raise Refused(smp.MGMT_ERR_ENOTSUP)
        request = Request(writes, number, command, body, link, key_id > 0, self._switch_closed)
        request.key_id = 0 if broadcast else key_id
        if number == smp.GROUP_STREET:
            if command == messages.KEYS and self._identity is not None:
                from . import keyring

                return keyring.answer(
                    request, self._identity, self._root, self._sealing, self.on_key
                )
            if command == messages.MULTICAST:
                number = smp.GROUP_IMAGE
        group = self._groups.get(number)
        if group is None:
            raise Refused(smp.MGMT_ERR_ENOTSUP)
        return await group.handle(request)

    async def _open(self, body, link):
        data = messages.parse_sealed(body)
        # One at a time, so that a repeat finds the reply to the first, not its execution.
        async with self._lock:
            inner, key_id, counter, reply = self._unseal(data)
            if reply is None:
                self._proved(key_id)
                if link != CONSOLE:
                    self.proven += 1
                if self.on_sealed is not None:
                    self.on_sealed(link)
                answer = await self._answer(inner, link, key_id, _SEALED_LIMIT)
                if answer is None:
                    raise Refused(smp.STREET_ERR_INVALID, "", smp.GROUP_STREET)
                reply = self._sealing.seal(key_id, counter, answer)
        return messages.sealed(reply)

    async def _open_broadcast(self, body, link):
        data = messages.parse_sealed(body)
        async with self._lock:
            try:
                inner = self._sealing.open_broadcast(data)
            except Replayed:
                return {}  # gateways repeat broadcasts, since nobody answers them
            await self._answer(inner, link, envelope.FIRST_GROUP_KEY, _SEALED_LIMIT, True)
        return {}

    def _proved(self, key_id):
        """A message was accepted under this key: it may be a new one, which retires another."""
        if self._identity is None or "next" not in self._identity:
            return
        from . import keyring

        try:
            if keyring.proved(self._root, self._identity, key_id) and self.on_key is not None:
                self.on_key(key_id)
        except (OSError, ValueError) as error:
            # Both keys stay good until a message finds the flash well again.
            self._fault("the old key cannot be retired: %r" % error)

    def _unseal(self, data):
        """What `Sealing.open` gives, Refused for what it raises."""
        try:
            return self._sealing.open(data)
        except ProtocolError:
            refusal = Refused(smp.STREET_ERR_SEAL, "", smp.GROUP_STREET)
        except Replayed as replayed:
            extra = {"c": replayed.lowest}
            refusal = Refused(smp.STREET_ERR_REPLAY, "", smp.GROUP_STREET, extra)
            self._tell_replay(self._sealing.replayed)
        raise refusal

    def _tell_replay(self, count):
        # Doubling, so that whoever floods us does not fill the log.
        if self.on_replay is not None and count & (count - 1) == 0:
            self.on_replay(count)

    def _fault(self, text):
        self.faults += 1
        self.last_fault = text


def _for_all(group, command, key_id):
    """Whether a write may come by broadcast: few may, and but for one only sealed."""
    if group == smp.GROUP_STREET:
        if command == messages.MULTICAST:
            return True  # its beginning has to be sealed, which is looked at there
        return key_id > 0 and command in (messages.LAMP, messages.PRESENCE)
    return key_id > 0 and group == smp.GROUP_OS and command == smp.OS_DATETIME


def _refusal(refused, version):
    if refused.group is not None and version:
        body = smp.error(refused.group, refused.code)
    else:
        code = refused.code
        if refused.group == smp.GROUP_STREET:
            code = _STREET_TO_MGMT.get(code, smp.MGMT_ERR_EUNKNOWN)
        elif refused.group is not None:
            code = smp.MGMT_ERR_EUNKNOWN
        body = {"rc": code}
        if refused.reason:
            # It may quote what the peer sent, however long that is; the reply has to fit its frame.
            body["rsn"] = refused.reason[:_MAX_REASON]
    if refused.extra:
        body.update(refused.extra)
    return body
