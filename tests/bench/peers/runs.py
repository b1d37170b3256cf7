"""One peer under the load: its rate, what it loses in an outage and at SIGKILL, its memory."""

from __future__ import annotations

import os
import pty
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.bench.peers import bridge, load
from tests.bench.peers.brokers import KEEPING, Broker, running
from tests.bench.peers.memory import rss_mb
from tests.bench.peers.thingsboard import ThingsBoard
from tests.bench.peers.thingsboard import numbers as packs

# An outage of the city's broker, seconds.
OUTAGE_S = 10.0
QUIET_S = 15.0


class Gateway(Protocol):
    """What stands between the brokers."""

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        ...

    def start(self) -> None:
        """Start it."""
        ...

    def kill(self) -> None:
        """SIGKILL."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        sent: messages acknowledged at the front.
        lost: of these, never seen behind.
        repeated: seen behind again.
        rate: messages a second, from the first in to the last out.
        rss_mb: the gateway's resident memory at the end, megabytes.
    """

    sent: int
    lost: int
    repeated: int
    rate: float
    rss_mb: float


def through_bridge(folder: Path, messages: int, fault: str = "") -> Outcome:
    """As `through`, for mosquitto's bridge, which is the street's broker itself."""
    city = Broker(folder / "city", KEEPING)
    street = bridge.broker(folder / "street", city.port)
    with running(city), running(street):
        heard = load.City(city.port, bridge.numbers)
        try:
            return _load(city, street, street, heard, messages, fault)
        finally:
            heard.close()


def through_thingsboard(folder: Path, messages: int, fault: str = "", *, tuned: bool) -> Outcome:
    """`messages` through ThingsBoard's gateway. Raises ToolError."""
    city, street = Broker(folder / "city", KEEPING), Broker(folder / "street")
    with running(city), running(street):
        gateway = ThingsBoard(folder / "gateway", city.port, street.port, None, tuned=tuned)
        heard = load.City(city.port, packs)  # first: the gateway asks the server before it sends
        try:
            gateway.start()
            return _load(city, street, gateway, heard, messages, fault)
        finally:
            heard.close()
            gateway.kill()


def serial_through_thingsboard(folder: Path, messages: int) -> Outcome:
    """`messages`, a line each, at a serial port that ThingsBoard's gateway reads, tuned.

    Raises ToolError.
    """
    city = Broker(folder / "city")
    master, slave = pty.openpty()
    tty.setraw(slave)
    with running(city):
        gateway = ThingsBoard(folder / "gateway", city.port, None, os.ttyname(slave), tuned=True)
        heard = load.City(city.port, packs)
        try:
            gateway.start()
            began = time.perf_counter()
            writing = threading.Thread(target=_write_lines, args=(master, messages), daemon=True)
            writing.start()
            heard.wait(messages, QUIET_S)
            rate = len(heard.seen) / max(1e-9, heard.last - began)
            return Outcome(messages, messages - len(heard.seen), 0, rate, rss_mb(gateway.pid))
        finally:
            heard.close()
            gateway.kill()
            os.close(master)
            os.close(slave)


def _write_lines(port: int, count: int) -> None:
    for number in range(count):
        # A pseudo-terminal takes no more than its far side reads.
        os.write(port, load.text(number).encode() + b"\n")


def _load(
    city: Broker,
    street: Broker,
    gateway: Gateway,
    heard: load.City,
    messages: int,
    fault: str,
) -> Outcome:
    source = load.Street(street.port)
    try:
        began = time.perf_counter()
        if fault:
            _with_fault(city, gateway, source, messages, fault)
        else:
            source.publish(range(messages))
        heard.wait(messages, QUIET_S)
        lost = len(source.acknowledged - heard.seen)
        rate = len(heard.seen) / max(1e-9, heard.last - began)
        repeated = heard.arrived - len(heard.seen)
        return Outcome(len(source.acknowledged), lost, repeated, rate, rss_mb(gateway.pid))
    finally:
        source.close()


def _with_fault(
    city: Broker, gateway: Gateway, source: load.Street, messages: int, fault: str
) -> None:
    half, back = messages // 2, messages * 3 // 4
    source.publish(range(half))
    city.stop()
    # What comes now is acknowledged in front while nothing can leave behind.
    source.publish(range(half, back), pause_s=OUTAGE_S / messages)
    if fault == "kill":
        gateway.kill()
        gateway.start()
    city.start()
    source.publish(range(back, messages))
