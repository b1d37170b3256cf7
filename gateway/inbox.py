"""What the broker sends, handed to whom it concerns."""

from __future__ import annotations

from collections.abc import Collection

from gateway.commands import Commands
from gateway.desired import Configurations
from gateway.errors import GatewayError
from gateway.groups.dimming import GroupDimming
from gateway.logs import Logger, Trouble
from gateway.updates.images import Images
from gateway.updates.manager import Updates
from gateway.updates.shelf import Shelf
from gateway.uplink.presence import Presence
from gateway.uplink.topics import Topics, parse_ingest, parse_release, parse_release_metadata


class Inbox:
    """Sorts messages by topic. A message that cannot be used is logged and counted, never fatal."""

    def __init__(
        self,
        topics: Topics,
        nodes: Collection[bytes],
        configurations: Configurations,
        updates: Updates,
        commands: Commands,
        dimming: GroupDimming,
        images: Images,
        shelf: Shelf,
        presence: Presence,
        log: Logger,
    ) -> None:
        self._topics = topics
        self._nodes = nodes
        self._configurations = configurations
        self._updates = updates
        self._commands = commands
        self._dimming = dimming
        self._images = images
        self._shelf = shelf
        self._presence = presence
        self._log = log
        # Whoever may publish here may do so many times a second: told once.
        self._astray = Trouble(log, "message for no lamppost of this gateway")
        self.refused = 0

    async def received(self, topic: str, payload: bytes, expiry: int | None = None) -> None:
        """Take one message, valid for `expiry` s (None: for ever)."""
        ingest = parse_ingest(topic)
        if ingest is not None:
            self._presence.received(ingest, payload, expiry)
            return
        metadata = parse_release_metadata(topic)
        if metadata is not None:
            self._shelf.received(metadata, payload)
            return
        image = parse_release(topic)
        if image is not None:
            await self._images.received(image, payload)
            return
        group = self._topics.parse_group(topic)
        if group is not None:
            await self._command_group(group, topic, payload)
            return
        addressed = self._topics.parse(topic)
        if addressed is None or addressed.node not in self._nodes:
            self.refused += 1
            self._astray.failed(topic=topic[:200])
            return
        try:
            match addressed.leaf:
                case "desired/configuration":
                    await self._configurations.received(addressed.node, payload)
                case "desired/release":
                    await self._updates.received(addressed.node, payload)
                case _:
                    await self._commands.received(addressed.node, payload)
        except GatewayError as error:
            # The disk, most likely. What is desired is retained and comes again.
            self.refused += 1
            self._log.error("message not taken", topic=topic, why=str(error))

    async def _command_group(self, group: int, topic: str, payload: bytes) -> None:
        try:
            await self._dimming.received(group, payload)
        except GatewayError as error:
            self.refused += 1
            self._log.error("message not taken", topic=topic, why=str(error))
