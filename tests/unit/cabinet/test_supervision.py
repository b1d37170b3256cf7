"""What looks after the gateway: systemd is told, figures are served, alarms are published."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import logs
from gateway.config import Configuration
from gateway.config.metrics import Address
from gateway.metrics import asking
from gateway.supervision import Supervision, bus_figures
from tests.unit.cabinet.sources import Street
from tests.unit.gateway.test_notify import Systemd


def configuration(folder: Path, port: int) -> Configuration:
    return Configuration.model_validate(
        {
            "gateway": {"id": "cabinet-1", "data_dir": str(folder)},
            "mqtt": {"host": "broker", "tls": {"ca_file": str(folder / "none.pem")}},
            "bus": {"north": {"port": "/dev/ttyAMA0"}},
            "metrics": {"listen": f"127.0.0.1:{port}"},
        }
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def answers(address: Address) -> bool:
    try:
        asking.ask(address, "/health", "cabinet-1", 5)
    except asking.NotAnswered:
        return False
    return True


async def test_from_ready_to_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"lamplighter-test-{os.getpid()}-supervision"
    systemd = Systemd(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setattr("gateway.supervision._LISTEN_AGAIN_S", 0.05)
    street = Street(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        settings = configuration(tmp_path, port)
        made = Supervision(
            lambda: settings, street.sources, street.alarms, street.clock, logs.get()
        )
        running = asyncio.create_task(made.run())
        heard: list[str] = []
        await until(lambda: "WATCHDOG=1" in (heard.extend(systemd.all_heard()) or heard))
        assert heard[:2] == [
            "READY=1",
            "STATUS=3 lampposts, 1 silent; broker connected; 7 records kept; 1 alarms",
        ]
        # Somebody else has the address of the metrics: the gateway runs on, and says so.
        await until(
            lambda: (
                {alarm.name for alarm in street.alarms.raised}
                == {"metrics_unavailable", "certificate_unusable"}
            )
        )
    address = settings.metrics.address
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(answers, address):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert {alarm.name for alarm in street.alarms.raised} == {"certificate_unusable"}
    made.vitals.part("bus north", patience_s=-1)
    _, document = await asyncio.to_thread(asking.ask, address, "/health", "cabinet-1")
    assert document["checks"][0]["text"] == "no progress: bus north"
    with pytest.raises(asking.NotAnswered, match="'cabinet-1'"):
        await asyncio.to_thread(asking.ask, address, "/health", "cabinet-2")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert systemd.all_heard()[-1] == "STOPPING=1"
    systemd.close()


def test_the_figures_of_a_bus() -> None:
    class Frames:
        rejected = 5

    class Port:
        opened = asyncio.Event()
        reopened = 1
        deframer = Frames()

    class Line:
        requests, timeouts, unexpected = 10, 2, 3

    figures = bus_figures(Port(), Line())
    assert (figures.open, figures.requests, figures.rejected, figures.reopened) == (False, 10, 5, 1)
