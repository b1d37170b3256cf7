"""Releases: uploaded, tried, confirmed or reverted; resumed after kill -9; installed once."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from protocol import messages, multicast, smp
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import Street, eventually, street
from tests.integration.gateway.images import make_image

IMAGE = make_image()
UPLOAD = (smp.GROUP_IMAGE, smp.IMAGE_UPLOAD)


def release(image: bytes = IMAGE, rollout: str = "r1") -> dict[str, Any]:
    return {
        "rollout": rollout,
        "version": "2.0.0",
        "hash": image[-32:].hex(),
        "image": sha256(image).hexdigest(),
        "size": len(image),
    }


async def offer(town: Street, image: bytes = IMAGE) -> None:
    await town.city.publish(f"releases/{sha256(image).hexdigest()}", image)


def state(town: Street, node: FakeNode) -> str:
    return town.city.reported.get(node.hex, {}).get("update", {}).get("state", "")


async def test_a_release_is_uploaded_tried_and_confirmed_while_readings_flow(
    tmp_path: Path,
) -> None:
    image = make_image(100_000)  # a hundred chunks, so that others have their turns between them
    bus = FakeBus([FakeNode(address) for address in (1, 2)])
    one, two = bus.nodes[1], bus.nodes[2]
    polls_during: list[int] = []

    def watch(group: int, command: int) -> None:
        if (group, command) == UPLOAD:
            two.append()
            polls_during.append(two.polls)

    one.on_request = watch
    one.trial = "stay"
    two.append(4000)  # a backlog, which may neither starve nor be starved
    async with street(tmp_path, bus) as town:
        await offer(town, image)
        await town.gateway.start()
        await town.city.want(one.hex, "desired/release", release(image))
        await eventually(lambda: state(town, one) == "trial", "trial")
        await eventually(lambda: one.running.hash == image[-32:], "tried")
        one.running.confirmed = True
        await eventually(lambda: state(town, one) == "confirmed", "confirmed")
        assert one.running.hash == image[-32:]
        assert (one.resets, one.uploads_finished) == (1, 1)
        update = town.city.reported[one.hex]["update"]
        assert update["rollout"] == "r1"
        assert update["progress"] == 1
        await eventually(
            lambda: town.city.reported[one.hex]["firmware"]["hash"] == image[-32:].hex(), "facts"
        )
        assert polls_during[-1] > polls_during[0]
        await eventually(lambda: town.city.has_all_of(bus), "readings of the others")
        assert two.resets == 0


async def test_a_reverted_release_is_reported_with_its_reason_and_not_tried_again(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1, trial="revert")])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        await offer(town)
        await town.gateway.start()
        await town.city.want(node.hex, "desired/release", release())
        await eventually(lambda: state(town, node) == "reverted", "reverted")
        assert town.city.reported[node.hex]["update"]["reason"] == "the self-test failed"
        await town.gateway.kill()
        await town.gateway.start()
        node.append(20)
        await eventually(lambda: town.city.has_all_of(bus), "running again")
        await town.city.want(node.hex, "desired/release", release())
        polls = node.polls
        await eventually(lambda: node.polls > polls + 20, "polled on")
        assert node.resets == 1
        node.trial = "confirm"
        await town.city.want(node.hex, "desired/release", release(rollout="r2"))
        await eventually(lambda: state(town, node) == "confirmed", "another rollout may")
        assert node.uploads_finished == 1  # it was still there


async def test_an_image_the_lamppost_refuses_is_reported_refused(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1, refuse_image="the image is for another board")])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        await offer(town)
        await town.gateway.start()
        await town.city.want(node.hex, "desired/release", release())
        await eventually(lambda: state(town, node) == "refused", "refused")
        assert town.city.reported[node.hex]["update"]["reason"] == "the image is for another board"
        assert node.resets == 0


async def test_an_image_that_is_not_what_the_release_says_goes_to_no_lamppost(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        await town.city.publish(f"releases/{sha256(IMAGE).hexdigest()}", IMAGE[:-1] + b"\x00")
        await town.gateway.start()
        await town.city.want(node.hex, "desired/release", release())
        await eventually(lambda: town.gateway.said("image refused"), "refused")
        assert node.chunks == 0
        await offer(town)
        await eventually(lambda: state(town, node) == "confirmed", "the right one is taken")


async def test_a_lamppost_silent_after_the_reset_is_failed_and_corrected_when_it_returns(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1, trial="vanish")])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        town.gateway.write_config(updates="trial_timeout_s = 1")
        await offer(town)
        await town.gateway.start()
        await town.city.want(node.hex, "desired/release", release())
        await eventually(lambda: state(town, node) == "failed", "failed")
        assert "silent after the restart" in town.city.reported[node.hex]["update"]["reason"]
        node.running.confirmed = True
        node.silent = False
        await eventually(lambda: state(town, node) == "confirmed", "corrected")


async def test_what_already_runs_is_not_installed_again(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    node.running.hash = IMAGE[-32:]
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await town.city.want(node.hex, "desired/release", release())
        await eventually(lambda: state(town, node) == "confirmed", "confirmed")
        assert (node.resets, node.chunks) == (0, 0)


async def test_a_multicast_that_somebody_spoils_is_followed_by_an_upload(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(address) for address in (1, 2, 3)])
    victim = bus.nodes[2]

    def forge(group: int, command: int) -> None:
        if victim.reception.active:
            victim.on_request = lambda group, command: None
            name = multicast.tag(sha256(IMAGE).digest())
            victim.reception.write(multicast.chunk_request(name, 3, bytes(1024)), sealed=False)

    victim.on_request = forge
    async with street(tmp_path, bus) as town:
        town.gateway.write_config(bus="baud = 921600")
        await offer(town)
        await town.gateway.start()
        for node in bus.nodes.values():
            await town.city.want(node.hex, "desired/release", release())
        nodes = list(bus.nodes.values())
        await eventually(lambda: all(state(town, node) == "confirmed" for node in nodes), "all")
        assert [node.chunks > 0 for node in nodes] == [False, True, False]
        assert [node.started for node in nodes] == [[IMAGE[-32:]]] * 3
        updates = [town.city.reported[node.hex]["update"] for node in nodes]
        assert [update["multicast"] for update in updates] == [True, False, True]
        assert [update["mode"] for update in updates] == ["full"] * 3


async def test_one_upload_at_a_time_on_a_bus(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(address) for address in (1, 2)])
    order: list[int] = []
    for node in bus.nodes.values():

        def watch(group: int, command: int, address: int = node.address) -> None:
            if (group, command) == UPLOAD:
                order.append(address)

        node.on_request = watch
    async with street(tmp_path, bus) as town:
        town.gateway.write_config(updates="multicast = false")
        await offer(town)
        await town.gateway.start()
        for node in bus.nodes.values():
            await town.city.want(node.hex, "desired/release", release())
        await eventually(
            lambda: all(state(town, node) == "confirmed" for node in bus.nodes.values()), "both"
        )
        assert order == sorted(order) or order == sorted(order, reverse=True)


def test_the_fake_goes_on_where_an_upload_stopped() -> None:
    node = FakeNode(1)

    def chunk(offset: int, size: int) -> dict[str, Any]:
        body: dict[str, Any] = {"off": offset, "data": IMAGE[offset : offset + size]}
        if offset == 0:
            body |= {"len": len(IMAGE), "sha": sha256(IMAGE).digest()}
        request = smp.pack(smp.OP_WRITE, *UPLOAD[:1], 0, UPLOAD[1], body)
        answer = node.answer(request)
        assert answer is not None
        return smp.unpack(answer)[4]

    assert chunk(0, 100) == {"off": 100}
    assert chunk(0, 100) == {"off": 100}
    assert node.update_state == messages.UPDATE_IDLE
