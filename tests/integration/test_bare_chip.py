"""From a bare chip to a lit lamppost, as far as a PC goes: made by the command, merged by esptool.

Stock MicroPython's start is transcribed in simulators/node_side/stock.py, and runs on the real
MicroPython: it mounts the flash at "/" and runs what is there.
"""

import asyncio
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from littlefs import LittleFS, UserContext

from firmware.build import Slots, sign
from firmware.build.flash import filesystem, written
from firmware.build.image import wrap
from firmware.build.layouts import LAYOUTS
from firmware.build.payload import romfs
from firmware.build.provision import main as provision
from simulators.factory import BOARD, Factory
from simulators.factory import provision as people
from simulators.lamppost import Lamppost
from simulators.node_process import ChipState
from simulators.street import Street, StreetPlan
from tests.integration.street_client import StreetClient

ESPTOOL = [sys.executable, "-m", "esptool"]


def provisioned(folder: Path, release: bytes, way: str, board: str = BOARD) -> Path:
    """The folder that the command makes in `folder` for the one lamppost of a street there."""
    who = people(1)[0]
    (folder / "release.img").write_bytes(release)
    key = folder / "lamppost.key"
    key.touch(mode=0o600)
    key.write_text(who.key.hex())
    words = [
        "--release", str(folder / "release.img"),
        "--release-key", str(Factory(folder).release_key_file),
        "--board", board, "--way", way, "--id", who.node, "--name", who.name,
        "--address", str(who.address), "--key-file", str(key), "--out", str(folder / "made"),
    ]  # fmt: skip
    assert provision(words) == 0
    return folder / "made"


@pytest.fixture(scope="module")
def as_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a street whose lamppost has stock MicroPython; not to be changed."""
    return _flashed(tmp_path_factory.mktemp("street"), "stock")


@pytest.fixture
def stock(as_made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(as_made, tmp_path / "street"))


@pytest.fixture(scope="module")
def custom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a street whose lamppost has a custom build."""
    return _flashed(tmp_path_factory.mktemp("street"), "custom")


def _flashed(folder: Path, way: str) -> Path:
    factory = Factory(folder)
    made = provisioned(folder, factory.release("1.0.0"), way)
    files = factory.files_of(people(1)[0])
    files.folder.mkdir(parents=True)
    for path in made.glob("*.bin"):
        shutil.copy(path, files.folder)
    return folder


def _way(folder: Path) -> str:
    return "custom" if (folder / "made" / "romfs.bin").exists() else "stock"


def street(folder: Path) -> Street:
    """The street that it is the folder of."""
    stock = _way(folder) == "stock"
    slots = Slots.FOLDER if stock else Slots.ROMFS
    return Street(folder, StreetPlan(lampposts=1, stock=stock, slots=slots))


def flash_of(folder: Path) -> Path:
    """The flash of its lamppost."""
    return Factory(folder).files_of(people(1)[0]).flash


async def says(post: Lamppost, text: bytes) -> None:
    """Wait until it is on the lamppost's console."""
    console = post.chip.files.console
    async with asyncio.timeout(60):
        while text not in (console.read_bytes() if console.exists() else b""):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_flashed_by_the_stock_way_a_lamppost_lights_up_and_answers(stock: Path) -> None:
    rom = await _lit_and_answering(stock)
    assert b"slotstate" not in rom, "it is on the flash"


async def test_flashed_by_the_custom_way_a_lamppost_lights_up_and_answers(custom: Path) -> None:
    rom = await _lit_and_answering(custom)
    assert b"slotstate" in rom


async def _lit_and_answering(folder: Path) -> bytes:
    """See it through; returns what is burnt into the chip."""
    async with street(folder) as running:
        post = running.lampposts[0]
        await running.power_on()
        with StreetClient(running.bus.open_gateway_port()) as client:
            status = await client.status(post.provision.address)
        assert status["id"].hex() == post.node
        assert (status["v"], status["b"], status["sl"], status["cf"]) == ("1.0.0", BOARD, 0, True)
        assert post.view().dimming_level == 100
        assert post.chip.restarts == 0
        kept = json.loads(post.chip.files.nvs.read_text())
        assert kept["lamp"]["identity"], "the node makes the second copy of its identity itself"
        return running.factory.rom.read_bytes()


async def test_stock_micropython_leaves_a_damaged_flash_as_it_is_and_the_lamp_on(
    stock: Path,
) -> None:
    _overwrite(flash_of(stock), bytes(2 * 4096))
    before = flash_of(stock).read_bytes()
    async with street(stock) as running:
        await running.power_on()
        await says(running.lampposts[0], b"The filesystem appears to be corrupted.")
        assert flash_of(stock).read_bytes() == before
        assert running.lampposts[0].view().dimming_level == 100


async def test_stock_micropython_formats_a_flash_whose_first_block_reads_as_blank(
    stock: Path,
) -> None:
    """What the boot stage of a custom build does not do; firmware/README.md says so."""
    _overwrite(flash_of(stock), b"\xff" * 2 * 4096)
    async with street(stock) as running:
        await running.power_on()
        await says(running.lampposts[0], b">>> ")
        assert _names(flash_of(stock).read_bytes()) == ["boot.py"]
        assert running.lampposts[0].view().dimming_level == 100


async def test_without_its_boot_stage_the_lamp_is_on_and_the_console_says_what_to_do(
    stock: Path,
) -> None:
    target = filesystem(flash_of(stock).read_bytes(), new=False)
    target.remove("/bootstage/store.mpy")
    flash_of(stock).write_bytes(written(target, {}))
    async with street(stock) as running:
        await running.power_on()
        await says(running.lampposts[0], b"flash the node again; the lamp stays on")
        assert running.lampposts[0].view().dimming_level == 100
        assert running.lampposts[0].chip.state is ChipState.RUNNING


def _names(flash: bytes) -> list[str]:
    """What is in the root of a littlefs of any version."""
    context = UserContext(len(flash))
    context.buffer[:] = flash
    mounted = LittleFS(context=context, mount=False, block_size=4096, block_count=0)
    mounted.mount()
    return mounted.listdir("/")


def _overwrite(flash: Path, data: bytes) -> None:
    with flash.open("r+b") as file:
        file.write(data)


@pytest.mark.parametrize("board", LAYOUTS)
@pytest.mark.parametrize("way", ["stock", "custom"])
def test_esptool_takes_the_printed_offsets_and_nothing_overlaps(
    tmp_path: Path, way: str, board: str, capsys: pytest.CaptureFixture[str]
) -> None:
    payload = wrap(romfs({"node/app.mpy": b"data"}), "1.0.0", board, 1)
    made = provisioned(tmp_path, sign(payload, Factory(tmp_path).release_key()), way, board)
    layout = LAYOUTS[board]
    commands = [
        shlex.split(line)
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("esptool ") and "write-flash" in line
    ]
    pairs = [word for words in commands for word in words[words.index("write-flash") + 1 :]]
    # In place of MicroPython's own file: as large as the factory partition lets it be.
    factory_end = layout.stock_vfs.offset if way == "stock" else layout.romfs.offset
    firmware = tmp_path / "firmware.bin"
    firmware.write_bytes(b"\x5a" * (factory_end - layout.bootloader))
    pairs[1] = str(firmware)
    merged = tmp_path / "merged.bin"
    whole = f"{layout.flash >> 20}MB"
    done = subprocess.run(
        [*ESPTOOL, "--chip", layout.chip, "merge-bin", "-o", str(merged), "--pad-to-size", whole,
         *pairs],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    flash = merged.read_bytes()
    assert len(flash) == layout.flash
    vfs = layout.stock_vfs if way == "stock" else layout.vfs
    assert flash[vfs.offset : vfs.offset + vfs.size] == (made / "flash.bin").read_bytes()
    if way == "custom":
        at, size = layout.romfs
        assert flash[at : at + size] == (made / "romfs.bin").read_bytes()
    assert flash[factory_end - 1] == 0x5A
