"""The outcome of a night as one JSON document, and whether it passed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulators.demo.night import LamppostNight, Series
from simulators.demo.proof import FAULTS, Proof

NOTES = {
    "duplicates": "rows of the store beyond the first of their key, and deliveries of a key that "
    "is stored with another body (these are set aside in its table conflict, and altered too); "
    "a delivery repeated with the same body changes nothing and is not counted",
    "altered": "keys stored, or delivered, with another body than the lamppost logged",
    "unknown": "rows of the store that no lamppost announced to the simulator",
}
"""What the summary's counts mean."""


@dataclass(frozen=True)
class StepResult:
    """How one step of the script went.

    Attributes:
        name: short name.
        title: what it does.
        passed: its effect was seen.
        detail: what was seen, or why it failed.
        started: street time, UTC epoch seconds.
        ended: street time, UTC epoch seconds.
        seconds: machine time it took.
    """

    name: str
    title: str
    passed: bool
    detail: str
    started: float
    ended: float
    seconds: float


@dataclass(frozen=True)
class NightSpan:
    """When the night was.

    Attributes:
        street: name of the street.
        start: UTC epoch seconds at which the lampposts were powered on.
        end: UTC epoch seconds at which the ledger was frozen.
        sunset: UTC epoch seconds.
        sunrise: UTC epoch seconds.
        speed: seconds of street time in one second of machine time.
        machine_seconds: how long the night took to watch.
        seed: of the simulated world.
    """

    street: str
    start: float
    end: float
    sunset: float
    sunrise: float
    speed: float
    machine_seconds: float
    seed: int


@dataclass(frozen=True)
class Energy:
    """What the street used between sunset and sunrise, and what it would have used undimmed.

    Attributes:
        measured_wh: by the lampposts' meters.
        undimmed_wh: the same lamps at full power from sunset to sunrise.
        full_power_w: of one lamppost, W.
    """

    measured_wh: float
    undimmed_wh: float
    full_power_w: float

    @property
    def saved_percent(self) -> float:
        """Share saved by dimming, %; 0 when there was no night."""
        return 100 * (1 - self.measured_wh / self.undimmed_wh) if self.undimmed_wh else 0.0


def energy(nights: Sequence[LamppostNight], span: NightSpan, full_power_w: float) -> Energy:
    """Energy of the whole street from sunset to sunrise, as far as the night was watched.

    A metering record holds the mean power of the time up to it; where one is missing (a lamppost
    that restarted), the next one stands for the gap too.
    """
    start, end = max(span.start, span.sunset), min(span.end, span.sunrise)
    measured = sum(_watt_hours(night.power, start, end) for night in nights)
    hours = max(0.0, end - start) / 3600
    return Energy(measured, full_power_w * hours * len(nights), full_power_w)


def _watt_hours(power: Series, start: float, end: float) -> float:
    total = 0.0
    before = start
    for time, watts in power:
        if time > start and before < end:
            total += watts * (min(time, end) - before) / 3600
            before = min(time, end)
    return total


def failures(proof: Proof, steps: Sequence[StepResult], doubts: Sequence[str] = ()) -> list[str]:
    """What went wrong, one line each; empty when the night passed.

    Args:
        proof: ledger against store.
        steps: the script's results.
        doubts: of :func:`simulators.demo.evidence.doubts`.
    """
    said = [f"step {step.name}: {step.detail}" for step in steps if not step.passed]
    for name in FAULTS:
        count: int = getattr(proof.total, name)
        if count:
            first = ", ".join(
                f"{node}/{epoch}/{seq}" for node, epoch, seq in proof.examples.get(name, [])[:3]
            )
            said.append(f"{count} records {name} (node/epoch/sequence {first})")
    if not proof.total.produced:
        said.append("no lamppost logged any record, so nothing was proved")
    return [*said, *doubts]


def build(
    span: NightSpan,
    proof: Proof,
    steps: Sequence[StepResult],
    used: Energy,
    lampposts: Sequence[Mapping[str, Any]],
    counters: Mapping[str, Any],
    doubts: Sequence[str] = (),
    alarms: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The summary document.

    Args:
        span: when the night was.
        proof: ledger against store.
        steps: the script's results, in order.
        used: energy.
        lampposts: for each, its node, name, version, configuration, boots and the like.
        counters: of gateway, ingest, broker and children, as they say themselves.
        doubts: why a clean ledger does not suffice, of :func:`simulators.demo.evidence.doubts`.
        alarms: for each that a gateway raised, its gateway, name, subject, text, seen and over.
    """
    total = proof.total
    why = failures(proof, steps, doubts)
    return {
        "produced": total.produced,
        "stored": total.stored,
        "lost": total.lost,
        "duplicates": total.duplicates,
        "altered": total.altered,
        "unknown": total.unknown,
        "passed": not why,
        "failures": why,
        "notes": NOTES,
        "night": {
            **asdict(span),
            "start": iso(span.start),
            "end": iso(span.end),
            "sunset": iso(span.sunset),
            "sunrise": iso(span.sunrise),
        },
        "steps": [
            {**asdict(step), "started": iso(step.started), "ended": iso(step.ended)}
            for step in steps
        ],
        "energy": {
            "measured_wh": round(used.measured_wh, 1),
            "undimmed_wh": round(used.undimmed_wh, 1),
            "saved_percent": round(used.saved_percent, 1),
            "full_power_w": used.full_power_w,
        },
        "lampposts": [dict(lamppost) for lamppost in lampposts],
        "ledger": {
            "nodes": {node: asdict(tally) for node, tally in sorted(proof.nodes.items())},
            "examples": {name: list(keys) for name, keys in proof.examples.items()},
        },
        "alarms": [dict(alarm) for alarm in alarms],
        "counters": dict(counters),
    }


def write(document: Mapping[str, Any], path: Path) -> None:
    """Write the summary as indented JSON."""
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def iso(time: float) -> str:
    """UTC epoch seconds as ISO 8601 in whole seconds, such as ``2026-10-16T21:04:00Z``."""
    return datetime.fromtimestamp(round(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: str) -> float:
    """The inverse of :func:`iso`.

    Raises:
        ValueError: the text is not of that form.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
