"""The MQTT topics a gateway uses."""

from __future__ import annotations

import re
from typing import NamedTuple

PREFIX = "lamplighter/v1"
# Beside the gateways' own names in the first level.
RESERVED = ("ingest", "releases", "rollouts")
_METADATA = f"{PREFIX}/releases/metadata/"
_LAMPPOST = re.compile(r"lamppost/([0-9a-f]{12})/(desired/configuration|desired/release|command)")

_GROUP = re.compile(r"group/(all|[1-9]|1[0-6])/command")


class Addressed(NamedTuple):
    """Whom a message is for: `leaf` is desired/configuration, desired/release or command."""

    node: bytes
    leaf: str


class Topics:
    """Topics of the gateway `gateway`."""

    def __init__(self, gateway: str) -> None:
        self._base = f"{PREFIX}/{gateway}"
        self.status = f"{self._base}/status"
        self.records = f"{self._base}/records"
        self.wanted = (
            f"{self._base}/lamppost/+/desired/#",
            f"{self._base}/lamppost/+/command",
            f"{self._base}/group/+/command",
            f"{PREFIX}/ingest/+",
        )

    def reported(self, node: str) -> str:
        """Where the state of lamppost `node` is retained."""
        return f"{self._base}/lamppost/{node}/reported"

    def parse(self, topic: str) -> Addressed | None:
        """Whom a message on `topic` is for; None when it is for none of our lampposts."""
        if not topic.startswith(self._base + "/"):
            return None
        match = _LAMPPOST.fullmatch(topic, len(self._base) + 1)
        return Addressed(bytes.fromhex(match[1]), match[2]) if match else None

    def parse_group(self, topic: str) -> int | None:
        """The group (1..16, 0 for all) that a command on `topic` is for; None for other topics."""
        if not topic.startswith(self._base + "/"):
            return None
        match = _GROUP.fullmatch(topic, len(self._base) + 1)
        return None if match is None else 0 if match[1] == "all" else int(match[1])


def release(image: str) -> str:
    """Where the image file with SHA-256 `image` (hexadecimal) is retained."""
    return f"{PREFIX}/releases/{image}"


def parse_release(topic: str) -> str | None:
    """The SHA-256 in a release's topic; None for other topics."""
    prefix = f"{PREFIX}/releases/"
    return topic[len(prefix) :] if topic.startswith(prefix) else None


def release_metadata(name: str) -> str:
    """Where the file `name` of the release repository's signed metadata is retained."""
    return f"{_METADATA}{name}"


def parse_release_metadata(topic: str) -> str | None:
    """The name of the metadata file that `topic` carries; None for other topics."""
    return topic[len(_METADATA) :] if topic.startswith(_METADATA) else None


def parse_ingest(topic: str) -> str | None:
    """The name of the ingest whose announcement `topic` carries; None for other topics."""
    prefix = f"{PREFIX}/ingest/"
    return topic[len(prefix) :] if topic.startswith(prefix) else None
