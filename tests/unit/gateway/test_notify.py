"""systemd's notification protocol, on a real socket; and who may feed the watchdog."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway import logs
from gateway.errors import BufferUnavailable
from gateway.notify import Notifier
from gateway.vitals import Progress, Vitals


class Systemd:
    """Receives what a service says."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(10)

    def heard(self) -> list[str]:
        return self._socket.recv(4096).decode().split("\n")

    def all_heard(self) -> list[str]:
        self._socket.setblocking(False)
        heard: list[str] = []
        try:
            while True:
                heard += self._socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[tuple[Systemd, dict[str, str]]]:
    address = str(tmp_path / "notify")
    listening = Systemd(address)
    yield listening, {"NOTIFY_SOCKET": address}
    listening.close()


def test_each_word_is_said_as_systemd_expects_it(
    systemd: tuple[Systemd, dict[str, str]],
) -> None:
    listening, environment = systemd
    notifier = Notifier(logs.get(), environment)
    notifier.ready("12 lampposts,\n two buses")
    assert listening.heard() == ["READY=1", "STATUS=12 lampposts, two buses"]
    notifier.alive()
    assert listening.heard() == ["WATCHDOG=1"]
    notifier.status("x" * 10_000)
    assert len(listening.heard()[0]) < 1000
    notifier.reloading()
    reloading, monotonic = listening.heard()
    assert reloading == "RELOADING=1"
    assert monotonic.startswith("MONOTONIC_USEC=")
    assert monotonic.partition("=")[2].isdecimal()
    notifier.stopping()
    assert listening.heard() == ["STOPPING=1"]


def test_an_abstract_socket_is_found_too() -> None:
    name = f"lamplighter-test-{os.getpid()}"
    listening = Systemd(f"\0{name}")
    Notifier(logs.get(), {"NOTIFY_SOCKET": f"@{name}"}).alive()
    assert listening.heard() == ["WATCHDOG=1"]
    listening.close()


def test_without_systemd_nothing_is_said_and_nothing_fails() -> None:
    with capture_logs() as lines:
        Notifier(logs.get(), {}).ready("here")
    assert lines == []


def test_a_systemd_that_does_not_listen_is_told_of_once(tmp_path: Path) -> None:
    with capture_logs() as lines:
        notifier = Notifier(logs.get(), {"NOTIFY_SOCKET": str(tmp_path / "gone")})
        notifier.ready("here")
        notifier.alive()
    assert [line["log_level"] for line in lines] == ["warning", "debug"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_time_is_systemds_word(
    environment: dict[str, str], expected: float | None
) -> None:
    assert Notifier(logs.get(), environment).watchdog_s == expected


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_part_is_late_only_beyond_what_it_said_and_its_patience() -> None:
    time = Time()
    progress = Progress("bus", 10, time)
    time.now += 10
    assert progress.late_s == 0
    time.now += 1
    assert progress.late_s == 1
    progress.made(rests_s=60)
    time.now += 70
    assert progress.late_s == 0
    time.now += 0.5
    assert progress.late_s == 0.5


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_the_watchdog_is_fed_while_all_make_progress(
    systemd: tuple[Systemd, dict[str, str]],
) -> None:
    listening, environment = systemd
    notifier = Notifier(logs.get(), {**environment, "WATCHDOG_USEC": "40000"})

    async def storage() -> None:
        raise BufferUnavailable("disk full: an answer all the same")

    vitals = Vitals(notifier, storage, logs.get())
    run = asyncio.create_task(vitals.run())
    heard: list[str] = []
    await until(lambda: len(heard.extend(listening.all_heard()) or heard) >= 3)
    assert set(heard) == {"WATCHDOG=1"}
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_a_part_that_hangs_starves_the_watchdog_and_is_named(
    systemd: tuple[Systemd, dict[str, str]],
) -> None:
    listening, environment = systemd

    async def storage() -> None:
        return None

    vitals = Vitals(Notifier(logs.get(), environment), storage, logs.get())
    north = vitals.part("bus north", patience_s=-1)
    with capture_logs() as lines:
        vitals.look()
    assert listening.all_heard() == ["STATUS=no progress: bus north"]
    assert [line["parts"] for line in lines] == ["bus north"]
    north.made(rests_s=60)
    vitals.look()
    assert listening.all_heard() == ["WATCHDOG=1"]
    vitals.part("bus south", patience_s=-1)
    vitals.gone("bus south")
    vitals.look()
    assert listening.all_heard() == ["WATCHDOG=1"]


async def test_a_disk_that_hangs_starves_the_watchdog(
    systemd: tuple[Systemd, dict[str, str]],
) -> None:
    _, environment = systemd
    notifier = Notifier(logs.get(), {**environment, "WATCHDOG_USEC": "20000"})
    never = asyncio.Event()
    vitals = Vitals(notifier, never.wait, logs.get(), storage_patience_s=0.05)
    run = asyncio.create_task(vitals.run())
    await until(lambda: vitals.late == ["storage"])
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
