"""After the night: freeze, wait for the last records, compare, write summary and report."""

import asyncio
from dataclasses import dataclass
from typing import Any

from simulators.demo import evidence, night, proof, report, summary
from simulators.demo.arrival import stored
from simulators.demo.figures import NightData
from simulators.demo.script import Progress, Script, StepFailed
from simulators.demo.stage import Stage
from simulators.demo.summary import NightSpan, StepResult
from simulators.ledger import Key


@dataclass(frozen=True)
class Frozen:
    """The ledger at the moment the night ended.

    Attributes:
        keys: of every record logged until then.
        time: street time then, UTC epoch seconds.
    """

    keys: frozenset[Key]
    time: float


def freeze(stage: Stage) -> Frozen:
    """Take the ledger as it is now: all of it has to reach the store."""
    return Frozen(frozenset(stage.street.ledger.records), stage.street.clock.street())


async def every_record(stage: Stage, frozen: Frozen, progress: Progress) -> str:
    """The script's last step: every record up to the freeze is in the city store, unchanged."""
    try:
        await stored(stage, set(frozen.keys), progress)
    finally:
        # Also when it was given up: then this tells what is missing.
        proved = await _prove(stage, frozen)
    if stage.complaints:
        raise StepFailed(f"the simulated street complains: {'; '.join(stage.complaints[:3])}")
    if not proved.total.clean:
        said = ", ".join(f"{getattr(proved.total, name)} {name}" for name in proof.FAULTS)
        raise StepFailed(f"expected every record once and unchanged, got {said}")
    return f"{proved.total.stored} of {proved.total.produced} records, once and unchanged"


async def conclude(
    stage: Stage,
    script: Script,
    frozen: Frozen,
    sun: tuple[float, float],
    machine_seconds: float,
) -> dict[str, Any]:
    """Compare, write ``summary.json`` and ``index.html``; returns the summary.

    Args:
        stage: the street and its programs.
        script: has run.
        frozen: the ledger at the night's end.
        sun: sunset and sunrise, UTC epoch seconds.
        machine_seconds: how long the night took.
    """
    span = NightSpan(
        street=stage.street_name,
        start=stage.options.start,
        end=frozen.time,
        sunset=sun[0],
        sunrise=sun[1],
        speed=stage.street.clock.speed,
        machine_seconds=round(machine_seconds, 1),
        seed=stage.options.seed,
    )
    proved = await _prove(stage, frozen)
    rows = await asyncio.to_thread(stage.store.rows)
    bodies = [(node, body) for node, _, _, body in rows]
    nights = night.read_night(bodies, stage.names, span.start, span.end)
    post = stage.street.lampposts[0]
    full = post.luminaire.rated_watts
    used = summary.energy(nights, span, full)
    results: list[StepResult] = script.results()
    seen = evidence.Evidence(stage.names, stage.store.set_aside(), stage.gateway_tally())
    why = evidence.doubts(seen.take(rows, span.end), span.end, span.speed)
    counters = _counters(stage, seen)
    document = summary.build(
        span, proved, results, used, _lampposts(stage), counters, why, _alarms(stage)
    )
    summary.write(document, stage.report / "summary.json")
    views = stage.street.view().lampposts
    passed = sum(view.towards + view.away for view in views)
    page = report.render(
        NightData(span, nights, results, used, passed, stage.watch.links), document
    )
    (stage.report / "index.html").write_text(page, encoding="utf-8")
    return document


async def _prove(stage: Stage, frozen: Frozen) -> proof.Proof:
    # The store first: whatever is in it was in the ledger before. Only reading is left to a thread,
    # since the ledger grows under the event loop.
    rows = await asyncio.to_thread(stage.store.rows)
    conflicts = await asyncio.to_thread(stage.store.conflicts)
    return proof.prove(stage.street.ledger, frozen.keys, rows, conflicts)


def _lampposts(stage: Stage) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = []
    for post in stage.street.lampposts:
        reported = stage.watch.reported(post.node)
        starts = {cause.name.lower(): count for cause, count in post.chip.starts.items()}
        described.append(
            {
                "node": post.node,
                "name": post.provision.name,
                "address": post.provision.address,
                "link": stage.watch.link(post.node),
                "reached_by": stage.watch.reached_by(post.node),
                "version": reported.firmware.version if reported else "",
                "update": reported.update.state if reported else "",
                "configuration": (
                    f"v{reported.configuration.version} {reported.configuration.state}"
                    if reported
                    else ""
                ),
                "boots": sum(starts.values()),
                "starts": starts,
                "passed_towards": post.view().towards,
                "passed_away": post.view().away,
            }
        )
    return described


def _alarms(stage: Stage) -> list[dict[str, Any]]:
    return [
        {
            "gateway": alarm.gateway,
            "name": alarm.name,
            "subject": alarm.subject,
            "text": alarm.text,
            "seen": summary.iso(alarm.seen),
            "over": None if alarm.over is None else summary.iso(alarm.over),
        }
        for alarm in stage.watch.alarms
    ]


def _counters(stage: Stage, seen: evidence.Evidence) -> dict[str, Any]:
    bus = stage.street.bus.utilisation()
    return {
        "bus": {
            "bytes": bus.bytes,
            "share_of_time_driven": round(bus.share, 4),
            "collisions": bus.collisions,
            "overruns": bus.overruns,
        },
        "gateway": {
            "starts": stage.gateway.starts,
            "kills": stage.gateway.kills,
            "records": dict(seen.gateway),
        },
        "store": dict(seen.store),
        "broker": {"starts": stage.broker.child.starts},
        "ingest": {"starts": stage.ingest.starts},
        "commands": stage.cli.calls,
        "lampposts": {"restarts": sum(post.chip.restarts for post in stage.street.lampposts)},
    }
