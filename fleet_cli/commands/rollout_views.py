"""How rollouts are shown."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from fleet_cli.output import plural, state_text, table, time_text
from fleet_cli.rollout import Rollout, Target
from fleet_cli.rollout.plan import Plan
from fleet_cli.rollout.state import TARGET_STATES

_WAVES_SHOWN = 8
_NAMES_SHOWN = 6


def plan_text(planned: Plan) -> RenderableType:
    """What a rollout is about to do, for the person who has to say yes."""
    rollout = planned.rollout
    lines = [
        Text.assemble(
            ("Release ", "bold"),
            f"{rollout.version} for {rollout.board} to "
            f"{plural(len(rollout.targets), 'lamppost')} in {plural(rollout.waves, 'wave')}; "
            f"stops when more than {rollout.max_failures} fail",
        )
    ]
    for wave in range(1, min(rollout.waves, _WAVES_SHOWN) + 1):
        targets = [target for target in rollout.targets if target.wave == wave]
        names = [
            f"{target.label} ({target.previous or 'unknown'})" for target in targets[:_NAMES_SHOWN]
        ]
        more = len(targets) - len(names)
        lines.append(
            Text(f"  wave {wave}: " + ", ".join(names) + (f" and {more} more" if more else ""))
        )
    if rollout.waves > _WAVES_SHOWN:
        lines.append(Text(f"  and {plural(rollout.waves - _WAVES_SHOWN, 'wave')} more"))
    for lamppost, reason in planned.left_out:
        lines.append(Text(f"  left out: {lamppost.label}: {reason}", style="yellow"))
    return Group(*lines)


def rollout_text(rollout: Rollout) -> RenderableType:
    """Each lamppost's state, failures first, and the totals."""
    targets = sorted(rollout.targets, key=_order)
    rows = [
        [
            target.label,
            target.gateway,
            str(target.wave),
            state_text(target.state, _detail(target)),
            target.reason,
        ]
        for target in targets
    ]
    columns = ["lamppost", "gateway", ("wave", {"justify": "right"}), "state", "reason"]
    return Group(table(columns, rows), summary(rollout))


def _order(target: Target) -> tuple[int, int, str, str]:
    first = ("failed", "updating", "asked", "queued", "withdrawn", "waiting", "succeeded")
    return first.index(target.state), target.wave, target.gateway, target.label


def _detail(target: Target) -> str:
    if target.state != "updating":
        return ""
    return f" ({target.phase} {target.progress:.0%})"


def summary(rollout: Rollout) -> Text:
    """The rollout in a few lines."""
    counts = rollout.counts
    told = ", ".join(f"{counts[state]} {state}" for state in TARGET_STATES if counts[state])
    percent = rollout.success_percent
    text = Text.assemble(
        f"rollout {rollout.id}: version {rollout.version}, ",
        state_text(rollout.state),
        f", wave {rollout.current_wave} of {rollout.waves}\n",
        told,
    )
    if percent is not None:
        finished = counts["succeeded"] + counts["failed"]
        text.append(f"; {percent:.0f} % of the {finished} finished succeeded")
    if rollout.reason:
        text.append(f"\n{rollout.reason}", style="red")
    return text


def goes_on(rollout: Rollout) -> str:
    """What the desk leaves behind when it goes away in the middle."""
    return (
        f"lampposts asked already go on, nobody further is asked; take it up with: "
        f"lamplighter rollout resume {rollout.id}, or end it with: "
        f"lamplighter rollout stop {rollout.id}"
    )


def rollouts_table(rollouts: Sequence[Rollout]) -> RenderableType:
    """One rollout a line."""
    if not rollouts:
        return Text("no rollout yet; begin one with: lamplighter rollout start")
    rows = [
        [
            rollout.id,
            rollout.version,
            time_text(rollout.created),
            state_text(rollout.state),
            f"{rollout.counts['succeeded']}/{len(rollout.targets)}",
            str(rollout.counts["failed"]),
        ]
        for rollout in rollouts
    ]
    return table(
        [
            ("rollout", {"no_wrap": True}),
            "version",
            ("begun (UTC)", {"no_wrap": True}),
            "state",
            ("succeeded", {"justify": "right"}),
            ("failed", {"justify": "right"}),
        ],
        rows,
    )


def rollout_json(rollout: Rollout) -> dict[str, Any]:
    """A rollout for `--json`."""
    return {
        **rollout.model_dump(),
        "counts": dict(rollout.counts),
        "success_percent": rollout.success_percent,
    }
