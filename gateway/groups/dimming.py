"""Lamp commands for many at once: said to each bus by broadcast, then made sure of one by one.

A broadcast is not answered. Afterwards each lamppost is asked which override it has: a command
carries a number of its own, so the answer tells whether that very command was heard, or one that
came after it. Who missed it gets it under its own key. So it takes effect at most once, in the
order of the commands, and has an outcome for each lamppost. What somebody sets at the lamppost
itself within that minute carries no number, and looks as if the command had been missed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256

from gateway.buffer.state import State
from gateway.clock import StreetClock
from gateway.commands import Expired, check_expiry, parse_lamp
from gateway.errors import GatewayError
from gateway.groups.broadcast import Broadcaster
from gateway.groups.memberships import Memberships
from gateway.groups.orders import Order
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from gateway.logs import Logger

_MOST_ORDERS = 16
# What a lamppost that was away so long would do when back is no longer what was meant.
_SETTLE_S = 60.0
_AGAIN_S = 1.0
# Of those that no bus leads to, asked at the same time.
_AT_ONCE = 16


class GroupDimming:
    """Carries out group commands; `lampposts` by node id, `broadcasters` by bus."""

    def __init__(
        self,
        lampposts: Mapping[bytes, Lamppost],
        broadcasters: Mapping[str, Broadcaster],
        state: State,
        clock: StreetClock,
        log: Logger,
    ) -> None:
        self._lampposts = lampposts
        self._broadcasters = broadcasters
        self._state = state
        self._clock = clock
        self._log = log
        self._orders: list[Order] = []
        # 1..255; begins anywhere, so that one from before a restart is not taken for a new one.
        self._number = secrets.randbelow(255)
        self._serial = 0
        # By node: serial of the newest command that may have reached it.
        self._newest: dict[bytes, int] = {}
        self._members = Memberships()
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: asyncio.Task[None] | None = None
        self.done = 0
        self.missed = 0
        self.refused = 0

    async def received(self, group: int, payload: bytes) -> None:
        """A command for `group` (1..16, 0 for all). It is noted on disk before it is sent."""
        log = self._log.bind(group=group or "all")
        now = self._clock.now()
        try:
            command = parse_lamp(payload)
            check_expiry(command.expires, now)
        except ValueError as error:
            self.refused += 1
            log.warning("group command refused", why=str(error))
            return
        digest = sha256(b"group %d " % group + payload).digest()
        if not await self._state.first_time(digest, max(command.expires, now), now):
            return
        if len(self._orders) >= _MOST_ORDERS:
            self.refused += 1
            log.warning("group command refused", why="too many are under way")
            return
        self._number = self._number % 255 + 1
        self._serial += 1
        order = Order(
            group,
            self._number,
            self._serial,
            command,
            time.monotonic(),
            now,
            set(self._lampposts),
        )
        self._orders.append(order)
        task = asyncio.create_task(self._say(order, log))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def overridden(self, node: bytes) -> None:
        """A command for this lamppost alone was carried out: what came before is settled."""
        for order in self._orders:
            order.settled(node)

    @property
    def under_way(self) -> set[asyncio.Task[None]]:
        """What is being said."""
        return set(self._tasks)

    def follow(self, before: GroupDimming) -> None:
        """Take over what `before`, which is closed, had not settled; `go_on` goes on with it.

        Its numbers too: lamps still have overrides that carry them.
        """
        self._orders = before._orders
        self._number, self._serial = before._number, before._serial
        self._newest = before._newest

    def go_on(self) -> None:
        """See who has heard what was said."""
        if self._orders and (self._settling is None or self._settling.done()):
            self._settling = asyncio.create_task(self._settle_all())

    async def close(self) -> None:
        """Give up what is still waiting."""
        tasks = [*self._tasks, *([self._settling] if self._settling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _say(self, order: Order, log: Logger) -> None:
        """To everybody at once; then begin to look who heard it."""

        async def to_bus(bus: str, broadcaster: Broadcaster) -> None:
            def still_wanted() -> None:
                if self._clock.now() > order.ends:
                    raise Expired(f"over since {order.ends}")
                for lamppost in self._lampposts.values():
                    if lamppost.bus == bus:
                        self._goes_to(lamppost, order)

            await broadcaster.say(order.message(), still_wanted)

        async def to_one(lamppost: Lamppost) -> None:
            await self._ask(lamppost, order, order.serial)

        wanted = [to_bus(*named) for named in self._broadcasters.items()]
        wanted += [
            to_one(lamppost) for lamppost in self._lampposts.values() if self._apart(lamppost)
        ]
        try:
            for outcome in await asyncio.gather(*wanted, return_exceptions=True):
                if isinstance(outcome, GatewayError):
                    log.debug("group command not said", why=str(outcome))
                elif isinstance(outcome, BaseException):
                    raise outcome
        finally:
            order.said = True
        self.go_on()

    def _apart(self, lamppost: Lamppost) -> bool:
        """Whether a broadcast does not reach it, but something else may."""
        broadcaster = self._broadcasters.get(lamppost.bus or "")
        by_bus = lamppost.session.route.best.kind == "bus"
        return lamppost.link == "up" and not (
            by_bus and broadcaster is not None and broadcaster.keys.has(lamppost)
        )

    def _goes_to(self, lamppost: Lamppost, order: Order) -> None:
        self._newest[lamppost.node] = max(self._newest.get(lamppost.node, 0), order.serial)

    async def _ask(self, lamppost: Lamppost, order: Order, newest: int) -> None:
        """Give `order` to one lamppost, unless it is over or settled when its turn comes.

        newest: serial of the newest command that it is known to have or to have missed; one that
        came after that may have reached it meanwhile, and must not be followed by an older.
        """

        def still_wanted() -> None:
            if lamppost.node not in order.waiting or self._over(order):
                raise Expired("it is over, or settled otherwise")
            if self._newest.get(lamppost.node, 0) > newest:
                raise Expired("a later command came between")
            self._goes_to(lamppost, order)

        await lamppost.session.ask(
            order.message(self._clock.now()),
            Traffic.COMMAND,
            idempotent=False,
            just_before=still_wanted,
        )
        # What is for a group is taken by others too, who do nothing.
        if not order.group or self._members.known(lamppost) is not None:
            order.obeyed(lamppost.node)
            _look_at(lamppost)

    async def _settle_all(self) -> None:
        while True:
            await asyncio.gather(*(self._settle_bus(bus) for bus in self._broadcasters))
            await self._settle_others()
            for order in [order for order in self._orders if order.said and self._over(order)]:
                self._orders.remove(order)
                self._tell(order)
            if not self._orders:
                return
            await asyncio.sleep(_AGAIN_S)

    async def _settle_bus(self, bus: str) -> None:
        # One after the other, so that readings have their turns in between.
        for lamppost in self._due(lambda post: post.bus == bus):
            await self._settle(lamppost)

    async def _settle_others(self) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(lamppost: Lamppost) -> None:
            async with limit:
                await self._settle(lamppost)

        others = self._due(lambda post: post.bus not in self._broadcasters)
        await asyncio.gather(*(one(lamppost) for lamppost in others))

    def _due(self, which: Callable[[Lamppost], bool]) -> Iterable[Lamppost]:
        return [
            lamppost
            for lamppost in self._lampposts.values()
            if which(lamppost)
            and lamppost.link == "up"
            and any(lamppost.node in order.waiting for order in self._orders)
        ]

    async def _settle(self, lamppost: Lamppost) -> None:
        """See what one lamppost obeys, and give it what it has missed."""
        try:
            if any(order.group for order in self._orders if lamppost.node in order.waiting):
                await self._members.groups_of(lamppost)
            if not self._waiting(lamppost, 0):
                return
            known = self._newest.get(lamppost.node, 0)
            override = await management.lamp_override(lamppost)
            # Anew: a command for it alone may have been carried out meanwhile, or one for all have
            # come, which it may have heard while it is still being said to others.
            waiting = self._waiting(lamppost, known)
            newest = max(
                (place for place, order in enumerate(waiting) if order.seen_in(override)),
                default=-1,
            )
            for order in waiting[: newest + 1]:
                order.obeyed(lamppost.node)
                _look_at(lamppost)
            for order in waiting[newest + 1 :]:
                if order.said:
                    known = max(known, order.serial)
                    await self._ask(lamppost, order, known)
        except GatewayError as error:
            lamppost.log.debug("group command not settled", why=str(error))

    def _waiting(self, lamppost: Lamppost, known: int) -> list[Order]:
        """The commands that are for it and not settled: said, or of a serial up to `known`."""
        found: list[Order] = []
        for order in self._orders:
            if lamppost.node not in order.waiting or self._over(order):
                continue
            if order.group:
                groups = self._members.known(lamppost)
                if groups is None:
                    return []  # it came just now: next time
                if not groups >> (order.group - 1) & 1:
                    order.settled(lamppost.node)
                    continue
            if order.said or order.serial <= known:
                found.append(order)
        return found

    def _over(self, order: Order) -> bool:
        return (
            not order.waiting
            or time.monotonic() - order.began > _SETTLE_S
            or self._clock.now() > order.ends
        )

    def _tell(self, order: Order) -> None:
        self.done += order.done
        # One that was taken out of the configuration meanwhile has missed nothing.
        names = sorted(
            self._lampposts[node].name for node in order.waiting if node in self._lampposts
        )
        self.missed += len(names)
        log = self._log.bind(group=order.group or "all", done=order.done, missed=len(names))
        if names:
            log.warning("group command carried out, not by all", lampposts=", ".join(names[:5]))
        else:
            log.info("group command carried out")


def _look_at(lamppost: Lamppost) -> None:
    """Have it report what it does now."""
    lamppost.wants_facts = True
    lamppost.next_due = 0.0
