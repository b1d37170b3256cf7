"""The MQTT topics between gateways and the city, built and taken apart in one place."""

import re
from typing import Final

PREFIX: Final = "lamplighter/v1"

RECORDS: Final = f"{PREFIX}/+/records"
GATEWAY_STATUS: Final = f"{PREFIX}/+/status"
REPORTED: Final = f"{PREFIX}/+/lamppost/+/reported"
DESIRED_CONFIGURATION: Final = f"{PREFIX}/+/lamppost/+/desired/configuration"
DESIRED_RELEASE: Final = f"{PREFIX}/+/lamppost/+/desired/release"
ROLLOUTS: Final = f"{PREFIX}/rollouts/+"
INGEST: Final = f"{PREFIX}/ingest/+"

_GATEWAY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NODE_ID = re.compile(r"[0-9a-f]{12}")
# Second words of topics that are not gateways.
_RESERVED = frozenset({"ingest", "releases", "rollouts"})
_INGEST_NAME = re.compile(r"[A-Za-z0-9]{1,32}")
# `lamplighter/v1/ingest/records` would be taken for a gateway's.
_GATEWAY_LEAVES = frozenset({"records", "status"})


def is_gateway_id(text: str) -> bool:
    """Whether `text` can name a gateway."""
    return _GATEWAY_ID.fullmatch(text) is not None and text not in _RESERVED


def is_node_id(text: str) -> bool:
    """Whether `text` is a lamppost's id: 12 lower-case hexadecimal characters."""
    return _NODE_ID.fullmatch(text) is not None


def is_ingest_name(text: str) -> bool:
    """Whether `text` can name an ingest: 1 to 32 letters and digits, and no leaf of a gateway."""
    return _INGEST_NAME.fullmatch(text) is not None and text not in _GATEWAY_LEAVES


def ingest(name: str) -> str:
    """The topic that retains the presence of one ingest."""
    return f"{PREFIX}/ingest/{name}"


def lamppost(gateway: str, node: str, leaf: str) -> str:
    """The topic of one lamppost: leaf is reported, desired/configuration, command, ..."""
    return f"{PREFIX}/{gateway}/lamppost/{node}/{leaf}"


def group_command(gateway: str, group: str) -> str:
    """Where a gateway hears commands for a group: 1 to 16, or all."""
    return f"{PREFIX}/{gateway}/group/{group}/command"


def release(digest: str) -> str:
    """The topic that retains a signed image; `digest` is its file's SHA-256 in hexadecimal."""
    return f"{PREFIX}/releases/{digest}"


def release_metadata(name: str) -> str:
    """The topic that retains a metadata file of the release repository, such as timestamp.json."""
    return f"{PREFIX}/releases/metadata/{name}"


def rollout(identifier: str) -> str:
    """The topic that retains a rollout's state."""
    return f"{PREFIX}/rollouts/{identifier}"


def split_gateway(topic: str) -> tuple[str, str] | None:
    """(gateway, leaf) of a topic of a gateway itself; None for any other topic."""
    parts = topic.split("/")
    if len(parts) != 4 or f"{parts[0]}/{parts[1]}" != PREFIX or not is_gateway_id(parts[2]):
        return None
    return parts[2], parts[3]


def split_lamppost(topic: str) -> tuple[str, str, str] | None:
    """(gateway, node, leaf) of a lamppost's topic; None for any other topic."""
    parts = topic.split("/", 5)
    if len(parts) != 6 or f"{parts[0]}/{parts[1]}" != PREFIX or parts[3] != "lamppost":
        return None
    gateway, node, leaf = parts[2], parts[4], parts[5]
    return (gateway, node, leaf) if is_gateway_id(gateway) and is_node_id(node) else None
