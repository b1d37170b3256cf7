"""One adapter at work: it scans on, whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakError

from gateway import logs
from gateway.ble import radio as rules
from gateway.ble.listener import Listener
from gateway.ble.radio import Radio
from gateway.ble.remedies import Fault
from gateway.errors import LinkUnavailable
from tests.unit.gateway.ble.fakes import FakeAdapter, Peer, until

BUSY = BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"])
OFF = BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"])
NO_PASSIVE = BleakError("passive scanning on Linux requires BlueZ >= 5.56 with --experimental")
ADDRESS = "A0:B1:C2:D3:E4:F7"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_RETRY_FIRST_S", 0.005)
    monkeypatch.setattr(rules, "_RETRY_MOST_S", 0.01)
    monkeypatch.setattr(rules, "_CHECK_S", 0.01)


@asynccontextmanager
async def _working(
    adapter: FakeAdapter,
    silence_s: float = 100,
    scan: Literal["auto", "active", "passive"] = "active",
) -> AsyncIterator[Radio]:
    radio = Radio(adapter, scan, silence_s, Listener(lambda: 0.0), lambda: None, logs.get())
    task = asyncio.create_task(radio.run())
    try:
        yield radio
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task


async def test_what_bluez_refuses_is_tried_again() -> None:
    adapter = FakeAdapter()
    adapter.prepares = [FileNotFoundError(2, "No such file"), EOFError()]
    adapter.starts = [BUSY, BUSY]
    async with _working(adapter) as radio:
        await until(lambda: radio.up)
        assert radio.faults == {Fault.BLUEZ_GONE: 2, Fault.IN_PROGRESS: 2}
        assert radio.alarm == ""
        assert "power cycle" not in adapter.calls
    assert adapter.calls[-1] == "stop"


async def test_what_does_not_pass_by_itself_is_met_by_switching_the_adapter() -> None:
    adapter = FakeAdapter()
    adapter.starts = [BUSY] * 6
    async with _working(adapter) as radio:
        await until(lambda: radio.up)
        assert radio.power_cycles == 1


async def test_an_adapter_that_is_off_is_switched_at_once() -> None:
    adapter = FakeAdapter()
    adapter.starts = [OFF]
    async with _working(adapter) as radio:
        await until(lambda: radio.up)
        assert adapter.calls == ["prepare", "power cycle", "prepare", "start"]


async def test_one_that_needs_a_person_says_so_and_is_not_given_up() -> None:
    adapter = FakeAdapter()
    adapter.starts = [BleakDBusError("org.bluez.Error.Failed", ["Blocked through rfkill"])] * 10_000
    async with _working(adapter) as radio:
        await until(lambda: radio.faults[Fault.BLOCKED] > 3)
        assert "rfkill unblock bluetooth" in radio.alarm
        assert radio.power_cycles == 0
        adapter.starts.clear()
        await until(lambda: radio.up and not radio.alarm)


async def test_an_adapter_that_is_another_or_off_is_noticed_without_waiting_for_silence() -> None:
    adapter = FakeAdapter()
    async with _working(adapter) as radio:
        await until(lambda: radio.up)
        adapter.there = False
        await until(lambda: radio.faults[Fault.ADAPTER_GONE])
        adapter.there = True
        await until(lambda: radio.up and radio.scans > 1)


async def test_silence_restarts_the_scan_then_the_adapter_then_is_an_alarm() -> None:
    adapter = FakeAdapter()
    async with _working(adapter, silence_s=0.05) as radio:
        await until(lambda: radio.alarm)
        assert adapter.calls[:9] == [
            "prepare", "start", "stop", "prepare", "start", "power cycle", "stop", "prepare",
            "start",
        ]  # fmt: skip
        assert radio.power_cycles == 1
        await until(lambda: adapter.hear)
        adapter.advertise(ADDRESS)
        await until(lambda: not radio.alarm)


async def test_an_adapter_that_carries_connections_is_not_switched_off_for_silence() -> None:
    adapter = FakeAdapter()
    async with _working(adapter, silence_s=0.05) as radio:

        async def keep() -> None:
            while True:
                radio.works()
                await asyncio.sleep(0.005)

        keeping = asyncio.create_task(keep())
        await until(lambda: radio.alarm)
        keeping.cancel()
        assert radio.power_cycles == 0


async def test_where_there_is_no_passive_scan_an_active_one_is_used() -> None:
    adapter = FakeAdapter()
    adapter.starts = [NO_PASSIVE]
    async with _working(adapter, scan="auto") as radio:
        await until(lambda: radio.up)
    assert adapter.modes == ["passive", "active"]


async def test_where_a_passive_scan_hears_nobody_an_active_one_is_used() -> None:
    adapter = FakeAdapter()
    async with _working(adapter, silence_s=0.05, scan="auto") as radio:
        await until(lambda: radio.scans > 1)
    assert adapter.modes[:2] == ["passive", "active"]


async def test_passive_that_was_asked_for_and_is_not_there_is_an_alarm() -> None:
    adapter = FakeAdapter()
    adapter.starts = [NO_PASSIVE] * 3
    async with _working(adapter, scan="passive") as radio:
        await until(lambda: radio.alarm)
        assert "--experimental" in radio.alarm
        await until(lambda: radio.up)


async def test_connections_are_begun_one_at_a_time_and_not_while_the_scan_starts() -> None:
    adapter = FakeAdapter()
    adapter.peers[ADDRESS] = Peer()
    device = BLEDevice(ADDRESS, None, None)
    async with _working(adapter) as radio:
        with pytest.raises(LinkUnavailable):
            await radio.connect(device, lambda: None)
        await until(lambda: radio.up)
        busy = most = 0
        real = adapter.client

        def client(*arguments: object) -> object:
            nonlocal busy, most
            made = real(*arguments)  # type: ignore[arg-type]
            connect = made.connect

            async def slowly() -> None:
                nonlocal busy, most
                busy += 1
                most = max(most, busy)
                await asyncio.sleep(0.01)
                await connect()
                busy -= 1

            made.connect = slowly  # type: ignore[method-assign]
            return made

        adapter.client = client  # type: ignore[method-assign,assignment]
        made = await asyncio.gather(*(radio.connect(device, lambda: None) for _ in range(5)))
        assert most == 1
        for connection in made:
            await connection.close()


async def test_connections_that_keep_failing_make_the_scan_start_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "_LEAST_SCAN_S", 0.0)
    adapter = FakeAdapter()
    peer = adapter.peers[ADDRESS] = Peer()
    peer.connects = [TimeoutError()] * 12
    device = BLEDevice(ADDRESS, None, None)
    async with _working(adapter) as radio:
        await until(lambda: radio.up)
        for _ in range(12):
            assert radio.scans == 1
            with pytest.raises(TimeoutError):
                await radio.connect(device, lambda: None)
        await until(lambda: radio.scans == 2)
