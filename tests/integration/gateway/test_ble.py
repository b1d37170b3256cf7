"""The gateway's Bluetooth: bleak over Bumble, on a street of lampposts with the real firmware."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway import logs
from gateway.errors import LinkUnavailable, NoReply, SealBroken
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from protocol import messages, records, smp
from simulators.radio.bleak_backend import BumbleAdapter
from simulators.street import Street
from tests.integration.gateway.ble_street import nearby, status, street_on_air, until


@pytest.mark.soak
async def test_more_lampposts_than_connections_are_heard_read_and_updated_several_at_a_time(
    tmp_path: Path,
) -> None:
    async with street_on_air(tmp_path, lampposts=3) as street:
        hci = str(street.folder / "hci")
        image = street.factory.release("1.1.0")
        async with nearby(street, BumbleAdapter, hci, connections=2) as radio:
            news: list[bytes] = []
            radio.link.on_news(news.append)
            posts = [radio.add(number) for number in range(3)]
            await radio.heard()
            await until(lambda: len(set(news)) == 3)
            for post in posts:
                live = radio.link.live(post.node)
                assert live is not None
                assert live.values["lit"] is True
                assert live.counter >= 4096

            post = posts[0]
            facts = await status(post)
            message = management.readings(int(str(facts["epoch"])), 0, 1024, None, None)
            body = await post.session.ask(message, Traffic.POLL)
            assert records.to_dict(body["r"][0])["kind"] == "boot"

            # All three at once over two connections: the third gets its turn too.
            uploads = [management.Upload(one, image) for one in posts]
            most = 0

            def progressed() -> None:
                nonlocal most
                most = max(most, radio.link.counters()["connections"])

            await asyncio.gather(*(upload.run(progressed) for upload in uploads))
            assert [upload.offset for upload in uploads] == [len(image)] * 3
            assert most == 2
            for one in posts:
                assert await _fresh_version(one) == "1.1.0"
            counters = radio.link.counters()
            assert (counters["connects_failed"], counters["adverts_forged"]) == (0, 0)


async def test_lampposts_in_reach_are_heard_known_and_updated_and_an_adapter_may_die(
    tmp_path: Path,
) -> None:
    async with street_on_air(tmp_path, lampposts=2) as street:
        assert street.radio is not None
        await street.radio.serve_hci(street.folder / "second")
        await _a_stranger_is_shown_and_tells_who_it_is(street)
        await _a_wrong_lamppost_behind_an_address_is_found_out(street)
        await _an_adapter_that_dies_is_opened_again_and_another_takes_over(street)
        await _two_updates_at_once(street)


@pytest.mark.soak
async def test_two_updates_at_once_survive_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For half a minute Bumble would wait for the dead to say goodbye.
    monkeypatch.setattr("bumble.gatt_client.GATT_REQUEST_TIMEOUT", 2)
    async with street_on_air(tmp_path, lampposts=2) as street:
        await _over_a_power_cut(street)


async def _a_stranger_is_shown_and_tells_who_it_is(street: Street) -> None:
    nodes = {post.node for post in street.lampposts}
    async with nearby(street, BumbleAdapter, str(street.folder / "hci")) as radio:
        await until(lambda: len(radio.link.strangers()) == 2)
        await until(lambda: all(one.name for one in radio.link.strangers()))
        names = {one.name for one in radio.link.strangers()}
        assert names == {f"lamp-{node[6:]}" for node in nodes}
        for stranger in radio.link.strangers():
            channel = radio.link.stranger(stranger.address, logs.get())
            assert channel is not None
            request = smp.pack(smp.OP_READ, smp.GROUP_STREET, 1, messages.STATUS, {})
            async with channel.turn(Traffic.COMMAND):
                reply, _ = await channel.exchange(request)
            found = messages.parse_status(smp.unpack(reply)[4])["id"].hex()
            assert found in nodes
            nodes.remove(found)


async def _a_wrong_lamppost_behind_an_address_is_found_out(street: Street) -> None:
    async with nearby(street, BumbleAdapter, str(street.folder / "hci")) as radio:
        other = street.lampposts[1].radio_address
        post = radio.add(0, address=":".join(f"{byte:02X}" for byte in other))
        await radio.heard()
        with pytest.raises(SealBroken):
            await status(post)
        live = radio.link.live(post.node)
        assert live is not None
        assert live.values == {}, "nor are its adverts taken for ours"
        assert radio.link.counters()["adverts_forged"] > 0


async def _an_adapter_that_dies_is_opened_again_and_another_takes_over(street: Street) -> None:
    names = [str(street.folder / name) for name in ("hci", "second")]
    adapters = {name: BumbleAdapter(name) for name in names}
    async with nearby(street, adapters.__getitem__, *names) as radio:
        post = radio.add(0)
        await radio.heard()
        listened = radio.link._listened[post.node]  # pyright: ignore[reportPrivateUsage]
        await until(lambda: len(listened.sightings) == 2)
        await status(post)
        (used,) = (one for one in adapters.values() if one.clients)
        other = next(one for one in adapters.values() if one is not used)
        await used.close()
        assert (await status(post))["id"] == post.node
        assert other.clients
        # The dead one comes back by itself.
        await until(lambda: len(listened.sightings) == 2)
        assert radio.link.alarms() == []


async def _two_updates_at_once(street: Street) -> None:
    image = street.factory.release("1.1.0")
    async with nearby(street, BumbleAdapter, str(street.folder / "hci")) as radio:
        posts = [radio.add(number) for number in range(2)]
        await radio.heard()
        uploads = [management.Upload(post, image) for post in posts]
        both = False

        def progressed() -> None:
            nonlocal both
            both = both or radio.link.counters()["connections"] == 2

        await asyncio.gather(*(upload.run(progressed) for upload in uploads))
        assert both
        for post in posts:
            assert await _fresh_version(post) == "1.1.0"
            live = radio.link.live(post.node)
            assert live is not None
            assert live.values["lit"] is True


async def _over_a_power_cut(street: Street) -> None:
    image = street.factory.release("1.1.0")
    async with nearby(street, BumbleAdapter, str(street.folder / "hci")) as radio:
        posts = [radio.add(number) for number in range(2)]
        await radio.heard()
        lives = [radio.link.live(post.node) for post in posts]
        uploads = [management.Upload(post, image) for post in posts]
        cut: list[asyncio.Task[None]] = []

        def progressed() -> None:
            if min(upload.offset for upload in uploads) > len(image) // 3 and not cut:
                assert radio.link.counters()["connections"] == 2
                cut.append(asyncio.create_task(street.power_cut()))

        before = await asyncio.gather(
            *(upload.run(progressed) for upload in uploads), return_exceptions=True
        )
        assert all(isinstance(error, NoReply | LinkUnavailable) for error in before), before
        await cut[0]
        counts = [live.counter for live in lives if live is not None]
        await street.power_on()
        await until(
            lambda: all(
                live is not None and live.counter > count + 100
                for live, count in zip(lives, counts, strict=True)
            )
        )
        await radio.heard()
        again = [management.Upload(post, image) for post in posts]
        await asyncio.gather(*(upload.run(lambda: None) for upload in again))
        for post in posts:
            assert await _fresh_version(post) == "1.1.0"


async def _fresh_version(post: Lamppost) -> str:
    slots = {slot["slot"]: slot for slot in await management.images(post)}
    return slots[1]["version"]
