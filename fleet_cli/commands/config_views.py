"""How configurations and their fate are shown."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fleet_cli.commands.options import labelled
from fleet_cli.configuration.describe import field_rows
from fleet_cli.configuration.difference import Change, Difference
from fleet_cli.configuration.push import Push
from fleet_cli.fleet import Lamppost
from fleet_cli.output import Paragraph, plural, state_text, table

_NAMES_SHOWN = 200


def differences_text(differences: Sequence[Difference]) -> RenderableType:
    """What would change on each lamppost; those with the same changes are told together."""
    groups: dict[tuple[tuple[Change, ...], str, bool, bool], list[Lamppost]] = {}
    for item in differences:
        key = (item.changes, item.note, item.same, item.basis == "unknown")
        groups.setdefault(key, []).append(item.lamppost)
    parts: list[RenderableType] = []
    for (changes, note, same, unknown), lampposts in groups.items():
        parts.append(
            Paragraph(
                Text.assemble(
                    (plural(len(lampposts), "lamppost"), "bold"),
                    f": {labelled(lampposts, _NAMES_SHOWN)}",
                )
            )
        )
        if same:
            parts.append(
                Text(f"  {'has' if len(lampposts) == 1 else 'have'} this already", style="dim")
            )
        elif unknown:
            parts.append(Text("  all values would be replaced", style="yellow"))
        elif not changes:
            parts.append(Text("  same values, under a new version number", style="dim"))
        for change in changes:
            parts.append(
                Paragraph(
                    Text.assemble(
                        f"{change.field}: ",
                        (change.before, "red"),
                        " -> ",
                        (change.after, "green"),
                    ),
                    first=2,
                    rest=6,
                )
            )
        if note:
            parts.append(Paragraph(Text(f"note: {note}", style="yellow"), first=2, rest=6))
    return Group(*parts)


def outcomes_table(push: Push) -> RenderableType:
    """What became of a push, refusals first."""
    order = ("refused", "pending", "applied")
    outcomes = sorted(push.outcomes.values(), key=lambda outcome: order.index(outcome.state))
    rows = [
        [
            outcome.lamppost.label,
            outcome.lamppost.gateway,
            state_text(outcome.state),
            outcome.reason
            or (
                f"link {outcome.lamppost.link}"
                if outcome.state == "pending" and not outcome.lamppost.reachable
                else ""
            ),
        ]
        for outcome in outcomes
    ]
    counts = ", ".join(
        f"{number} {state}"
        for state in reversed(order)
        if (number := sum(outcome.state == state for outcome in outcomes))
    )
    return Group(
        table(["lamppost", "gateway", ("state", {"no_wrap": True}), "reason"], rows),
        Text(f"version {push.version}: {counts}", style="dim"),
    )


def status_table(lampposts: Sequence[Lamppost], lagging: int) -> RenderableType:
    """Reported against desired, one lamppost a line."""
    rows = [
        [
            post.label,
            post.gateway,
            state_text(post.link),
            str(post.state.configuration.version),
            str(post.configuration.version) if post.configuration else "-",
            state_text(post.configuration_state or "-"),
            post.state.configuration.reason,
        ]
        for post in lampposts
    ]
    columns: list[str | tuple[str, dict[str, Any]]] = [
        "lamppost", "gateway", ("link", {"no_wrap": True}), ("has", {"no_wrap": True}),
        ("desired", {"no_wrap": True}), ("state", {"no_wrap": True}), "reason",
    ]  # fmt: skip
    total = plural(len(lampposts), "lamppost")
    return Group(
        table(columns, rows),
        Text(f"{total}, {lagging} without what is desired of them", style="dim"),
    )


def fields_table() -> Table:
    """Every field, for `config docs`."""
    rows = [
        [
            Text(f"{row['section']}.{row['key']}", style="bold"),
            f"{row['help']}\n{row['expected']}\ndefault {row['default']}",
        ]
        for row in field_rows()
    ]
    return table([("key", {"no_wrap": True}), "what, and what may stand there"], rows)
