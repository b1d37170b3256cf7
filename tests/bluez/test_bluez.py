"""The gateway's Bluetooth through the real BlueZ: stock bleak, Debian's bluetoothd and kernel.

One machine for all: it takes seconds to start.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from gateway.ble.bluez import BluezAdapter
from gateway.lampposts import management
from gateway.lampposts.turns import Traffic
from protocol import records
from simulators.bluez import BluezGuest
from simulators.street import Street
from simulators.tools import bluez_guest
from simulators.tools.errors import ToolError
from tests.integration.gateway.ble_street import Nearby, nearby, status, street_on_air, until


async def test_through_the_real_bluez(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        bluez_guest.fetch()
    except ToolError as error:
        pytest.skip(f"no BlueZ to test with: {error}")
    began = time.monotonic()

    def done(what: str) -> None:
        with capsys.disabled():
            print(f"\n  {time.monotonic() - began:6.1f} s  {what}", end="", flush=True)

    async with contextlib.AsyncExitStack() as stack:
        guests: list[BluezGuest] = []

        async def boot(street: Street) -> None:
            guest = BluezGuest(street.folder / "hci", tmp_path / "guest.log")
            guests.append(await stack.enter_async_context(guest))
            done("BlueZ is up")

        async with street_on_air(tmp_path, beside=boot) as street:
            done("a lamppost is on air")
            (guest,) = guests
            for name, value in guest.environment.items():
                monkeypatch.setenv(name, value)
            adapter = BluezAdapter("hci0")
            async with nearby(street, lambda _: adapter, "hci0") as radio:
                post = radio.add(0)
                await radio.heard()
                live = radio.link.live(post.node)
                assert live is not None
                await until(lambda: live.values.get("lit") is True)
                done(f"its advert opened: {live.values}, {live.rssi} dBm")

                facts = await status(post)
                done("its status was read")
                message = management.readings(int(str(facts["epoch"])), 0, 1024, None, None)
                body = await post.session.ask(message, Traffic.POLL)
                assert records.to_dict(body["r"][0])["kind"] == "boot"
                count, seconds = await _requests(radio)
                done(f"{count} records requests, {1000 * seconds / count:.0f} ms each")
                counter = live.counter
                await until(lambda: live.counter > counter + 1)
                done("adverts are heard while it is connected")

                scans = radio.link.counters()["scans"]
                await guest.restart_bluetoothd()
                await until(lambda: radio.link.counters()["scans"] > scans)
                await radio.heard()
                assert (await status(post))["id"] == post.node
                done("bluetoothd was killed, and its status read again")

                scans = radio.link.counters()["scans"]
                await adapter.switch(False)
                await until(lambda: radio.link.counters()["scans"] > scans)
                await radio.heard()
                assert (await status(post))["id"] == post.node
                done("the adapter was switched off, and its status read again")

                scans = radio.link.counters()["scans"]
                await adapter.power_cycle()
                await radio.heard()
                assert (await status(post))["id"] == post.node
                done(f"the adapter was switched off and on; faults met: {radio.link.faults()}")


async def _requests(radio: Nearby) -> tuple[int, float]:
    count = 20
    began = time.monotonic()
    for _ in range(count):
        message = management.readings(0, 0, 1024, None, None)
        await radio.lampposts[0].session.ask(message, Traffic.POLL)
    return count, time.monotonic() - began
