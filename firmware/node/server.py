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

    handled: requests answered. rejected: messages too broken to answer. faults: errors of our own.
    proven: sealed requests accepted over a link other than the console: the gateway reaches us.
    on_replay: called with the refusals so far when they reach 1, 2, 4, 8, ...
    """

    def __init__(self, groups, sealing, switch_closed, on_replay=None):
        self._groups = groups
        self._sealing = sealing
        self._switch_closed = switch_closed
        self._lock = asyncio.Lock()
        self.handled = 0
        self.rejected = 0
        self.faults = 0
        self.last_fault = ""
        self.proven = 0
        self.on_replay = on_replay

    async def handle(self, message, link):
        """The reply to the bytes of one SMP message from the link named `link`, or None."""
        return await self._answer(message, link, False, MAX_PAYLOAD)

    async def _answer(self, message, link, sealed, limit):
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
            body = await self._body(message, link, sealed)
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

    async def _body(self, message, link, sealed):
        op, number, _, command, body = smp.unpack(message)
        if number == smp.GROUP_STREET and command == messages.SEALED:
            if sealed or op != smp.OP_WRITE:
                raise Refused(smp.MGMT_ERR_ENOTSUP)
            return await self._open(body, link)
        group = self._groups.get(number)
        if group is None:
            raise Refused(smp.MGMT_ERR_ENOTSUP)
        return await group.handle(
            Request(op == smp.OP_WRITE, number, command, body, link, sealed, self._switch_closed)
        )

    async def _open(self, body, link):
        data = messages.parse_sealed(body)
        # One at a time, so that a repeat finds the reply to the first, not its execution.
        async with self._lock:
            inner, key_id, counter, reply = self._unseal(data)
            if reply is None:
                if link != CONSOLE:
                    self.proven += 1
                answer = await self._answer(inner, link, True, _SEALED_LIMIT)
                if answer is None:
                    raise Refused(smp.STREET_ERR_INVALID, "", smp.GROUP_STREET)
                reply = self._sealing.seal(key_id, counter, answer)
        return messages.sealed(reply)

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
