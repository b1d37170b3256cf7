"""A whole node whose application crashes or hangs, or whose flash is full: lit, told, mended."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from littlefs import LittleFS, LittleFSError, UserContext

from firmware.bootstage.crumb import CAUSES, Crumb
from firmware.bootstage.slotstate import MAX_STOPS
from firmware.build import Slots, flash
from firmware.node.update import refusal
from protocol import configuration, messages, records, smp
from simulators.lamppost import Lamppost
from simulators.street import Street, StreetPlan
from tests.device.bus_gateway import PIECE, Gateway, collected, until, update

_NODE = Path(__file__).resolve().parents[2] / "firmware" / "node"
_FULL = 100.0
_WATCHDOG_MS = 30_000  # as node/board.py has it, which only MicroPython can import


def overlay(folder: Path, name: str, before: str, after: str) -> Path:
    """A folder to lay over a release: the module ``name`` with one passage changed."""
    text = (_NODE / name).read_text()
    assert text.count(before) == 1
    path = folder / "node" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(before, after))
    return folder


def flashed(street: Street, changes: Path) -> Lamppost:
    """The street's lamppost, flashed with a release that has ``changes`` laid over it."""
    post = street.lampposts[0]
    release = street.factory.release("1.0.1", 1, changes)
    slots = street.plan.slots
    base = flash.base_image(release, slots=slots)
    whose = post.provision.identity(street.factory.release_key().modulus)
    post.chip.files.flash.write_bytes(flash.with_identity(base, whose).flash)
    if slots is Slots.ROMFS:
        post.chip.files.romfs.write_bytes(flash.rom_partition(release))
    return post


@contextlib.contextmanager
def always_lit(post: Lamppost) -> Iterator[None]:
    """Raises at the end if the light was ever less than full meanwhile."""
    told = post.control
    seen: list[float] = []

    def listening(message: dict[str, Any]) -> Any:
        answer = told(message)
        seen.append(post.view().dimming_level)
        return answer

    post.control = listening
    yield
    post.control = told
    assert seen
    assert min(seen) == _FULL, seen


def crumb(post: Lamppost) -> Crumb:
    """What stands in the memory of its RTC now."""
    try:
        kept = json.loads(post.chip.files.rtc.read_text())["memory"]
    except OSError:
        kept = ""
    return Crumb(SimpleNamespace(memory=lambda: bytes.fromhex(kept)))


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - neither files nor consoles tell anybody
            await asyncio.sleep(0.05)


async def crash(gateway: Gateway) -> tuple[str, int, int, int]:
    """(text, CRC, crashes, stops of safe mode) as the node tells them."""
    reply = await gateway.ask(smp.OP_READ, smp.GROUP_STREET, messages.CRASH, {})
    return messages.parse_crash_reply(reply)


def values(found: list[dict[str, Any]], code: int) -> list[int]:
    return [one["value"] for one in found if one["kind"] == "event" and one["code"] == code]


async def test_an_application_that_crashes_each_time_ends_in_safe_mode_and_is_updated_there(
    tmp_path: Path,
) -> None:
    doc = '"""Add every task of a healthy node to its supervisor."""'
    changes = overlay(
        tmp_path / "changes", "tasks.py", doc, f'{doc}\n    raise RuntimeError("no such part")'
    )
    plan = StreetPlan(lampposts=1, slots=Slots.ROMFS)
    async with Street(tmp_path / "street", plan) as street:
        post = await asyncio.to_thread(flashed, street, changes)
        console = bytearray()
        post.chip.on_console = console.extend
        with always_lit(post):
            await street.power_on()
            for crashes in range(1, MAX_STOPS + 1):
                await reached(lambda crashes=crashes: console.count(b"such part") == crashes)
                await reached(lambda: crumb(post).counted)
                # Somebody who does not wait for the pause that grows with each crash.
                post.chip.hard_reset()
            gateway = Gateway(street.bus.open_gateway_port(), post.provision)
            assert (await gateway.status())["safe_mode"]
            text, crc, crashes, safe = await crash(gateway)
            assert text.startswith("Traceback")
            assert "tasks" in text
            assert text.endswith("RuntimeError: no such part\n")
            assert (crashes, safe) == (MAX_STOPS, MAX_STOPS)
            found = await collected(gateway)
            assert values(found, records.EVENT_CRASHED) == [crc]
            assert values(found, records.EVENT_SAFE_MODE) == [MAX_STOPS]

            await update(street, gateway, "1.1.0")
            await gateway.sealed(smp.OP_READ, smp.GROUP_STREET, messages.STATUS, {})
            status = await until(gateway, "confirmed", True)
        assert (status["version"], status["safe_mode"]) == ("1.1.0", False)
        assert (await crash(gateway))[0] == text, "until somebody has read it"
        request = messages.crash_request(clear=True)
        await gateway.sealed(smp.OP_WRITE, smp.GROUP_STREET, messages.CRASH, request)
        assert (await crash(gateway))[0] == ""
        gateway.close()


@pytest.mark.parametrize("watchdog_ms", [8_000, pytest.param(_WATCHDOG_MS, marks=pytest.mark.soak)])
async def test_a_task_that_blocks_the_loop_ends_in_a_reset_with_the_lamp_on_throughout(
    tmp_path: Path, watchdog_ms: int
) -> None:
    doc = '        """Look once."""\n'
    hang = (
        f"{doc}        import machine\n\n"
        "        while machine.reset_cause() == 1 and self._clock.uptime() > 3:\n"
        "            continue\n"
    )
    changes = overlay(tmp_path / "changes", "status.py", doc, hang)
    before = f"WATCHDOG_MS = {_WATCHDOG_MS:_}\n"
    overlay(tmp_path / "changes", "board.py", before, f"WATCHDOG_MS = {watchdog_ms}\n")
    async with Street(tmp_path / "street", StreetPlan(lampposts=1)) as street:
        post = await asyncio.to_thread(flashed, street, changes)
        with always_lit(post):
            await street.power_on()
            gateway = Gateway(street.bus.open_gateway_port(), post.provision)
            first = (await gateway.status())["epoch"]
            status = await until(gateway, "epoch", first + 1)
            text, crc, crashes, _ = await crash(gateway)
            found = await collected(gateway)
        assert not status["safe_mode"]
        assert text.startswith("watchdog after "), text
        assert crashes == 0
        assert values(found, records.EVENT_CRASHED) == [crc]
        resets = [one for one in found if one["kind"] == "resets"][-1]
        assert resets["watchdog"] == 1
        assert "watchdog" in CAUSES
        gateway.close()


def filled(contents: bytes) -> bytes:
    """A littlefs that a node has written, with no block left."""
    context = UserContext(len(contents))
    context.buffer[:] = contents
    # As MicroPython sets littlefs up (extmod/vfs_lfs.c).
    disk = LittleFS(
        context=context,
        block_size=4096,
        block_count=len(contents) // 4096,
        read_size=32,
        prog_size=32,
        cache_size=128,
        lookahead_size=32,
        block_cycles=100,
    )
    with disk.open("/bulk", "wb") as bulk:
        bulk.write(bytes(4080 * (len(contents) // 4096 - disk.used_block_count - 8)))
    with contextlib.suppress(LittleFSError):
        for number in range(12):
            with disk.open(f"/bulk{number}", "wb") as bulk:
                bulk.write(bytes(4096))
    disk.unmount()
    return bytes(context.buffer)


async def test_a_flash_that_is_full_is_said_where_it_matters_and_costs_no_light(
    tmp_path: Path,
) -> None:
    async with Street(tmp_path / "street", StreetPlan(lampposts=1)) as street:
        post = street.lampposts[0]
        files = post.chip.files
        # It has lived, so its log has a folder.
        await street.power_on()
        gateway = Gateway(street.bus.open_gateway_port(), post.provision)
        await gateway.status()
        await post.power_cut()
        contents = files.flash.read_bytes()
        files.flash.write_bytes(filled(contents))
        program = [[1, minutes, 90] for minutes in range(-100, 100, 20)]
        # More than littlefs keeps in the metadata of its folder.
        document = configuration.document(
            1, {"lamp/program": program, "lamp/programs": [program] * 3}
        )
        written = {"name": "configuration", "val": document}
        release = await asyncio.to_thread(street.factory.release, "1.1.0")
        first = {"off": 0, "len": len(release), "data": release[:PIECE]}
        with always_lit(post):
            await street.power_on()
            refused = await gateway.sealed(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, written)
            answer = await gateway.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, first)
            status = await gateway.status()
        assert "flash refused it" in refused["rsn"], refused
        assert status["configuration_version"] == 0, "the old one stays"
        assert answer == {"err": {"group": smp.GROUP_IMAGE, "rc": refusal.IMG_FLASH_WRITE_FAILED}}
        assert status["update_state"] == messages.UPDATE_REFUSED
        assert "free blocks" in status["update_reason"]
        # Somebody has made room.
        await post.power_cut()
        files.flash.write_bytes(contents)
        await street.power_on()
        assert await gateway.sealed(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, written) == {}
        answer = await gateway.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, first)
        assert answer == {"off": PIECE}
        assert (await gateway.status())["next_sequence"] > 0
        gateway.close()
