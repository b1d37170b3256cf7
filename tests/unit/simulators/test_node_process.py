"""A chip's power, resets and watchdog, and power cuts in the middle of a flash write."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulators.flash import BLOCK_SIZE, PowerCut
from simulators.node_process import ChipState, ResetCause
from simulators.tools import Interpreter
from tests.unit.simulators.chip_bench import Bench, chip_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with chip_bench(tmp_path, Interpreter()) as made:
        yield made


async def test_a_starved_watchdog_resets_the_chip_with_its_cause(bench: Bench) -> None:
    bench.program("""
        print("cause", machine.reset_cause())
        print("up")
        machine.WDT(timeout=200)
        time.sleep(60)
    """)
    bench.chip.power_on()
    assert await bench.printed("up") == ["cause 1"]
    assert await bench.printed("up") == ["cause 3"]
    assert bench.causes[:2] == [ResetCause.POWER_ON, ResetCause.WATCHDOG]


async def test_a_fed_watchdog_leaves_the_chip_alone(bench: Bench) -> None:
    bench.program("""
        dog = machine.WDT(timeout=1000)
        for _ in range(30):
            time.sleep_ms(100)
            dog.feed()
        print("done")
        time.sleep(60)
    """)
    bench.chip.power_on()
    await bench.printed("done")
    assert bench.causes == [ResetCause.POWER_ON]
    assert len([m for m in bench.messages if "fed" in m]) <= 30


@pytest.mark.parametrize(
    ("ending", "cause"),
    [
        ("machine.reset()", 2),
        ("machine.soft_reset()", 5),
        ("return", 2),
        ("raise ValueError('a bug')", 2),
        ("import sys; sys.exit(0)", 2),
    ],
)
async def test_whatever_ends_the_application_starts_the_chip_again(
    bench: Bench, ending: str, cause: int
) -> None:
    bench.program(f"""
        print("cause", machine.reset_cause())
        print("up")
        if machine.reset_cause() == 1:
            {ending}
        time.sleep(60)
    """)
    bench.chip.power_on()
    await bench.printed("up")
    assert await bench.printed("up") == [f"cause {cause}"]


async def test_the_console_goes_both_ways(bench: Bench) -> None:
    bench.program("""
        import sys
        async def main():
            reader = asyncio.StreamReader(sys.stdin.buffer)
            print("ready")
            print("heard", await reader.readline())
            print("done")
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    bench.chip.power_on()
    await bench.printed("ready")
    bench.chip.type(b"hello\n")
    assert await bench.printed("done") == ["heard b'hello\\n'"]


async def test_a_power_cut_ends_the_process_at_once(bench: Bench) -> None:
    await bench.run('print("done")\ntime.sleep(60)')
    await bench.chip.power_cut()
    assert bench.chip.state is ChipState.OFF
    assert bench.chip.pid is None
    assert bench.deaths == 1
    await bench.chip.power_cut()
    assert bench.deaths == 1, "what is off cannot lose its power again"


@pytest.mark.parametrize(("torn", "kept"), [(False, 0), (True, 8)])
async def test_the_power_goes_at_the_write_that_was_asked_for(
    bench: Bench, torn: bool, kept: int
) -> None:
    bench.program("""
        for block in range(9):
            flash.writeblocks(block, bytes(16), 0)
        print("not reached")
    """)
    bench.chip.cut = PowerCut(after=5, torn=torn)
    bench.chip.power_on()
    await bench.chip.ended()
    assert bench.chip.state is ChipState.OFF
    assert bench.deaths == 1
    content = bench.chip.files.flash.read_bytes()
    written = [content[at * BLOCK_SIZE :][:16].count(0) for at in range(9)]
    assert written == [16] * 5 + [kept] + [0] * 3


async def test_a_cut_happens_once_only(bench: Bench) -> None:
    source = """
        flash.writeblocks(0, bytes(16), 0)
        print("done")
        time.sleep(60)
    """
    bench.program(source)
    bench.chip.cut = PowerCut(after=0)
    bench.chip.power_on()
    await bench.chip.ended()
    await bench.run(source)


async def test_a_chip_ends_when_its_street_is_gone(bench: Bench) -> None:
    bench.chip.street_socket.unlink()
    bench.program('print("not reached")')
    bench.chip.power_on()
    async with asyncio.timeout(30):
        await bench.chip.ended()
    assert bench.chip.state is ChipState.OFF
    assert "no street" in bench.chip.files.errors.read_text()
