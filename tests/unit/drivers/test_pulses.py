"""HLW8012 and BL0937: pulses counted, whatever comes, and the constants of their data sheets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import pulses
from tests.unit.drivers.bench import Bench
from tests.unit.drivers.wires import Level

WRAP = 1 << 30
# By their data sheets: V squared over Vref squared and the like, on the shunts and dividers named
# in the driver. (Wh of a pulse, Hz per V, Hz per A.)
SHEETS = {
    pulses.HLW8012: (
        2.43**2 * 128 / (48 * 3_579_000 * 0.001 / 2351),
        2 / 2351 / 2.43 * 3_579_000 / 512,
        24 * 0.001 / 2.43 * 3_579_000 / 512,
    ),
    pulses.BL0937: (
        1.218**2 / (1_721_506 * 0.001 / 1951),
        15_397 / 1951 / 1.218,
        94_638 * 0.001 / 1.218,
    ),
}


class Counter:
    """A counter of which a test says the value."""

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def value(self) -> int:
        return self.count % WRAP


class Rig:
    def __init__(self, bench: Bench, model: int, start: int = 0) -> None:
        self.bench = bench
        self.cf, self.cf1, self.sel = Counter(start), Counter(start), Level()
        self.meter = pulses.PulseMeter(self.cf, self.cf1, self.sel, model)

    def second(self, cf: int, cf1: int) -> None:
        """One window of a second in which so many pulses come."""
        self.bench.ms += 1000
        self.cf.count += cf
        self.cf1.count += cf1
        self.meter.ask()


@pytest.mark.parametrize("model", SHEETS)
@pytest.mark.parametrize(("volts", "amperes", "factor"), [(230, 0.46, 0.95), (207, 3.0, 0.6)])
def test_pulses_read_by_the_data_sheets_formulas(
    bench: Bench, model: int, volts: float, amperes: float, factor: float
) -> None:
    joules, hz_per_volt, hz_per_ampere = SHEETS[model]
    rig = Rig(bench, model, WRAP - 50)
    energy = 0.0
    counted = 0
    for _ in range(40):
        energy += volts * amperes * factor
        pulse = round(energy / joules) - counted
        counted += pulse
        # SEL at 1 chooses the voltage here; the pulse counter wraps on the way.
        rate = volts * hz_per_volt if rig.sel.level else amperes * hz_per_ampere
        rig.second(pulse, round(rate))
    found = rig.meter.poll()
    assert found is not None
    voltage, current, power, count = found
    assert abs(voltage - 10 * volts) <= 12
    assert abs(current - 1000 * amperes) <= 45
    assert abs(power - 10 * volts * amperes * factor) <= 10 * joules / 4 + 1
    assert count == counted
    assert abs(count * rig.meter.unit / 1e6 - energy) <= joules


@given(
    st.sampled_from((pulses.HLW8012, pulses.BL0937)),
    st.integers(0, WRAP - 1),
    st.lists(
        st.tuples(st.integers(0, WRAP - 1), st.integers(0, WRAP - 1), st.integers(0, 100_000)),
        max_size=60,
    ),
)
def test_any_pulses_are_a_reading_or_none_and_every_one_is_counted(
    hostile_bench: Bench, model: int, start: int, windows: list[tuple[int, int, int]]
) -> None:
    rig = Rig(hostile_bench, model, start)
    total = 0
    for cf, cf1, ms in windows:
        hostile_bench.ms += ms
        rig.cf.count += cf
        rig.cf1.count += cf1
        rig.meter.ask()
        reading = rig.meter.poll()
        if ms:
            total = (rig.cf.count - start) % WRAP
        assert rig.meter.count == total
        assert reading is None or (reading[0] >= 400 and min(reading) >= 0)


def test_a_current_for_which_no_energy_comes_is_no_reading(bench: Bench) -> None:
    rig = Rig(bench, pulses.HLW8012)
    for _ in range(20):
        rig.second(0, 1287 if rig.sel.level else 32)
    assert rig.meter.poll() is None
    assert rig.meter.rejected
    for _ in range(20):
        rig.second(0, 1287 if rig.sel.level else 3)  # 45 mA of a driver's filter
    found = rig.meter.poll()
    assert found is not None
    assert found[2] == 0


@given(st.lists(st.integers(0, 1 << 20), max_size=20))
def test_edges_are_counted_where_the_chip_has_no_counter(bursts: list[int]) -> None:
    class Pin:
        IRQ_RISING = 1

        def irq(self, handler: object, trigger: int) -> None:
            assert trigger == self.IRQ_RISING
            self.handler = handler

    pin = Pin()
    counter = pulses.EdgeCounter(pin)
    for _ in bursts:
        pin.handler(pin)  # type: ignore[operator]
    assert counter.value() == len(bursts)
