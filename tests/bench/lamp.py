"""Time from the start of a lamppost's process to its lamp on, and to its first record on flash."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from simulators.lampparts import RELAY_PIN
from simulators.lamppost import Lamppost
from simulators.street import Street, StreetPlan
from tests.bench.rows import Row

STARTS = 7
_SECONDS = 60.0


def run() -> list[Row]:
    """Start a lamppost ``STARTS`` times with each interpreter."""
    rows: list[Row] = []
    for bits in (64, 32):
        lit, logged = asyncio.run(_measure(bits))
        note = f"median of {STARTS} starts, {bits}-bit interpreter on this machine"
        rows.append(Row("lamp", f"power to lamp on, {bits}-bit", _ms(lit), "ms", note))
        rows.append(
            Row("lamp", f"power to first record on flash, {bits}-bit", _ms(logged), "ms",
                "everything imported and composed by then")
        )  # fmt: skip
    return rows


def _ms(seconds: list[float]) -> float:
    return 1000 * statistics.median(seconds)


async def _measure(bits: int) -> tuple[list[float], list[float]]:
    lit: list[float] = []
    logged: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with Street(Path(folder), StreetPlan(lampposts=1, bits=bits, heap="1M")) as street:
            post = street.lampposts[0]
            for number in range(STARTS + 1):
                on, first = await _start(post)
                if number:  # the first start formats and fills its files
                    lit.append(on)
                    logged.append(first)
    return lit, logged


async def _start(post: Lamppost) -> tuple[float, float]:
    on, first = asyncio.Event(), asyncio.Event()
    times: dict[str, float] = {}
    told = post.control

    def listening(message: dict[str, Any]) -> None:
        if message.get("pin") == [RELAY_PIN, 1] and not on.is_set():
            times["on"] = time.perf_counter()
            on.set()
        if "ledger" in message and not first.is_set():
            times["first"] = time.perf_counter()
            first.set()
        told(message)

    post.control = listening
    began = time.perf_counter()
    post.power_on()
    async with asyncio.timeout(_SECONDS):
        await on.wait()
        await first.wait()
    await post.power_cut()
    post.control = told
    return times["on"] - began, times["first"] - began
