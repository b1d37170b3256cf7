"""Heap of a node after start and at the peak of an update, on the 32-bit interpreter.

Object sizes there are those of the ESP32. Two things are measured: what the node itself says in its
STATUS records with plenty of heap, and, since its look at the heap is a sample with garbage in it,
the smallest heap with which a lamppost starts, takes a whole update and starts from it.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from protocol import messages, records, smp
from simulators.street import Street, StreetPlan
from tests.bench.rows import Row
from tests.bench.street_link import StreetLink

PLENTY_KB = 512
TRIED_KB = (256, 224, 192, 176, 160, 144, 128, 112, 96, 80, 64)
_SPEED = 300.0  # a STATUS record each 3 s
_SECONDS = 90.0
_CHUNK = 768


def run() -> list[Row]:
    """Measure; the smallest heap is found from above, one update for each size."""
    started, low = asyncio.run(_told(PLENTY_KB))
    smallest = 0
    for size in TRIED_KB:
        if not asyncio.run(_updates(size)):
            break
        smallest = size
    note = f"of {PLENTY_KB} KiB, as its STATUS records say"
    return [
        Row("heap", "in use after start", (PLENTY_KB * 1024 - started) / 1024, "KiB",
            note + ", garbage collected"),
        Row("heap", "in use at the peak of an update", (PLENTY_KB * 1024 - low) / 1024, "KiB",
            note + ", garbage included"),
        Row("heap", "smallest heap that starts and takes an update", smallest, "KiB",
            f"of {', '.join(map(str, TRIED_KB))}"),
    ]  # fmt: skip


async def _told(size: int) -> tuple[int, int]:
    """(free after start, least free seen until the update was unpacked), bytes."""
    with tempfile.TemporaryDirectory() as folder:
        plan = StreetPlan(lampposts=1, bits=32, heap=f"{size}K", speed=_SPEED)
        async with Street(Path(folder), plan) as street:
            await street.power_on()
            async with asyncio.timeout(_SECONDS):
                first = await _status(street, 1)
                await _upload(street)
                second = await _status(street, len(_all(street)) + 1)
    return first[1], second[2]


async def _updates(size: int) -> bool:
    """Whether a lamppost with so much heap starts, takes an update and runs it."""
    with tempfile.TemporaryDirectory() as folder:
        plan = StreetPlan(lampposts=1, bits=32, heap=f"{size}K")
        async with Street(Path(folder), plan) as street:
            street.lampposts[0].close_service_switch(True)
            await street.power_on()
            try:
                async with asyncio.timeout(_SECONDS):
                    return await _upload(street, start=True)
            except TimeoutError:
                return False


def _all(street: Street) -> list[tuple[int, ...]]:
    decoded = [records.decode(body) for body in street.ledger.records.values()]
    return [values for kind, _, values in decoded if kind == records.STATUS]


async def _status(street: Street, count: int) -> tuple[int, ...]:
    """The values of the ``count``-th STATUS record, once it is there."""
    while len(_all(street)) < count:  # noqa: ASYNC110 - the ledger has no event to wait for
        await asyncio.sleep(0.2)
    return _all(street)[count - 1]


async def _upload(street: Street, start: bool = False) -> bool:
    """Send version 2.0.0 over the bus as any client could; True when it is in its slot, or runs."""
    image = await asyncio.to_thread(street.factory.release, "2.0.0", 2)
    with StreetLink(street.bus.open_gateway_port(), street.lampposts[0].provision.address) as link:
        await link.ask(smp.OP_READ, smp.GROUP_STREET, messages.STATUS, {})
        at = 0
        while at < len(image):
            body: dict[str, object] = {"off": at, "data": image[at : at + _CHUNK]}
            if at == 0:
                body |= {"len": len(image), "image": 0}
            reply = await link.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, body)
            if "err" in reply or reply.get("off") == at:
                return False
            at = int(reply["off"])
        if not start:
            return True
        state = await link.ask(smp.OP_READ, smp.GROUP_IMAGE, smp.IMAGE_STATE, {})
        fresh = [item for item in state["images"] if item["version"] == "2.0.0"]
        if not fresh:
            return False
        test = {"hash": fresh[0]["hash"], "confirm": False}
        await link.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE, test)
        await link.ask(smp.OP_WRITE, smp.GROUP_OS, smp.OS_RESET, {})
        while True:
            status = await link.ask(smp.OP_READ, smp.GROUP_STREET, messages.STATUS, {})
            if status["v"] == "2.0.0":
                return True
            await asyncio.sleep(0.2)
