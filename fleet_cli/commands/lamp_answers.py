"""What lampposts answer to a lamp command, and how it is shown."""

import asyncio
from typing import Any

from rich.text import Text

from fleet_cli.broker.retained import as_bytes, next_message
from fleet_cli.commands.options import identity
from fleet_cli.fleet import Fleet, Lamppost
from fleet_cli.output import console, plural, print_json, state_text, table
from protocol import records


async def answers(
    client: Any, fleet: Fleet, sent: list[Lamppost], level: int | None, limit_s: int
) -> set[tuple[str, str]]:
    """Keys of those that report, within `limit_s`, that they have done it."""
    waiting, done = {post.key for post in sent}, set[tuple[str, str]]()
    if level is None:
        # One that had no override has nothing to end, and nothing new to report.
        done = {post.key for post in sent if not overridden(post)}
    end = asyncio.get_running_loop().time() + limit_s
    while waiting - done and (left := end - asyncio.get_running_loop().time()) > 0:
        message = await next_message(client, left)
        post = fleet.absorb(str(message.topic), as_bytes(message)) if message else None
        if post and post.key in waiting and _obeys(post, level):
            done.add(post.key)
    return done


def overridden(post: Lamppost) -> bool:
    """Whether its lamp follows a command, and not its program."""
    return post.state.lamp.reason in (
        records.REASON_OVERRIDE,
        records.REASONS[records.REASON_OVERRIDE],
    )


def _obeys(post: Lamppost, level: int | None) -> bool:
    # Its minimum level may hold it above what was asked: the override itself is the answer.
    return overridden(post) is (level is not None)


def show(
    chosen: list[Lamppost], states: dict[tuple[str, str], str], json: bool, *, answered: bool
) -> None:
    """Print what became of it: `states` by key, "sent", "done", or the state of the link."""
    if json:
        print_json([{**identity(post), "state": states[post.key]} for post in chosen])
        return
    words = {"sent": "sent, no answer yet" if answered else "sent", "done": "done"}
    rows = [
        [
            post.label,
            post.gateway,
            state_text(state) if (state := states[post.key]) not in words else words[state],
        ]
        for post in chosen
    ]
    console().print(table(["lamppost", "gateway", "state"], rows))
    away = sum(state not in words for state in states.values())
    if away:
        console().print(Text(f"{plural(away, 'lamppost')} away and not commanded", style="dim"))
