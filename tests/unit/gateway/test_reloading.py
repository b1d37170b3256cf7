"""A configuration read anew: taken over whole, or refused whole, and systemd told in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from structlog.testing import capture_logs

from gateway import logs
from gateway.alarms import Alarms
from gateway.clock import SystemClock
from gateway.config import Configuration, load
from gateway.notify import Notifier
from gateway.reload import Difference
from gateway.reloading import Reloads
from tests.unit.gateway.test_config import GOOD, write
from tests.unit.gateway.test_notify import Systemd


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_sound_files_are_taken_over_and_others_are_not(tmp_path: Path) -> None:
    systemd = Systemd(str(tmp_path / "notify"))
    heard: list[str] = []

    def told(number: int) -> bool:
        heard.extend(systemd.all_heard())
        return heard.count("READY=1") == number and heard.count("RELOADING=1") == number

    file = write(tmp_path, GOOD)
    before, _ = load(file)
    taken: list[tuple[Difference, Configuration]] = []

    async def apply(changes: Difference, fresh: Configuration) -> list[str]:
        taken.append((changes, fresh))
        return list(changes.restart)

    alarms = Alarms(SystemClock(), logs.get())
    notifier = Notifier(logs.get(), {"NOTIFY_SOCKET": str(tmp_path / "notify")})
    made = Reloads(file, before, apply, notifier, lambda: "all well", alarms, logs.get())
    running = asyncio.create_task(made.run())

    made.asked.set()
    await until(lambda: told(1))
    assert (taken, made.done) == ([], 0)

    write(tmp_path, GOOD.replace("address = 1", "address = 2"))
    made.asked.set()
    await until(lambda: told(2))
    assert list(taken[0][0].lampposts_changed) == ["a0b1c2d3e4f5"]
    assert made.configuration.lamppost[0].address == 2

    write(tmp_path, GOOD.replace("address = 1", "address = 999"))
    with capture_logs() as lines:
        made.asked.set()
        await until(lambda: told(3))
    assert made.configuration.lamppost[0].address == 2
    assert [alarm.name for alarm in alarms.raised] == ["configuration_refused"]
    assert any("999" in str(line.get("why")) for line in lines)
    assert not any("00112233" in str(line) for line in lines)

    write(tmp_path, GOOD.replace('id = "cabinet-1"', 'id = "cabinet-2"'))
    with capture_logs() as lines:
        made.asked.set()
        await until(lambda: told(4))
    assert alarms.raised == []
    assert any(line.get("keys") == "gateway.id" for line in lines)
    assert "STATUS=all well" in heard

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    systemd.close()
