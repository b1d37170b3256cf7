"""lamplighter lamp and identify: commands to lampposts, which end by themselves."""

# ruff: noqa: D301 - \b is how typer is told to keep the lines of a paragraph apart
import asyncio
from typing import Annotated, Any

import typer
from rich.text import Text

from fleet_cli import topics
from fleet_cli.broker import connected, publish
from fleet_cli.commands.lamp_answers import answers, show
from fleet_cli.commands.lamp_groups import Group, command_group, group_target
from fleet_cli.commands.options import (
    All,
    Gateways,
    Json,
    Labels,
    chosen_of,
    explicit_selection,
    seconds,
)
from fleet_cli.commands.root import settings_of
from fleet_cli.configuration.units import parse_percent
from fleet_cli.errors import EXIT_FAILED, EXIT_OK, EXIT_TIMED_OUT, BadInput
from fleet_cli.fleet import Selection, read_fleet
from fleet_cli.output import console, progress_bar
from fleet_cli.settings import Settings
from protocol.messages import MAX_IDENTIFY_SECONDS, MAX_LAMP_SECONDS

app = typer.Typer(help="Override lamps for a while.", no_args_is_help=True)

# How long a command that is to take effect at once may be on its way, s of the street.
_CLEAR_VALID_S = 600

Who = Annotated[list[str] | None, typer.Argument(help="Ids or names.", show_default=False)]
Timeout = Annotated[
    str, typer.Option("--timeout", help="How long to wait for the answers; 0s: not at all.")
]


@app.command("set")
def set_(
    context: typer.Context,
    nodes: Who = None,
    level: Annotated[
        str, typer.Option("--level", help="Dimming level, 0 to 100 %.", show_default=False)
    ] = ...,  # pyright: ignore[reportArgumentType] - typer's word for required
    duration: Annotated[
        str, typer.Option("--for", help="For how long, such as 30min; 7d at most.")
    ] = "30min",
    gateway: Gateways = None,
    label: Labels = None,
    group: Group = None,
    everyone: All = False,
    timeout: Timeout = "30s",
    json: Json = False,
) -> int:
    """Set lamps to a level for a while; then each returns to its program.

    A lamppost that is away is not commanded: what it would do when back is
    no longer what was meant. With --group one message goes to each gateway,
    which dims its lampposts of that group at the same moment.

    Exit codes: 0 all did, 1 some were away, 4 some had not answered.

    \b
    [bold]Examples[/bold]
    lamplighter lamp set high-street-12 --level 80 --for 30min
    lamplighter lamp set --gateway cabinet-7 --level 100 --for 4h
    lamplighter lamp set --group 3 --gateway cabinet-7 --level 60
    """
    percent = parse_percent(level)
    if percent is None or percent > 100:
        raise BadInput(f"--level {level}: expected 0 to 100 %")
    length = seconds(duration, "--for", 1, MAX_LAMP_SECONDS)
    limit = seconds(timeout, "--timeout", 0, 86400)
    command = {"command": "lamp", "level": percent, "seconds": length}
    settings = settings_of(context)
    if group is not None:
        target = group_target(group, nodes, gateway, label, everyone)
        return asyncio.run(command_group(settings, target, command, length, limit, json))
    wanted = explicit_selection(nodes, gateway, label, everyone)
    return asyncio.run(_command(settings, wanted, command, length, limit, json))


@app.command()
def clear(
    context: typer.Context,
    nodes: Who = None,
    gateway: Gateways = None,
    label: Labels = None,
    group: Group = None,
    everyone: All = False,
    timeout: Timeout = "30s",
    json: Json = False,
) -> int:
    """End overrides: lamps return to their program at once.

    Exit codes: 0 all did, 1 some were away, 4 some had not answered.

    \b
    [bold]Example[/bold]
    lamplighter lamp clear --all
    """
    command: dict[str, Any] = {"command": "lamp", "level": None, "seconds": _CLEAR_VALID_S}
    limit = seconds(timeout, "--timeout", 0, 86400)
    settings = settings_of(context)
    if group is not None:
        target = group_target(group, nodes, gateway, label, everyone)
        return asyncio.run(command_group(settings, target, command, _CLEAR_VALID_S, limit, json))
    wanted = explicit_selection(nodes, gateway, label, everyone)
    return asyncio.run(_command(settings, wanted, command, _CLEAR_VALID_S, limit, json))


def identify(
    context: typer.Context,
    nodes: Annotated[list[str], typer.Argument(help="Ids or names.", show_default=False)],
    duration: Annotated[
        str, typer.Option("--for", help="For how long; 0s ends it, 10min at most.")
    ] = "1min",
    json: Json = False,
) -> int:
    """Make a lamppost show itself to someone in the street.

    Its lamp blinks between 100 % and 10 %, once a second, and then goes on
    as before. No answer is waited for: who stands there sees it.

    Exit codes: 0 sent, 1 some were away.

    \b
    [bold]Example[/bold]
    lamplighter identify a0b1c2d3e4f5 --for 2min
    """
    length = seconds(duration, "--for", 0, MAX_IDENTIFY_SECONDS)
    command = {"command": "identify", "seconds": length}
    wanted = Selection(nodes=tuple(nodes))
    return asyncio.run(_command(settings_of(context), wanted, command, max(length, 60), 0, json))


async def _command(
    settings: Settings,
    wanted: Selection,
    command: dict[str, Any],
    valid_s: int,
    limit_s: int,
    json: bool,
) -> int:
    async with connected(settings.broker) as client:
        with progress_bar("Reading the fleet"):
            fleet = await read_fleet(client)
        chosen = chosen_of(fleet, wanted)
        states = {post.key: "sent" if post.reachable else post.link for post in chosen}
        sent = [post for post in chosen if post.reachable]
        # On a street whose time runs faster, it is over sooner at the desk.
        expiry = max(1, round(settings.clock.real_seconds(valid_s)))
        with progress_bar("Sending", len(sent)) as bar:
            for post in sent:
                body = dict(command)
                if command["command"] == "lamp":
                    body["expires"] = settings.clock.now() + valid_s
                topic = topics.lamppost(post.gateway, post.node, "command")
                await publish(client, topic, body, retain=False, expiry_s=expiry)
                bar.advance()
        if limit_s and sent:
            with progress_bar("Waiting for answers", len(sent)):
                done = await answers(client, fleet, sent, command["level"], limit_s)
            states.update(dict.fromkeys(done, "done"))
    show(chosen, states, json, answered=bool(limit_s))
    if sent and command["command"] == "identify" and not json:
        console().print(Text(_seen(command["seconds"]), style="dim"))
    if len(sent) < len(chosen):
        return EXIT_FAILED
    return EXIT_TIMED_OUT if limit_s and "sent" in states.values() else EXIT_OK


def _seen(length_s: int) -> str:
    if not length_s:
        return "the lamp stops blinking and goes on as before"
    return (
        f"the lamp blinks between 100 % and 10 %, once a second, for {length_s} s, "
        "and then goes on as before"
    )
