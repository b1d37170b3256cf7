"""Releases to several lampposts at once: the node's firmware on MicroPython, a line with noise."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from firmware.build.delta import build_delta
from firmware.build.image import inspect, sign, wrap
from gateway.errors import GatewayError
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.logs import get
from gateway.updates.figures import Figures
from gateway.updates.members import Outcome
from gateway.updates.multicast import Multicasts
from simulators.factory import BOARD, VERSION
from simulators.street import Street, StreetPlan
from tests.device.update_images import APPLICATION, payload
from tests.integration.gateway.wired import GatewaySide


async def multicast(
    street: Street, file: bytes, image_hash: bytes, shared_key: bool = False
) -> Figures:
    """Bring `file` to all lampposts of `street`; each then has the image `image_hash` idle."""
    figures = Figures()
    gateway = GatewaySide(
        street.bus,
        [
            (bytes.fromhex(post.node), who.key, who.key_id, who.address)
            for post in street.lampposts
            for who in [post.provision]
        ],
    )

    async def load() -> bytes:
        return file

    async with gateway.running():
        for lamppost in gateway.lampposts:
            await started(lamppost)
        if shared_key:
            await gateway.share_a_key()
        multicasts = Multicasts(gateway.voice, asyncio.Semaphore(1), 0.05, figures, get())
        async with asyncio.timeout(240):
            outcomes = await asyncio.gather(
                *(
                    multicasts.receive(lamppost, "file", load, True, lambda share: None)
                    for lamppost in gateway.lampposts
                )
            )
        assert outcomes == [Outcome.COMPLETE] * len(gateway.lampposts)
        assert gateway.key.sealed == shared_key
        for lamppost in gateway.lampposts:
            slots = await management.images(lamppost)
            assert [slot["hash"] for slot in slots if not slot["active"]] == [image_hash]
    return figures


async def started(lamppost: Lamppost) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await management.status(lamppost)
            except GatewayError:
                continue  # it is not there yet
            return


async def test_a_release_reaches_two_lampposts_at_once_over_a_noisy_bus(tmp_path: Path) -> None:
    complaints: list[str] = []
    async with Street(tmp_path / "street", StreetPlan(lampposts=2), complaints.append) as street:
        # A small one is unpacked as a large one is.
        bulk = f"{APPLICATION}BULK = {random.Random(1).randbytes(8000)!r}\n"
        unsigned = wrap(payload("1.1.0", bulk), "1.1.0", BOARD, 1)
        release = sign(unsigned, street.factory.release_key())
        await street.power_on()
        street.bus.noise.set_rate(5e-5)
        figures = await multicast(street, release, inspect(release).image_hash, True)
        print(
            f"{len(release)} bytes in {figures.chunks} chunks, {figures.chunks_repeated} again; "
            f"{street.bus.noise.flipped} bits flipped"
        )
    assert complaints == []


@pytest.mark.soak
async def test_a_delta_reaches_two_lampposts_at_once(tmp_path: Path) -> None:
    complaints: list[str] = []
    async with Street(tmp_path / "street", StreetPlan(lampposts=2), complaints.append) as street:
        release = street.factory.release("1.1.0")
        base = street.factory.release(VERSION)
        delta = sign(build_delta(base, release), street.factory.release_key())
        await street.power_on()
        await multicast(street, delta, inspect(release).image_hash)
    assert complaints == []


@pytest.mark.soak
@pytest.mark.parametrize("rate", [0.0, 3e-5])
async def test_a_release_reaches_three_lampposts_at_once_while_they_log(
    tmp_path: Path, rate: float
) -> None:
    complaints: list[str] = []
    plan = StreetPlan(lampposts=3, speed=60.0, bit_error_rate=rate)
    async with Street(tmp_path / "street", plan, complaints.append) as street:
        release = street.factory.release("1.1.0")
        await street.power_on()
        figures = await multicast(street, release, inspect(release).image_hash)
        print(
            f"{len(release)} bytes in {figures.chunks} chunks, {figures.chunks_repeated} again; "
            f"{street.bus.noise.flipped} bits flipped"
        )
        if not rate:
            # Lampposts keep up with the pace.
            assert figures.chunks_repeated * 5 < figures.chunks
    assert complaints == []
