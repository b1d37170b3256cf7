"""Steps of the night that command lamps: all of a street at once, and one whose wires are cut."""

import asyncio
from collections.abc import Iterable

from simulators.demo import settings
from simulators.demo.arrival import stored
from simulators.demo.script import Progress, until
from simulators.demo.snapshot import Mood
from simulators.demo.stage import Stage
from simulators.ledger import Key

# Of the street's time: some seconds of the machine's, so that a slow one sees it too.
_COMMANDED_FOR = "90min"


async def whole_street(stage: Stage, progress: Progress) -> str:
    """One command to the gateway, and every lamp goes to a level that only it asks for."""
    progress.detail = "commanding"
    level = settings.GROUP_LEVEL
    await stage.cli.expect(
        *("lamp", "set", "--group", "all", "--gateway", settings.GATEWAY),
        *("--level", str(level), "--for", _COMMANDED_FOR, "--json"),
    )
    await until(
        lambda: _went_to(stage, stage.nodes, level) == len(stage.nodes),
        progress,
        lambda: f"{_went_to(stage, stage.nodes, level)} of {len(stage.nodes)} obey",
    )
    return f"{len(stage.nodes)} lamps went to {level} % by one command"


async def wires_cut(stage: Stage, progress: Progress) -> str:
    """Without its bus a lamppost is read and commanded by Bluetooth."""
    post = stage.with_radio
    node, name = post.node, post.provision.name
    # Its gateway may have come to it by Bluetooth already, while it restarted with its release.
    await _reached(stage, node, "bus", progress)
    clock = asyncio.get_running_loop().time
    logged = _logged_by(stage, node)
    post.connect_bus(False)
    stage.say(f"bus wires of {name} cut", Mood.WARNING)
    cut = clock()
    await _reached(stage, node, "ble", progress)
    found = clock() - cut
    stage.say(f"{name} is reached by Bluetooth", Mood.GOOD)
    await _reads_on(stage, node, logged, progress)
    progress.detail = "commanding it"
    level = settings.SINGLE_LEVEL
    await stage.cli.expect(
        *("lamp", "set", node, "--level", str(level), "--for", _COMMANDED_FOR, "--json")
    )
    await until(
        lambda: _went_to(stage, [node], level) == 1, progress, lambda: "waiting for its lamp"
    )
    came = len(_logged_by(stage, node) - logged)
    return (
        f"{name} was reached by Bluetooth {found:.0f} s after the cut, sent {came} records and "
        f"dimmed to {level} %"
    )


async def wires_mended(stage: Stage, progress: Progress) -> str:
    """It is back on the bus by itself."""
    post = stage.with_radio
    post.connect_bus(True)
    mended = asyncio.get_running_loop().time()
    await _reached(stage, post.node, "bus", progress)
    took = asyncio.get_running_loop().time() - mended
    return f"{post.provision.name} was on the bus again {took:.0f} s after they were mended"


async def _reached(stage: Stage, node: str, link: str, progress: Progress) -> None:
    await until(
        lambda: stage.watch.link(node) == "up" and stage.watch.reached_by(node) == link,
        progress,
        lambda: f"{stage.watch.link(node)}, by {stage.watch.reached_by(node)}",
    )


async def _reads_on(stage: Stage, node: str, before: set[Key], progress: Progress) -> None:
    """What it logs now reaches the city's store."""
    await until(
        lambda: bool(_logged_by(stage, node) - before), progress, lambda: "waiting for it to log"
    )
    await stored(stage, _logged_by(stage, node) - before, progress)


def _logged_by(stage: Stage, node: str) -> set[Key]:
    return {key for key in stage.street.ledger.records if key[0] == node}


def _went_to(stage: Stage, nodes: Iterable[str], level: int) -> int:
    stage.track.follow()
    return sum(level in stage.track.of(node).levels for node in nodes)
