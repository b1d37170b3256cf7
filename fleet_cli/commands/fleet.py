"""lamplighter fleet: who is dark, who is old, who is odd."""

# ruff: noqa: D301 - \b is how typer is told to keep the lines of a paragraph apart
import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from fleet_cli.broker import connected
from fleet_cli.commands.options import Gateways, Json, Labels, selection, warn_of
from fleet_cli.commands.root import settings_of
from fleet_cli.configuration.values import BY_NAME
from fleet_cli.fleet import Fleet, Lamppost, Selection, read_fleet
from fleet_cli.output import (
    Details,
    console,
    plural,
    print_json,
    progress_bar,
    show,
    state_text,
    table,
    time_text,
)
from fleet_cli.settings import BrokerSettings
from protocol import configuration, records

app = typer.Typer(help="The lampposts and how they are.", no_args_is_help=True)


async def _read(broker: BrokerSettings) -> Fleet:
    async with connected(broker) as client:
        with progress_bar("Reading the fleet"):
            return await read_fleet(client)


@app.command("list")
def list_(
    context: typer.Context,
    gateway: Gateways = None,
    label: Labels = None,
    silent: Annotated[
        bool, typer.Option("--silent", help="Only those not heard of, or behind a lost gateway.")
    ] = False,
    version: Annotated[
        str | None, typer.Option(help="Only those with this version; * and ? match.")
    ] = None,
    json: Json = False,
) -> None:
    """List all lampposts, one a line.

    \b
    [bold]Examples[/bold]
    lamplighter fleet list --silent
    lamplighter fleet list --gateway 'cabinet-*' --version '1.3.*'
    lamplighter fleet list -l configuration-state=refused
    """
    wanted = selection(
        None, gateway, [*(label or []), *([f"version={version}"] if version else [])]
    )
    fleet = asyncio.run(_read(settings_of(context).broker))
    warn_of(fleet)
    chosen = [post for post in wanted.choose(fleet) if not (silent and post.reachable)]
    if json:
        print_json([post.to_json() for post in chosen])
    else:
        show(fleet_table(fleet, chosen, console().width))


_HEADS = ("lamppost", "gateway", "link", "lamp", "version", "config", "heard (UTC)")
_LONGEST_WORD = 14  # 255.255.65535 has 13
_LEAST = 8  # of a name's characters, however narrow it is


def fleet_table(fleet: Fleet, chosen: Sequence[Lamppost], width: int = 80) -> RenderableType:
    """The list, which reads well at 80 columns, and a line of totals.

    States are never cut; `width` columns less what they need is for the names.
    """
    cells = [_row(post) for post in chosen]
    needed = [
        max(map(cell_len, (head, *(str(row[place]) for row in cells))))
        for place, head in enumerate(_HEADS)
    ]
    left = width - sum(needed[2:]) - (len(_HEADS) - 1)
    gateway = min(needed[1], max(_LEAST, left // 3, left - needed[0]))
    one_line = {"overflow": "ellipsis", "no_wrap": True}
    rows = table(
        [
            (_HEADS[0], {**one_line, "max_width": max(_LEAST, left - gateway)}),
            (_HEADS[1], {**one_line, "max_width": gateway}),
            (_HEADS[2], {"no_wrap": True}),
            (_HEADS[3], {"justify": "right", "no_wrap": True}),
            *((head, {"no_wrap": True}) for head in _HEADS[4:]),
        ],
        cells,
    )
    links = [post.link for post in chosen]
    totals = [plural(len(chosen), "lamppost")]
    totals += [
        f"{links.count(link)} {link}" for link in ("up", "silent", "unknown") if links.count(link)
    ]
    lost = sorted({post.gateway for post in chosen if not post.gateway_online})
    text = ", ".join(totals)
    if lost:
        text += f"; gateway offline: {', '.join(lost[:5])}" + (" ..." if len(lost) > 5 else "")
    return (
        Group(rows, Text(text, style="dim"))
        if chosen
        else Text(f"no lamppost of {len(fleet.lampposts)} matches")
    )


def _row(post: Lamppost) -> list[str | Text]:
    state = post.state
    level = "-" if state.lamp.level is None else f"{state.lamp.level}%"
    configured = state.configuration
    config: str | Text = "-"
    if configured.version or configured.state:
        config = state_text(_short(post.configuration_state or "?"), f" v{configured.version}")
    version: str | Text = _short(state.firmware.version or "-")
    if state.update.state not in ("idle", "confirmed", ""):
        version = Text.assemble(version, " ", state_text(_short(state.update.state)))
    return [
        post.label,
        post.gateway,
        state_text(post.link),
        level,
        version,
        config,
        time_text(state.link.last_heard)[5:] if state.link.last_heard is not None else "-",
    ]


def _link(lamppost: Lamppost) -> Text:
    by = lamppost.state.link.by
    return state_text(lamppost.link, f", last by {_short(by)}" if by else "")


def _short(told: str) -> str:
    # A gateway's word: longer than any version or state there is, it must not push out the others.
    return told if len(told) <= _LONGEST_WORD else f"{told[: _LONGEST_WORD - 1]}…"


@app.command("show")
def show_(
    context: typer.Context,
    node: Annotated[str, typer.Argument(help="Id, the beginning of one, or name.")],
    json: Json = False,
) -> None:
    """Show everything known of one lamppost.

    \b
    [bold]Examples[/bold]
    lamplighter fleet show high-street-12
    lamplighter fleet show a0b1c2d3e4f5 --json
    """
    fleet = asyncio.run(_read(settings_of(context).broker))
    lamppost = Selection(nodes=(node,)).choose(fleet)[0]
    if json:
        print_json(lamppost.to_json())
    else:
        show(details(lamppost))


def details(lamppost: Lamppost) -> RenderableType:
    """Everything known of a lamppost, for people."""
    state = lamppost.state
    rows: list[tuple[str, str | Text]] = [
        ("lamppost", state.name or "-"),
        ("id", lamppost.node),
        (
            "gateway",
            Text.assemble(
                lamppost.gateway,
                ", ",
                state_text("online" if lamppost.gateway_online else "offline"),
            ),
        ),
        ("board", state.board or "-"),
        ("bus address", _or_dash(state.address)),
        ("reported", f"{time_text(state.time)} UTC"),
        ("", ""),
        ("link", _link(lamppost)),
        ("last heard", f"{time_text(state.link.last_heard)} UTC"),
        ("backlog", plural(state.link.backlog, "record")),
        ("rejected frames", str(state.link.rejected)),
        ("up for", "-" if state.uptime is None else f"{state.uptime} s"),
        ("log epoch", _or_dash(state.epoch)),
        ("", ""),
        ("lamp", "-" if state.lamp.level is None else f"{state.lamp.level}%"),
        ("reason", reason_text(state.lamp.reason)),
        ("", ""),
        (
            "version",
            f"{state.firmware.version or '-'}"
            + (", confirmed" if state.firmware.confirmed else ", not confirmed"),
        ),
        ("slot", _or_dash(state.firmware.slot)),
        ("security counter", _or_dash(state.firmware.security_counter)),
        ("image hash", state.firmware.hash or "-"),
        ("", ""),
        ("update", _with_reason(state.update.state, state.update.reason)),
        ("rollout", state.update.rollout or "-"),
        ("progress", f"{state.update.progress:.0%}"),
        ("desired release", lamppost.release.version if lamppost.release else "-"),
        ("", ""),
        (
            "configuration",
            _with_reason(lamppost.configuration_state or "-", state.configuration.reason),
        ),
        ("has version", f"{state.configuration.version} ({state.configuration.digest or '-'})"),
    ]
    desired = lamppost.configuration
    if desired is None:
        rows.append(("desired version", "-"))
    else:
        rows.append(("desired version", f"{desired.version} ({desired.digest})"))
        rows += _values(desired.values)
    return Details(rows)


def _values(values: dict[str, Any]) -> list[tuple[str, str | Text]]:
    if configuration.validate(values):
        return [("", "its values are not valid")]
    return [
        (f"{BY_NAME[name].section}.{BY_NAME[name].key}", BY_NAME[name].format(value))
        for name, value in values.items()
    ]


def reason_text(reason: str | int) -> str:
    """Why the lamp has its level: the name, whether it was told as name or as code."""
    if isinstance(reason, int):
        return records.REASONS[reason] if reason < len(records.REASONS) else str(reason)
    return reason or "-"


def _with_reason(state: str, reason: str) -> Text:
    return Text.assemble(state_text(state), f": {reason}" if reason else "")


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
