"""Lines with bit errors: nothing is lost or wrong, it only takes longer."""

import asyncio
import contextlib
import logging
import os
import sqlite3
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import pytest
from smp.exceptions import SMPException
from smp.image_management import ImageStatesReadResponse
from smpclient import SMPClient
from smpclient.exceptions import SMPClientException
from smpclient.generics import success
from smpclient.requests.image_management import ImageStatesRead
from smpclient.transport.serial import SMPSerialTransport

from firmware.build.image import inspect
from simulators.console import ConsolePort
from simulators.street import Street, StreetPlan
from tests.integration.gateway.harness import REPOSITORY

SPEED = 2000.0  # records of minutes within seconds
PATIENCE_S = 180.0

Row = tuple[str, int, int, bytes]


@pytest.mark.parametrize(("rate", "errors"), [(1e-5, 3), (1e-4, 15)])
async def test_every_record_arrives_unchanged_over_a_noisy_bus(
    tmp_path: Path, rate: float, errors: int
) -> None:
    complaints: list[str] = []
    plan = StreetPlan(lampposts=3, speed=SPEED, crowd=50, bit_error_rate=rate)
    async with Street(tmp_path / "street", plan, complaints.append) as street:
        await street.power_on()
        async with _gateway(street) as database:
            await _happens(lambda: street.bus.noise.flipped >= errors)
            announced = set(street.ledger.records)
            await _happens(lambda: announced <= {row[:3] for row in _rows(database)})
            comparison = street.ledger.compare(_rows(database), allow_unannounced=False)
        assert comparison.altered + comparison.unknown + comparison.duplicates == []
        flipped = street.bus.noise.flipped
        print(
            f"{rate:g}: {flipped} bits flipped, all of {len(announced)} records arrived unchanged"
        )
    assert complaints == []


@contextlib.asynccontextmanager
async def _gateway(street: Street) -> AsyncIterator[Path]:
    """The gateway as it is run in a cabinet, its city out of reach; the path of its database."""
    config = street.write_gateway_config()
    baud = f"baud = {street.plan.baud}\n"
    text = config.read_text().replace(baud, f"{baud}idle_poll_ms = 20\nreply_timeout_ms = 250\n")
    config.write_text(text)
    with (street.folder / "gateway.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.main", "run", "--config", str(config)),
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=log,
            stderr=log,
        )
    try:
        yield street.folder / "gateway" / "gateway.db"
    finally:
        process.terminate()
        await process.wait()


def _rows(database: Path) -> list[Row]:
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        try:
            found = opened.execute("SELECT node, epoch, seq, body FROM record").fetchall()
        except sqlite3.OperationalError:
            return []  # it is only just being made
    return [(node.hex(), epoch, seq, body) for node, epoch, seq, body in found]


@pytest.mark.parametrize(
    ("rate", "errors", "timeout_s"),
    [(1e-5, 3, 0.25), pytest.param(5e-5, 30, 0.25, marks=pytest.mark.soak)],
)
async def test_an_image_is_uploaded_whole_over_a_noisy_console(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rate: float, errors: int, timeout_s: float
) -> None:
    caplog.set_level(logging.CRITICAL, "smpclient")  # it tells each frame that is lost, whole
    async with Street(tmp_path / "street", StreetPlan(lampposts=1)) as street:
        await street.power_on()
        post = street.lampposts[0]
        image = street.factory.release("1.1.0")
        port = ConsolePort(post.chip.type)
        post.chip.on_console = port.show
        port.noise.set_rate(rate)
        attempts = await _upload(port.path, image, timeout_s)
        flipped = port.noise.flipped
        port.noise.set_rate(0.0)
        async with SMPClient(SMPSerialTransport(), port.path, timeout_s=10.0) as client:
            answer = await client.request(ImageStatesRead())
        assert success(answer)
        assert isinstance(answer, ImageStatesReadResponse)
        print(f"{rate:g}: {len(image)} bytes, {flipped} bits flipped, {attempts} attempts")
        assert {one.slot: one.hash for one in answer.images}[1] == inspect(image).image_hash
        assert flipped >= errors
        assert attempts > 1
        post.chip.on_console = lambda _: None
        port.close()


async def _upload(port: str, image: bytes, timeout_s: float) -> int:
    """Begin again as often as it takes, as somebody does who types the command again."""
    attempt = 0
    async with asyncio.timeout(PATIENCE_S):
        while True:
            attempt += 1
            try:
                async with SMPClient(SMPSerialTransport(), port, timeout_s=timeout_s) as client:
                    upload = client.upload(image, first_timeout_s=2 * timeout_s)
                    assert isinstance(upload, AsyncGenerator)
                    async with contextlib.aclosing(upload):
                        async for offset in upload:
                            if offset == len(image):
                                return attempt
            except (TimeoutError, SMPException, SMPClientException, ValueError):
                continue  # a frame was lost; what has come so far is kept at the lamppost


async def _happens(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a database has no event
            await asyncio.sleep(0.1)
