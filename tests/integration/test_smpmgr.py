"""smpmgr, unmodified, in an environment of its own, manages a lamppost over its console."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware.build.image import build_unsigned, inspect, sign
from firmware.build.keys import generate_key
from simulators.factory import BOARD
from simulators.street import Street, StreetPlan
from simulators.tools import ToolError
from simulators.tools.smpmgr import smpmgr

PATIENCE = 120.0


@dataclass
class Slot:
    """One slot as smpmgr shows it."""

    version: str
    digest: str
    pending: bool
    confirmed: bool
    active: bool


class Engineer:
    """Somebody at the open door with smpmgr on a laptop."""

    def __init__(self, words: list[str], street: Street) -> None:
        self.street = street
        self.post = street.lampposts[0]
        self._words = [*words, "--port", self.post.open_console(), "--timeout", "10"]

    async def does(self, *arguments: str) -> str:
        """Run one command that has to succeed; what it printed."""
        code, said = await self.tries(*arguments)
        assert code == 0, said
        return said

    async def tries(self, *arguments: str) -> tuple[int | None, str]:
        """Run one command; its exit code, and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self._words,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate()
        return process.returncode, said.decode()

    async def slots(self) -> dict[int, Slot]:
        said = await self.does("image", "state-read")
        found: dict[int, Slot] = {}
        for text in re.findall(r"ImageState\((.*?)\n\)", said, re.DOTALL):
            values = dict(re.findall(r"(\w+)='?(\w[\w.]*)'?", text))
            digest = re.search(r"'([0-9A-F]{64})'", text)
            assert digest is not None
            found[int(values["slot"])] = Slot(
                values["version"],
                digest[1],
                values["pending"] == "True",
                values["confirmed"] == "True",
                values["active"] == "True",
            )
        return found

    async def resets(self) -> None:
        before = self.post.chip.restarts
        await self.does("os", "reset")
        async with asyncio.timeout(PATIENCE):
            while self.post.chip.restarts == before or self.post.chip.pid is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.fixture
async def engineer(tmp_path: Path) -> AsyncIterator[Engineer]:
    try:
        words = await asyncio.to_thread(smpmgr)
    except ToolError as error:
        pytest.skip(str(error))
    async with Street(tmp_path / "street", StreetPlan(lampposts=1)) as street:
        await street.power_on()
        yield Engineer(words, street)


async def test_smpmgr_gets_its_echo(engineer: Engineer) -> None:
    assert "r='good evening'" in await engineer.does("os", "echo", "good evening")


async def test_smpmgr_updates_a_lamppost_on_trial_and_confirms_it(
    engineer: Engineer, tmp_path: Path
) -> None:
    signed = engineer.street.factory.release("1.1.0")
    digest = inspect(signed).image_hash.hex().upper()
    image = tmp_path / "release.bin"
    image.write_bytes(signed)
    before = (await engineer.slots())[0]
    assert (before.version, before.confirmed, before.active) == ("1.0.0", True, True)

    await engineer.does("image", "upload", str(image))
    assert (await engineer.slots())[1] == Slot("1.1.0", digest, False, False, False)

    await engineer.does("image", "state-write", digest)
    assert (await engineer.slots())[1].pending
    await engineer.resets()
    trial = await engineer.slots()
    assert trial[1] == Slot("1.1.0", digest, pending=False, confirmed=False, active=True)
    assert (trial[0].confirmed, trial[0].active) == (True, False)

    await engineer.does("image", "state-write", "--confirm")
    assert (await engineer.slots())[1].confirmed
    await engineer.resets()
    after = await engineer.slots()
    assert (after[1].active, after[1].confirmed) == (True, True)


async def test_an_image_on_trial_that_nobody_confirms_is_reverted_by_a_reset(
    engineer: Engineer, tmp_path: Path
) -> None:
    signed = engineer.street.factory.release("1.2.0")
    image = tmp_path / "release.bin"
    image.write_bytes(signed)
    await engineer.does("image", "upload", str(image))
    await engineer.does("image", "state-write", inspect(signed).image_hash.hex())
    await engineer.resets()
    assert (await engineer.slots())[1].active
    await engineer.resets()
    slots = await engineer.slots()
    assert (slots[0].active, slots[0].confirmed, slots[1].active) == (True, True, False)


@pytest.mark.parametrize("fault", ["foreign key", "other board"])
async def test_an_image_that_is_not_for_this_lamppost_is_refused_and_the_running_one_stays(
    engineer: Engineer, tmp_path: Path, fault: str
) -> None:
    if fault == "foreign key":
        key, board = await asyncio.to_thread(generate_key, tmp_path / "foreign.pem"), BOARD
    else:
        key, board = engineer.street.factory.release_key(), "esp32-wrover"
    signed = sign(build_unsigned("1.3.0", board, 1), key)
    image = tmp_path / "release.bin"
    image.write_bytes(signed)
    before = await engineer.slots()
    restarts = engineer.post.chip.restarts

    # Refused at the upload, it cannot be asked for either: smpmgr shows such an answer and exits 0.
    code, said = await engineer.tries("image", "upload", str(image))
    assert code != 0, said
    said = await engineer.does("image", "state-write", inspect(signed).image_hash.hex())
    assert "NO_IMAGE" in said

    after = await engineer.slots()
    assert after[0] == before[0]
    assert (after[0].version, after[0].active, after[0].confirmed) == ("1.0.0", True, True)
    assert not any(slot.pending for slot in after.values())
    await engineer.resets()
    assert (await engineer.slots())[0] == before[0]
    assert engineer.post.chip.restarts == restarts + 1
