"""Lamp commands to groups: one message for each gateway, which tells all its lampposts at once."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import typer

from fleet_cli import topics
from fleet_cli.broker import connected, publish
from fleet_cli.commands.lamp_answers import answers, show
from fleet_cli.commands.options import warn_of
from fleet_cli.errors import EXIT_FAILED, EXIT_OK, EXIT_TIMED_OUT, BadInput
from fleet_cli.fleet import Fleet, Lamppost, read_fleet
from fleet_cli.output import note, plural, progress_bar
from fleet_cli.settings import Settings

GROUPS: Final = 16
ALL: Final = "all"
_FIELD = "lamp/groups"

Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        help="The lampposts in a group, 1 to 16 (lamp.groups), or all: all at the same moment; "
        "with --gateway or --all.",
        rich_help_panel="Which lampposts",
    ),
]


@dataclass(frozen=True)
class GroupTarget:
    """A group (1..16, 0 for all) behind the gateways that match one of `gateways`."""

    group: int
    gateways: tuple[str, ...]

    @property
    def word(self) -> str:
        """The group as topics have it."""
        return str(self.group) if self.group else ALL


def group_target(
    group: str,
    nodes: list[str] | None,
    gateways: list[str] | None,
    labels: list[str] | None,
    everyone: bool,
) -> GroupTarget:
    """What the options select.

    Raises:
        BadInput: no such group, lampposts named beside it, or no gateway.
    """
    number = 0 if group == ALL else int(group) if group.isdecimal() and len(group) < 3 else -1
    if group != ALL and not 1 <= number <= GROUPS:
        raise BadInput(f"--group {group}: expected 1 to {GROUPS}, or {ALL}")
    if nodes or labels:
        raise BadInput("--group contradicts names and -l: its lampposts are those in the group")
    if bool(gateways) == everyone:
        raise BadInput("--group needs either --gateway, or --all for every gateway")
    return GroupTarget(number, tuple(gateways or ("*",)))


async def command_group(
    settings: Settings,
    target: GroupTarget,
    command: dict[str, Any],
    valid_s: int,
    limit_s: int,
    json: bool,
) -> int:
    """Send `command`, valid for `valid_s` s, and wait at most `limit_s` s; gives the exit code.

    Raises:
        BadInput: no gateway matches.
    """
    async with connected(settings.broker) as client:
        with progress_bar("Reading the fleet"):
            fleet = await read_fleet(client)
        warn_of(fleet)
        gateways = _gateways(fleet, target)
        online = [name for name in gateways if _online(fleet, name)]
        chosen = [post for post in fleet.sorted() if _member(post, target, gateways)]
        states = {post.key: "sent" if post.reachable else post.link for post in chosen}
        sent = [post for post in chosen if post.reachable]
        expiry = max(1, round(settings.clock.real_seconds(valid_s)))
        body = {**command, "expires": settings.clock.now() + valid_s}
        for name in online:
            topic = topics.group_command(name, target.word)
            await publish(client, topic, body, retain=False, expiry_s=expiry)
        if limit_s and sent:
            with progress_bar("Waiting for answers", len(sent)):
                done = await answers(client, fleet, sent, command["level"], limit_s)
            states.update(dict.fromkeys(done, "done"))
    if chosen or json:
        show(chosen, states, json, answered=bool(limit_s))
    for name in gateways:
        if name not in online:
            note(f"gateway {name} is offline and not commanded")
    if not chosen and online:
        note(
            f"sent to {plural(len(online), 'gateway')}; no desired configuration has a lamppost in "
            f"group {target.word}, so no answer is waited for"
        )
    if len(online) < len(gateways) or len(sent) < len(chosen):
        return EXIT_FAILED
    return EXIT_TIMED_OUT if limit_s and "sent" in states.values() else EXIT_OK


def _gateways(fleet: Fleet, target: GroupTarget) -> list[str]:
    known = {post.gateway for post in fleet.lampposts.values()} | set(fleet.gateways)
    for pattern in target.gateways:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise BadInput(f"no gateway {pattern!r} is known; see: lamplighter fleet list")
    return sorted(name for name in known if any(fnmatchcase(name, one) for one in target.gateways))


def _online(fleet: Fleet, gateway: str) -> bool:
    status = fleet.gateways.get(gateway)
    return status is not None and status.state == "online"


def _member(post: Lamppost, target: GroupTarget, gateways: list[str]) -> bool:
    """Whether it is in the group, as far as its desired configuration tells."""
    if post.gateway not in gateways:
        return False
    if not target.group:
        return True
    groups: Any = post.configuration.values.get(_FIELD, 0) if post.configuration else 0
    return type(groups) is int and bool(groups >> (target.group - 1) & 1)
