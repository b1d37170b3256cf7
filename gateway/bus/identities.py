"""Who is at which address: strangers found, and two lampposts at one address told apart.

Asked without a seal, every lamppost says who it is. One free address after the other is asked, in
the background; and an address at which something is odd is asked several times over, until each of
those who share it has once been understood.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.bus.transaction import Line
from gateway.errors import LinkUnavailable
from gateway.lampposts.turns import Traffic, Turns
from gateway.logs import Logger
from protocol import messages, smp
from protocol.busframe import FIRST_ADDRESS, LAST_ADDRESS
from protocol.errors import ProtocolError

# How often an address is asked that is looked into. Who one is takes 5 ms to say at 115200 baud: of
# two who begin within 10 ms of each other, as chance has it, both are understood once in 98 of 100.
_ASKED: Final = 16
# Answers garbled among these, or doubled, that make two of one who was understood.
_GARBLED: Final = 4
# How often another address is asked, to see whether it is the line that garbles.
_CONTROL: Final = 8
# Part of the line's time that the search may take, s/s.
_SHARE: Final = 0.05
_LOOK_EVERY_S: Final = 1.0


class Adoption(Protocol):
    """Where unknown lampposts are shown, until somebody gives them a key or turns them down."""

    def seen(self, node: bytes, link: str, address: int) -> None:
        """The lamppost `node` was met at `address` of `link`."""
        ...


class Alarms(Protocol):
    """Where what a person has to see to is raised."""

    def set(self, name: str, text: str, *, subject: str = "") -> None:
        """Raise an alarm, or say anew what one is about."""
        ...

    def over(self, name: str, subject: str = "") -> None:
        """It has been seen to."""
        ...


@dataclass
class Found:
    """Who answered at an address.

    Attributes:
        nodes: node ids.
        clean: requests with one answer, which was understood.
        garbled: requests with an answer that was not.
        doubled: requests with more than one.
        silent: requests with none.
    """

    nodes: set[bytes] = field(default_factory=set[bytes])
    clean: int = 0
    garbled: int = 0
    doubled: int = 0
    silent: int = 0

    @property
    def several(self) -> bool:
        """Whether more than one lamppost answers."""
        return len(self.nodes) > 1 or self.garbled + self.doubled >= _GARBLED


class Identities:
    """Looks after the addresses of the bus `name`.

    `expected` says who is at which address by the configuration; it may be changed. every_s: pause
    between free addresses asked, 0 for none at all; never more than a twentieth of the line's time.

    `duplicates` are the addresses with more than one lamppost, and who was told apart; `strangers`
    those where another answers than is expected, and who. Both by what is said without a seal: a
    hint for a person, which nothing else goes by.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        turns: Turns,
        every_s: float,
        alarms: Alarms,
        adoption: Adoption | None,
        log: Logger,
    ) -> None:
        self._name = name
        self._line = line
        self._turns = turns
        self._every = every_s
        self._alarms = alarms
        self._adoption = adoption
        self._log = log
        self._next_free = FIRST_ADDRESS
        self.expected: dict[int, bytes] = {}
        self.duplicates: dict[int, frozenset[bytes]] = {}
        self.strangers: dict[int, bytes] = {}

    async def run(self) -> None:
        """Search until cancelled."""
        search_at = time.monotonic() + self._every
        while True:
            await asyncio.sleep(min(_LOOK_EVERY_S, self._every or _LOOK_EVERY_S))
            if not self._line.open:
                continue
            try:
                if (address := self._line.suspicions.take(time.monotonic())) is not None:
                    await self.look_into(address)
                elif self._every and time.monotonic() >= search_at:
                    took = await self._search()
                    search_at = time.monotonic() + max(self._every, took / _SHARE)
            except LinkUnavailable as error:
                self._log.debug("nobody can be asked who it is", why=str(error))

    async def ask(self, address: int, times: int = 1) -> Found:
        """Ask who is at `address`, up to `times` times. Raises LinkUnavailable."""
        found = Found()
        for _ in range(times):
            async with self._turns.take(Traffic.POLL):
                replies, garbled = await self._line.gather(address, _WHO)
            nodes = [node for node in map(_node_of, replies) if node is not None]
            found.nodes.update(nodes)
            if len(replies) > 1:
                found.doubled += 1
            elif garbled or len(nodes) < len(replies):
                found.garbled += 1
            elif nodes:
                found.clean += 1
            else:
                found.silent += 1
            if len(found.nodes) > 1:
                break
        return found

    async def look_into(self, address: int) -> Found:
        """Find out who is at an address where something is odd, and raise or end the alarm.

        Raises LinkUnavailable.
        """
        found = await self.ask(address, _ASKED)
        expected = self.expected.get(address)
        for node in found.nodes - {expected}:
            self._show(node, address)
        subject = f"{self._name}/{address}"
        if found.several and not (len(found.nodes) < 2 and await self._is_noisy(address)):
            self.duplicates[address] = frozenset(found.nodes)
            self._alarms.set("bus_duplicate_address", _two(address, found), subject=subject)
        elif found.clean:
            self.duplicates.pop(address, None)
            self._alarms.over("bus_duplicate_address", subject)
        if found.nodes and expected is not None and expected not in found.nodes:
            stranger = min(found.nodes)
            self.strangers[address] = stranger
            self._alarms.set(
                "bus_stranger",
                f"expected lamppost {expected.hex()} at bus address {address},"
                f" {stranger.hex()} answers; if it was replaced, adopt the new one",
                subject=subject,
            )
        elif found.nodes:
            self.strangers.pop(address, None)
            self._alarms.over("bus_stranger", subject)
        return found

    async def _is_noisy(self, address: int) -> bool:
        """Whether answers from another address than `address` are garbled too."""
        others = [other for other in self.expected if other != address]
        other = others[0] if others else _free_from(address % LAST_ADDRESS + 1, self.expected)
        if other is None:
            return False
        found = await self.ask(other, _CONTROL)
        return found.garbled + found.doubled >= _CONTROL // 4

    async def _search(self) -> float:
        """Ask the next free address; how long that took, s."""
        address = _free_from(self._next_free, self.expected)
        if address is None:
            return 0.0
        self._next_free = address % LAST_ADDRESS + FIRST_ADDRESS
        began = time.monotonic()
        found = await self.ask(address)
        took = time.monotonic() - began
        for node in found.nodes:
            self._show(node, address)
        if found.doubled or found.garbled:
            await self.look_into(address)
        return took

    def _show(self, node: bytes, address: int) -> None:
        self._log.debug("unknown lamppost", lamppost=node.hex(), address=address)
        if self._adoption is not None:
            self._adoption.seen(node, f"bus:{self._name}", address)


_WHO: Final = smp.pack(smp.OP_READ, smp.GROUP_STREET, 0, messages.IDENTIFY, {})


def _node_of(reply: bytes) -> bytes | None:
    """The node id in the answer to _WHO, None when it is no such answer."""
    try:
        op, group, _, command, body = smp.unpack(reply)
        if (op, group, command) != (smp.OP_READ_RSP, smp.GROUP_STREET, messages.IDENTIFY):
            return None
        return messages.parse_identify_reply(body)[0]
    except ProtocolError:
        return None


def _free_from(address: int, taken: Collection[int]) -> int | None:
    """The first address from `address` on, around the end, that is not in `taken`."""
    count = LAST_ADDRESS - FIRST_ADDRESS + 1
    for step in range(count):
        candidate = (address - FIRST_ADDRESS + step) % count + FIRST_ADDRESS
        if candidate not in taken:
            return candidate
    return None


def _two(address: int, found: Found) -> str:
    known = " and ".join(sorted(node.hex() for node in found.nodes))
    if len(found.nodes) > 1:
        who = known
    elif known:
        who = f"{known} and one whose answers are garbled"
    else:
        who = "their answers garble each other"
    return (
        f"two lampposts have bus address {address}: {who};"
        " give one of them another address, or look for a faulty transceiver there"
    )
