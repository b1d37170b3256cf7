"""One RS-485 bus: its port, its line, and what a person has to see to there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from gateway.bus.channel import BusChannel
from gateway.bus.identities import Adoption, Alarms, Identities
from gateway.bus.port import Port
from gateway.bus.transaction import Line
from gateway.config import BusSection
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Turns
from gateway.logs import Logger

_LOOK_EVERY_S: Final = 1.0
# A port that is away for this long is worth somebody's way to the cabinet; less is a glitch.
_AWAY_S: Final = 30.0
# Addresses named as those that talk.
_MOST_NAMED: Final = 3


class Bus:
    """The bus `name` as `section` has it.

    `port`, `line` and `turns` are what exchanges are made with; `identities` knows who is where.
    What is unknown and answers is shown to `adoption`, where there is one.
    """

    def __init__(
        self, name: str, section: BusSection, alarms: Alarms, adoption: Adoption | None, log: Logger
    ) -> None:
        self.name = name
        self.section = section
        self._alarms = alarms
        self.port = Port(section.port, section.baud, section.rs485, log)
        self.line = Line(self.port, section.reply_timeout_ms / 1000)
        self.turns = Turns()
        every = section.discover_every_s if section.discover else 0.0
        self.identities = Identities(
            name, self.line, self.turns, every, alarms, adoption, log
        )  # fmt: skip
        self._away_since: float | None = None
        self._strays: dict[int, int] = {}

    def channel(self, address: int) -> BusChannel:
        """The way to the lamppost at `address`."""
        return BusChannel(address, self.line, self.turns, self.section.attempts)

    def follow(self, section: BusSection) -> None:
        """Go by `section` from now on; its port is the same and stays open."""
        self.section = section
        self.line.reply_timeout_s = section.reply_timeout_ms / 1000

    def forget(self) -> None:
        """It is not there any more: nobody has to see to it."""
        for name in ("bus_port", "bus_babbling", "bus_rs485"):
            self._alarms.over(name, self.name)

    def expect(self, lampposts: Mapping[int, bytes]) -> None:
        """Say who is at which address by the configuration."""
        self.identities.expected = dict(lampposts)

    def doubted(self, lamppost: Lamppost) -> None:
        """What `lamppost` answered over this bus is not believed: see who is at its address."""
        if lamppost.address is not None:
            self.line.suspicions.tell(lamppost.address)

    async def run(self) -> None:
        """Keep the bus until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.port.run())
            group.create_task(self.identities.run())
            group.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Raise and end the alarms of this bus, as things stand at machine time `now`."""
        self._look_at_port(now)
        if self.port.babble.look(now):
            if self.port.babble.babbling:
                self._alarms.set("bus_babbling", self._who_babbles(), subject=self.name)
            else:
                self._alarms.over("bus_babbling", self.name)
        self._strays = dict(self.line.strays)

    def _look_at_port(self, now: float) -> None:
        if self.port.opened.is_set():
            self._away_since = None
            self._alarms.over("bus_port", self.name)
        elif self._away_since is None:
            self._away_since = now
        elif now - self._away_since >= _AWAY_S:
            text = f"the port of bus {self.name} cannot be opened: {self.port.trouble}"
            self._alarms.set("bus_port", text, subject=self.name)
        if self.port.rs485_refused:
            self._alarms.set(
                "bus_rs485",
                f"the driver of {self.section.port} has no RS-485 mode, so it is used without; if"
                " lampposts answer, the adapter switches by itself: set rs485 = false",
                subject=self.name,
            )
        else:
            self._alarms.over("bus_rs485", self.name)

    def _who_babbles(self) -> str:
        """What to say of somebody who fills the line, by the frames that could be understood."""
        fresh = {
            address: count - self._strays.get(address, 0)
            for address, count in self.line.strays.items()
        }
        loudest = sorted(
            (address for address, count in fresh.items() if count > 0),
            key=lambda address: fresh[address],
            reverse=True,
        )[:_MOST_NAMED]
        if loudest:
            who = f"address {', '.join(map(str, loudest))} talks without being asked"
        else:
            who = "none of it is a frame, so it is not known who"
        return f"somebody fills bus {self.name}: {who}; part the line to find where it comes from"
