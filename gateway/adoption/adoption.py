"""Making a lamppost ours: it proves that it has the key, and is written into the lampposts file.

The gateway takes the file up by reading its configuration again; nothing here touches what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from gateway.adoption.label import Label
from gateway.buffer.state import State, Wish
from gateway.clock import StreetClock
from gateway.config import LamppostSection, lampposts_file
from gateway.config.file import load, load_with
from gateway.config.lamppost import Replaced
from gateway.errors import GatewayError, SealBroken
from gateway.lampposts import management
from gateway.lampposts.channel import Channel
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from gateway.logs import Logger


class NotAdopted(GatewayError):
    """A lamppost is not taken; the text says what was expected and what to do."""


class Adoption:
    """Adopts lampposts for the gateway whose configuration is in `config_file`.

    `channels` are the ways to the lamppost that are to be tried, the best first.
    """

    def __init__(self, config_file: Path, state: State, clock: StreetClock, log: Logger) -> None:
        self._config_file = config_file
        self._state = state
        self._clock = clock
        self._log = log

    async def prove(self, label: Label, channels: Sequence[Channel]) -> dict[str, Any]:
        """Have the lamppost prove that it is `label`'s, by one sealed STATUS; gives that.

        Raises NotAdopted when it does not, NoReply and LinkUnavailable when it cannot be asked.
        """
        session = Session(
            label.node, label.key, label.key_id, Route(channels), self._state, self._log
        )
        lamppost = Lamppost(label.node, label.node.hex(), session, self._log)
        try:
            return await management.status(lamppost)
        except SealBroken as error:
            raise NotAdopted(
                f"{lamppost.id} does not answer under this key ({error}); "
                "compare the label on the lamppost, its node id too"
            ) from error

    async def adopt(self, section: LamppostSection, channels: Sequence[Channel]) -> None:
        """Take the lamppost of `section` for ours.

        Raises NotAdopted, ConfigurationError when its id, name, pole or address is another's,
        NoReply, LinkUnavailable, and OSError when the lampposts file cannot be written: nothing has
        happened then.
        """

        def added(kept: list[LamppostSection]) -> list[LamppostSection]:
            return [*kept, section]

        load_with(self._config_file, added)
        key = section.key.get_secret_value()
        await self.prove(Label(section.node, section.key_id, key), channels)
        self._write(added)
        self._log.info("lamppost adopted", lamppost=section.id, name=section.name)

    async def replace(
        self, pole: str, label: Label, channels: Sequence[Channel], address: int | None = None
    ) -> LamppostSection:
        """Put the node of `label` in the place of the one at `pole`; gives its section.

        It gets name, pole, street and place on the bus of the one before, and the configuration
        that is desired of it; address: its own on that bus, when it is another.

        Raises as `adopt` does, NotAdopted also when nothing stands at `pole`; and BufferUnavailable
        when the desired configuration cannot be kept.
        """
        old = self._at(pole)
        if old.node == label.node:
            raise NotAdopted(
                f"{old.id} stands at {pole} already; scan the label of the node that replaces it"
            )
        new = LamppostSection.model_validate(
            {
                **old.model_dump(exclude={"key"}),
                "id": label.node.hex(),
                "key": label.key.hex(),
                "key_id": label.key_id,
                "pole": old.place,
                "address": old.address if address is None else address,
                "replaced": (*old.replaced, Replaced(id=old.id, until=self._today())),
            }
        )

        def put(kept: list[LamppostSection]) -> list[LamppostSection]:
            return [*(one for one in kept if one.id != old.id), new]

        load_with(self._config_file, put)
        await self.prove(label, channels)
        # First, and the old one's last: whatever stops us between them, it is not lost.
        wish = (await self._state.wishes("configuration")).get(old.node)
        if wish is not None and wish.document:
            await self._state.save_wish(new.node, "configuration", Wish(wish.document, {}))
        self._write(put)
        await self._state.drop_wish(old.node, "configuration")
        self._log.info("lamppost replaced", pole=pole, before=old.id, lamppost=new.id)
        return new

    def _at(self, pole: str) -> LamppostSection:
        lampposts = load(self._config_file)[0].lamppost
        for section in lampposts:
            if section.place == pole:
                return section
        known = ", ".join(section.place for section in lampposts[:10]) or "none"
        more = f" and {len(lampposts) - 10} more" if len(lampposts) > 10 else ""
        raise NotAdopted(f"nothing stands at {pole[:80]}; expected one of: {known}{more}")

    def _today(self) -> date:
        now = self._clock.now()
        if not now:
            raise NotAdopted("the time is not known; set this machine's clock (NTP)")
        return datetime.fromtimestamp(now, UTC).date()

    def _write(self, change: Callable[[list[LamppostSection]], list[LamppostSection]]) -> None:
        # Read again: proving took a while, and another may have been adopted meanwhile.
        configuration, kept = load_with(self._config_file, change)
        lampposts_file.write(configuration.gateway.lampposts_file, kept)
