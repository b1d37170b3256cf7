"""A made-up night for the demo's reporting parts to work on."""

from datetime import UTC, datetime

from protocol import records
from simulators.demo.figures import NightData
from simulators.demo.night import read_night
from simulators.demo.proof import Proof, prove
from simulators.demo.snapshot import (
    Event,
    LamppostLine,
    Mood,
    Part,
    Snapshot,
    StepLine,
    StepState,
)
from simulators.demo.summary import Energy, NightSpan, StepResult, energy
from simulators.ledger import Ledger

START = datetime(2026, 10, 16, 15, 30, tzinfo=UTC).timestamp()
END = START + 17 * 3600
NAMES = {f"02406715660{number}": f"Lime Walk 0{number}" for number in (1, 2)}
SPAN = NightSpan("Lime Walk", START, END, START + 5400, START + 54000, 340.0, 180.0, 1)
AIR = (900, 3, 1000, 80, 120, 180, 110, 130, 120, 0)


def bodies() -> list[tuple[str, bytes]]:
    """Records of two lampposts: 100 % from sunset, 50 % from midnight, dark by day."""
    made: list[tuple[str, bytes]] = []
    for node in NAMES:
        made.append((node, records.encode(records.BOOT, 7, 1, 1 << 24, 0, 0, 1)))
        level = 0
        for step in range(1, 68):
            time = int(START) + step * 900
            now = 0 if not SPAN.sunset <= time < SPAN.sunrise else (100 if step < 34 else 50)
            if now != level:
                made.append((node, records.encode(records.LAMP, time, level, 1, now)))
                level = now
            made.append((node, records.encode(records.AIR, time, *AIR)))
            made.append((node, records.encode(records.PEOPLE, time, 900, 2, 1, 1000, 3, 0)))
            energy_values = (900, step, 2300, 200, 6 * now)
            made.append((node, records.encode(records.ENERGY, time, *energy_values)))
    return made


def steps(passed: bool = True) -> list[StepResult]:
    """Two steps; the second has passed or failed."""
    return [
        StepResult("power-on", "street powered on", True, "2 answer", START, START + 900, 2.6),
        StepResult("release", "release 2.0.0", passed, "<b> of 2", START + 900, START + 9000, 24.0),
    ]


def proof(stored: int = 10) -> Proof:
    """Ten records logged, the first ``stored`` of them in the store."""
    ledger = Ledger()
    for seq in range(10):
        ledger.record(next(iter(NAMES)), 1, seq, bytes([seq]))
    rows = [(*key, body) for key, body in ledger.records.items()][:stored]
    return prove(ledger, frozenset(ledger.records), rows)


def data(passed: bool = True) -> NightData:
    """What the figures show."""
    nights = read_night(bodies(), NAMES, START, END)
    used: Energy = energy(nights, SPAN, 60.0)
    return NightData(SPAN, nights, steps(passed), used, 700)


def snapshot(lampposts: int = 10, steps: int = 9, events: int = 40) -> Snapshot:
    """A street in the middle of a night."""
    states = list(StepState)
    return Snapshot(
        street="Lime Walk",
        time=START + 6 * 3600,
        speed=340.0,
        progress=0.35,
        produced=1234,
        stored=1200,
        parts=(
            Part("gateway", "offline", Mood.BAD),
            Part("broker", "away", Mood.BAD),
            Part("ingest", "up", Mood.GOOD),
        ),
        lampposts=tuple(
            LamppostLine(
                node=f"{number:012x}",
                name=f"Lime Walk {number:02d}",
                level=None if number == 1 else (number * 10) % 101,
                people_in=number * 31,
                people_out=number * 29,
                pm25=None if number == 2 else 8.5 + number,
                link="silent" if number == 3 else "up",
                reached_by="ble" if number == 4 else "bus",
                version="2.0.0" if number < 5 else "1.0.0",
                update="+40%" if number == 5 else "",
                configuration="v2 applied" if number != 6 else "v3 refused",
            )
            for number in range(1, lampposts + 1)
        ),
        steps=tuple(
            StepLine(f"step number {number}", states[number % 4], "its detail", 12.0)
            for number in range(steps)
        ),
        events=tuple(
            Event(START + number * 60, f"event {number} " + "and so on " * 12)
            for number in range(events)
        ),
    )


def prove_nothing() -> Proof:
    """A street that logged nothing at all."""
    return prove(Ledger(), frozenset(), [])
