"""Heap of a node on the 32-bit interpreter, whose objects have the size of the ESP32's.

Each way of keeping the application (executed in place from ROMFS, unpacked to folders) is measured
with the links of a minimal board (bus, console) and with one of each kind (Bluetooth and the local
network as well, with a broker and a radio). What is measured:

- what the node itself says in its MEMORY and STATUS records with plenty of heap;
- the smallest heap with which a lamppost starts, runs a night, takes a whole update meanwhile and
  starts from it, no task having ended and no allocation having failed;
- whether a week leaves the heap as it was.

The stand-ins for the chip's own modules (`machine`, `bluetooth`, sockets as UARTs) are on the same
heap, where an ESP32 has them in its firmware: what they take before the boot stage begins is a row
of its own, and is in every other figure.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from firmware.build import Slots
from protocol import messages, network, records, smp
from simulators.street import Street, StreetPlan
from tests.bench.rows import Row
from tests.bench.street_link import StreetLink
from tests.integration.gateway.harness import Broker
from tests.integration.street_client import StreetClient

PLENTY_KB = 512
TRIED_KB = tuple(range(96, 352, 16))
_NIGHT_S = 12 * 3600
_WEEK_S = 7 * 86_400
_SPEED = 1200.0  # a night in 36 s, a MEMORY record each 3 s
_WEEK_SPEED = 3000.0
_SECONDS = 180.0
_CHUNK = 768
_REPEATS = 5  # chunks in a row that take it no further
_SETTLED = 4  # MEMORY records after which every link is up


@dataclass(frozen=True)
class Setup:
    """How a lamppost is built and what it is told to use.

    Attributes:
        slots: where it keeps the application.
        every_link: Bluetooth and the local network beside bus and console.
    """

    slots: Slots
    every_link: bool

    @property
    def name(self) -> str:
        """As a figure's name has it."""
        where = "in place from ROMFS" if self.slots is Slots.ROMFS else "from a folder"
        return f"{where}, {'every link' if self.every_link else 'bus and console'}"


SETUPS = tuple(
    Setup(slots, every) for slots in (Slots.ROMFS, Slots.FOLDER) for every in (False, True)
)


def run() -> list[Row]:
    """Measure every setup; the smallest heap is found by halving the interval."""
    rows: list[Row] = []
    for setup in SETUPS:
        rows += _told(setup)
        smallest = asyncio.run(_smallest(setup))
        rows.append(
            Row("heap", f"{setup.name}: smallest heap", smallest, "KiB",
                "starts, runs a night, takes an update and starts from it; in steps of 16")
        )  # fmt: skip
    grown, hours = asyncio.run(week())
    rows.append(
        Row("heap", "in place from ROMFS, every link: growth", grown, "bytes",
            f"in use after {hours} h of street time, less that near its beginning")
    )  # fmt: skip
    return rows


def _told(setup: Setup) -> list[Row]:
    told = asyncio.run(measure(setup, f"{PLENTY_KB}K"))
    if told is None:
        raise RuntimeError(f"{setup.name}: a lamppost with {PLENTY_KB} KiB takes no update")
    plenty = PLENTY_KB * 1024
    note = f"of {PLENTY_KB} KiB, as its records say"
    return [
        Row("heap", f"{setup.name}: after start", (plenty - told.free) / 1024, "KiB",
            f"{note}; {told.stand_ins / 1024:.1f} KiB of it the simulator's stand-ins"),
        Row("heap", f"{setup.name}: peak", (plenty - told.low) / 1024, "KiB",
            f"{note}, garbage included, over a night and an update"),
        Row("heap", f"{setup.name}: largest free block", told.largest / 1024, "KiB",
            f"{note}; it looks for no more than 64"),
    ]  # fmt: skip


@dataclass(frozen=True)
class Told:
    """Heap in bytes: free after start, least free, largest free block; taken by the stand-ins."""

    free: int
    low: int
    largest: int
    stand_ins: int


async def _smallest(setup: Setup) -> int:
    """The smallest of TRIED_KB that does, found from both sides; 0 when none does."""
    low, high = 0, len(TRIED_KB)
    while low < high:
        middle = (low + high) // 2
        if await measure(setup, f"{TRIED_KB[middle]}K") is None:
            low = middle + 1
        else:
            high = middle
    return TRIED_KB[low] if low < len(TRIED_KB) else 0


async def measure(setup: Setup, heap: str) -> Told | None:
    """A night and an update with so much heap; None when anything of it fails for want of heap."""
    async with _lamppost(setup, heap, _SPEED) as (street, port):
        try:
            async with asyncio.timeout(_SECONDS):
                if not await _night(street, setup, port):
                    return None
        except TimeoutError:
            return None
        errors = street.lampposts[0].chip.files.errors.read_text()
        memory = _values(street, records.MEMORY)
        status = _values(street, records.STATUS)
        if "MemoryError" in errors or any(one[4] for one in status):
            return None
        after = memory[_SETTLED - 1]
        return Told(after[0], min(one[2] for one in status), after[1], _stand_ins(street))


async def _night(street: Street, setup: Setup, port: int) -> bool:
    """Whether a lamppost lives through a night and goes to version 2.0.0 in it."""
    image = await asyncio.to_thread(street.factory.release, "2.0.0", 2)
    with StreetLink(street.bus.open_gateway_port(), street.lampposts[0].provision.address) as link:
        began = street.clock.street()
        await _begin(link, setup, port)
        while len(_values(street, records.MEMORY)) < _SETTLED:  # noqa: ASYNC110 - no event there
            await asyncio.sleep(0.2)
        if not await _upload(link, image):
            return False
        while street.clock.street() < began + _NIGHT_S:  # noqa: ASYNC110 - nor here
            await asyncio.sleep(0.2)
        state = await link.ask(smp.OP_READ, smp.GROUP_IMAGE, smp.IMAGE_STATE, {})
        fresh = [item for item in state["images"] if item["version"] == "2.0.0"]
        if not fresh:
            return False
        test = {"hash": fresh[0]["hash"], "confirm": False}
        answer = await link.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE, test)
        if "images" not in answer:
            return False
        await link.ask(smp.OP_WRITE, smp.GROUP_OS, smp.OS_RESET, {})
        while True:
            status = await link.ask(smp.OP_READ, smp.GROUP_STREET, messages.STATUS, {})
            if status.get("v") == "2.0.0":
                await _until_links(link, setup)
                return True
            await asyncio.sleep(0.2)


async def _begin(link: StreetLink, setup: Setup, port: int) -> None:
    """Tell the lamppost where its broker is, and wait until its links are up."""
    if setup.every_link:
        document = network.document("127.0.0.1", port)
        body = {"name": network.NAME, "val": document}
        while await link.ask(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, body):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    await _until_links(link, setup)


async def _until_links(link: StreetLink, setup: Setup) -> None:
    """Wait until every link that is wanted is up."""
    while True:
        reply = await link.ask(smp.OP_READ, smp.GROUP_STREET, messages.LINKS, {})
        if "l" in reply:
            found = messages.parse_links_reply(reply)[2]
            if sum(row[1] for row in found) >= (3 if setup.every_link else 1):
                return
        await asyncio.sleep(0.5)


async def _upload(link: StreetLink, image: bytes) -> bool:
    """Send a release over the bus as any client could; True when it is in its slot."""
    at = idle = 0
    while at < len(image):
        body: dict[str, object] = {"off": at, "data": image[at : at + _CHUNK]}
        if at == 0:
            body |= {"len": len(image), "image": 0}
        reply = await link.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, body)
        if "off" not in reply or idle == _REPEATS:
            return False
        idle = 0 if reply["off"] > at else idle + 1
        at = int(reply["off"])
    return True


async def week() -> tuple[int, int]:
    """(bytes of heap more in use at the end of a week than at its beginning, hours in between)."""
    setup = Setup(Slots.ROMFS, True)
    async with _lamppost(setup, f"{PLENTY_KB}K", _WEEK_SPEED) as (street, broker):
        who = street.lampposts[0].provision
        port = street.bus.open_gateway_port()
        began = street.clock.street()
        with StreetLink(port, who.address) as link:
            await _begin(link, setup, broker)
        with StreetClient(port) as client:
            after: tuple[int, int] = 0, 0
            acknowledged: tuple[int, int] | None = None
            counter = 0
            while street.clock.street() < began + _WEEK_S:
                # As a gateway does, so that the log is not the longer the later it is.
                counter += 1
                body = messages.readings_request(*after, 900, acknowledged)
                reply = await client.sealed(who, messages.READINGS, body, counter, writes=False)
                epoch, first, bodies = messages.parse_readings_reply(reply)[:3]
                if bodies:
                    after = epoch, first + len(bodies)
                    acknowledged = epoch, after[1] - 1
                await asyncio.sleep(0.2)
        memory = _values(street, records.MEMORY)
        hours = int(street.clock.street() - began) // 3600
    return memory[_SETTLED - 1][0] - memory[-1][0], hours


@contextlib.asynccontextmanager
async def _lamppost(setup: Setup, heap: str, speed: float) -> AsyncIterator[tuple[Street, int]]:
    """One lamppost with power, 32-bit, its service switch closed; the port of a broker."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        broker = Broker(folder)
        configuration = {"link/ble": 1, "link/lan": 1} if setup.every_link else {}
        plan = StreetPlan(
            lampposts=1,
            bits=32,
            heap=heap,
            slots=setup.slots,
            speed=speed,
            radio=setup.every_link,
            configuration=configuration,
        )
        await broker.start()
        try:
            async with Street(folder / "street", plan) as street:
                street.lampposts[0].close_service_switch(True)
                await street.power_on()
                yield street, broker.port
        finally:
            await broker.stop()


def _values(street: Street, kind: int) -> list[tuple[int, ...]]:
    """The values of every record of a kind, in their order."""
    decoded = [records.decode(body) for _, body in sorted(street.ledger.records.items())]
    return [found for of, _, found in decoded if of == kind]


def _stand_ins(street: Street) -> int:
    """Bytes of heap in use before the boot stage, which is in the interpreter's firmware."""
    return street.lampposts[0].heap_before_boot
