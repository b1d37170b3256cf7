"""mosquitto's own bridge: the street's broker passes everything on to the city's, QoS 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.bench.peers import load
from tests.bench.peers.brokers import Broker

_BRIDGE = """\
persistence true
connection city
address 127.0.0.1:{city}
topic bench/# out 1
cleansession false
bridge_protocol_version mqttv50
restart_timeout 1
try_private true
"""


def numbers(topic: str, payload: bytes) -> Iterator[int]:
    """The message in a message."""
    if topic.startswith("bench/"):
        yield load.number_of(json.loads(payload)["r"])


def broker(folder: Path, city: int) -> Broker:
    """The street's broker with a bridge to the city's at port `city`."""
    return Broker(folder, _BRIDGE.format(city=city))
