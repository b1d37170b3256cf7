"""What heap a node needs, on the 32-bit interpreter: a night with an update in it, and a week."""

import asyncio

import pytest

from firmware.build import Slots
from tests.bench import heap

# KiB of heap that do for each way of keeping the application; ``make bench ARGS=heap`` finds the
# least. The simulator's stand-ins, some 16 KiB, are in them.
BUDGETS = {
    heap.Setup(Slots.ROMFS, every_link=False): 176,
    heap.Setup(Slots.ROMFS, every_link=True): 208,
    heap.Setup(Slots.FOLDER, every_link=False): 272,
    heap.Setup(Slots.FOLDER, every_link=True): 320,
}
GROWTH_BYTES = 1024


@pytest.mark.soak
@pytest.mark.parametrize("setup", BUDGETS, ids=lambda setup: setup.name)
def test_a_night_and_an_update_fit_the_heap(setup: heap.Setup) -> None:
    assert asyncio.run(heap.measure(setup, f"{BUDGETS[setup]}K")) is not None


@pytest.mark.soak
def test_a_week_leaves_the_heap_as_it_was() -> None:
    grown, hours = asyncio.run(heap.week())
    print(f"{grown} bytes more after {hours} h")
    assert hours > 150
    assert grown <= GROWTH_BYTES
