"""A gateway as systemd and monitoring see it: ready, alive, asked, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from gateway.cabinet import doctor, lamppost_list
from gateway.cabinet.findings import ok
from gateway.cli.health import look
from gateway.config import load
from gateway.config.metrics import Address
from gateway.metrics import asking
from gateway.metrics.health import Grade
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import GATEWAY, eventually, free_port, street
from tests.unit.gateway.test_notify import Systemd


def ask(address: Address, path: str) -> dict[str, Any]:
    with contextlib.suppress(asking.NotAnswered):
        return asking.ask(address, path, GATEWAY)[1]
    return {}


def states(address: Address) -> list[str]:
    """Of the lampposts' links."""
    return [post["link"]["state"] for post in ask(address, "/lampposts").get("lampposts", [])]


async def test_systemd_and_monitoring_are_told(tmp_path: Path) -> None:
    name = f"lamplighter-test-{os.getpid()}-gateway"
    systemd = Systemd(f"\0{name}")
    heard: list[str] = []

    def has_heard(word: str) -> bool:
        heard.extend(systemd.all_heard())
        return word in heard

    bus = FakeBus([FakeNode(1), FakeNode(2)])
    async with street(tmp_path, bus) as made:
        address = Address("127.0.0.1", free_port())
        made.gateway.write_config(metrics=f'listen = "127.0.0.1:{address.port}"')
        os.environ.update(NOTIFY_SOCKET=f"@{name}", WATCHDOG_USEC="2000000")
        try:
            await made.gateway.start()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        await eventually(lambda: has_heard("READY=1"), "ready")
        await eventually(lambda: has_heard("WATCHDOG=1"), "the watchdog is fed")
        await eventually(lambda: states(address) == ["up", "up"], "lampposts are up")
        checks = {check["name"]: check for check in ask(address, "/health")["checks"]}
        assert checks["loop"]["status"] == checks["storage"]["status"] == "ok", checks
        assert checks["lampposts"]["text"] == "0 of 2 lampposts silent"
        configuration, _ = load(made.gateway.config)
        listed, live = await asyncio.to_thread(lamppost_list.entries, configuration)
        assert (len(listed), live, listed[0].link) == (2, True, "bus0 1")
        found = await asyncio.to_thread(lambda: list(doctor.examine(made.gateway.config, 10)))
        serial = [one for one in found if one.about == "serial bus0"]
        assert f"in use by the running gateway (process {made.gateway.pid})" in serial[0].found
        assert ok("gateway", "says that all is well") in found or checks["disk"]["status"] != "ok"
        await eventually(lambda: "alarms" in made.city.status, "alarms in the status")

        text = made.gateway.config.read_text().replace('level = "debug"', 'level = "info"')
        made.gateway.config.write_text(text.replace("reply_timeout_ms = 200", "baud = 9600"))
        os.kill(made.gateway.pid, signal.SIGHUP)
        await eventually(lambda: has_heard("RELOADING=1"), "reloading")
        await eventually(lambda: has_heard("READY=1") and heard.count("READY=1") == 2, "reloaded")
        assert made.gateway.said("log: changed")
        assert made.gateway.said("bus.bus0: baud, reply_timeout_ms changed")
        await eventually(lambda: states(address) == ["up", "up"], "lampposts are up again")

        made.gateway.config.write_text(text.replace("[buffer]", "[bufer]"))
        grade, line = await asyncio.to_thread(look, made.gateway.config, 10)
        assert grade >= Grade.WARNING, "a mistake in the file is told"
        assert "bufer" in line
        assert "lampposts=2" in line, "and the gateway that runs is asked all the same"
        made.gateway.config.write_text(text)

        assert await made.gateway.stop() == 0
        assert has_heard("STOPPING=1")
        assert not any("no progress" in line for line in heard)
    systemd.close()
