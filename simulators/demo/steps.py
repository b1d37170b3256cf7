"""The night's script: what is done to the street, and the effect each step has to show."""

import asyncio
from collections.abc import Callable
from functools import partial

from simulators.demo import settings
from simulators.demo.arrival import stored
from simulators.demo.lamp_steps import whole_street, wires_cut, wires_mended
from simulators.demo.releases import DEAF_VERSION, FIRST_VERSION, SECOND_VERSION
from simulators.demo.script import Progress, Step, StepFailed, until
from simulators.demo.snapshot import Mood
from simulators.demo.stage import Stage

BROKER_AWAY_SECONDS = 20.0
_GATEWAY_DOWN_SECONDS = 1.0
# Lampposts reckon it themselves, to a minute or so.
_SUNRISE_WITHIN_SECONDS = 600


def steps(stage: Stage, sunrise: float) -> list[Step]:
    """The script.

    Args:
        stage: what it acts upon.
        sunrise: UTC epoch seconds.
    """
    count = len(stage.nodes)
    deaf = stage.nodes[-1]

    def step(
        name: str,
        title: str,
        effect: Callable[[Stage, Progress], object],
        *needs: str,
        seconds: float,
        after_failure: bool = False,
    ) -> Step:
        bound = partial(effect, stage)
        return Step(name, title, bound, needs, seconds, after_failure)  # pyright: ignore

    night = stage.options.seconds
    return [
        step("power-on", "street powered on", power_on, seconds=60 + count),
        step("configuration", "first configuration", first_configuration, "power-on", seconds=60),
        step(
            "release",
            f"release {SECOND_VERSION} on all {count}",
            release_everywhere,
            "configuration",
            seconds=120 + 30 * count,
        ),
        step(
            "gateway-kill",
            "gateway killed mid-update",
            gateway_killed,
            "configuration",
            seconds=120 + 10 * count,
        ),
        step(
            "program",
            "new dimming program",
            partial(new_program, sunrise),
            # In the middle of the rollout: configuration does not wait for it.
            "gateway-kill",
            seconds=90,
        ),
        step(
            "group-command",
            f"whole street to {settings.GROUP_LEVEL} % at once",
            whole_street,
            "release",
            "program",
            seconds=90,
        ),
        step(
            "wires-cut",
            "bus wires of one lamppost cut",
            wires_cut,
            "group-command",
            seconds=180,
        ),
        step(
            "deaf-release",
            "deaf release reverts itself",
            partial(deaf_release, deaf),
            # While those wires are cut: it is another lamppost.
            "group-command",
            seconds=120 + 4 * settings.CONFIRM_SECONDS,
        ),
        step(
            "wires-mended",
            "its bus wires mended",
            wires_mended,
            "wires-cut",
            # The bus is tried again after half a minute, and after twice that where it was too
            # early: on a machine so slow that the rest takes longer.
            seconds=240,
            after_failure=True,
        ),
        step(
            "broker-away",
            f"broker away for {BROKER_AWAY_SECONDS:.0f} s",
            broker_away,
            "wires-cut",
            "deaf-release",
            seconds=120,
            after_failure=True,
        ),
        step(
            "morning",
            "morning: every lamp is off",
            partial(morning, sunrise),
            "wires-mended",
            "broker-away",
            seconds=night + 120,
            after_failure=True,
        ),
    ]


async def power_on(stage: Stage, progress: Progress) -> str:
    """Every lamppost is up, as its gateway reports, and runs the factory's release."""
    await stage.street.power_on()

    def answering() -> list[str]:
        return [node for node in stage.nodes if stage.watch.link(node) == "up"]

    await until(
        lambda: len(answering()) == len(stage.nodes),
        progress,
        lambda: f"{len(answering())} of {len(stage.nodes)} answer",
    )
    await until(lambda: _running(stage, FIRST_VERSION) == len(stage.nodes), progress)
    fleet = await stage.cli.expect("fleet", "list", "--json")
    return (
        f"{len(stage.nodes)} lampposts answer and run {FIRST_VERSION}; fleet list has {len(fleet)}"
    )


async def first_configuration(stage: Stage, progress: Progress) -> str:
    """Every lamppost reports the configuration pushed as applied."""
    return await _push(stage, progress, "evening", settings.FIRST_PROGRAM)


async def release_everywhere(stage: Stage, progress: Progress) -> str:
    """Every lamppost runs the release, confirmed, and the rollout's command says so too."""
    rolling = asyncio.create_task(_rollout(stage, SECOND_VERSION, "--all"))
    try:
        await until(
            lambda: rolling.done() or _running(stage, SECOND_VERSION) == len(stage.nodes),
            progress,
            lambda: _update_text(stage, SECOND_VERSION),
        )
        code, error = await rolling
    finally:
        rolling.cancel()
    done = _running(stage, SECOND_VERSION)
    if code != 0 or done != len(stage.nodes):
        raise StepFailed(
            f"expected {len(stage.nodes)} lampposts on {SECOND_VERSION}, got {done}; "
            f"rollout ended with exit code {code}: {error}"
        )
    return f"{done} lampposts run {SECOND_VERSION}, confirmed"


async def gateway_killed(stage: Stage, progress: Progress) -> str:
    """SIGKILL in the middle of an upload; the city sees it go, and come back with every link."""

    def uploading() -> tuple[str, float] | None:
        for node in stage.nodes:
            reported = stage.watch.reported(node)
            if reported and reported.update.state == "uploading":
                return node, reported.update.progress
        return None

    await until(
        # To one lamppost, or to all of them at once.
        lambda: (uploading() or ("", 0))[1] > 0.2,
        progress,
        lambda: "waiting for an upload to be under way",
    )
    caught = uploading()
    await stage.gateway.kill()
    stage.say("gateway killed with SIGKILL", Mood.WARNING)
    await until(
        lambda: not stage.watch.gateway_online(settings.GATEWAY),
        progress,
        lambda: "waiting for the broker to tell that it is gone",
    )
    await asyncio.sleep(_GATEWAY_DOWN_SECONDS)
    await stage.gateway.start()
    await until(
        lambda: (
            stage.watch.gateway_online(settings.GATEWAY)
            and all(
                stage.watch.link(node) == "up"
                for node in stage.nodes
                if not _restarting(stage, node)
            )
        ),
        progress,
        lambda: "waiting for it to be back",
    )
    name = stage.names.get(caught[0], "") if caught else ""
    share = f" at {caught[1]:.0%} of the upload to {name}" if caught else ""
    return f"killed{share}; its last will was published, and it came back with every link"


async def new_program(sunrise: float, stage: Stage, progress: Progress) -> str:
    """The program is reported back, and every lamp goes to a level only it asks for."""
    seen = await _push(stage, progress, "night", settings.NEW_PROGRAM)

    def following() -> int:
        stage.track.follow()
        return sum(stage.track.of(node).level in settings.NEW_LEVELS for node in stage.nodes)

    # By daylight every program has the lamps off: on a machine so slow that the night is over
    # there is nothing left to wait for.
    await until(
        lambda: following() == len(stage.nodes) or stage.street.clock.street() > sunrise,
        progress,
        lambda: f"{following()} of {len(stage.nodes)} lamps follow it",
    )
    if (count := following()) != len(stage.nodes):
        raise StepFailed(
            f"expected {len(stage.nodes)} lamps at a level of the new program before sunrise, "
            f"got {count}; on a slow machine run it with more --seconds"
        )
    return f"{seen}; {count} lamps follow it"


async def deaf_release(node: str, stage: Stage, progress: Progress) -> str:
    """The lamppost tries the release, never hears its gateway, and goes back by itself."""
    name = stage.names[node]
    starts = sum(stage.street.lamppost(node).chip.starts.values())
    code, error = await _rollout(stage, DEAF_VERSION, "--node", node)
    await until(
        lambda: (
            (state := stage.watch.reported(node)) is not None
            and state.update.state == "reverted"
            and state.firmware.version == SECOND_VERSION
            and stage.watch.link(node) == "up"
        ),
        progress,
        lambda: f"{name}: {_update_of(stage, node)}",
    )
    if code == 0:
        raise StepFailed("expected the rollout to end with an exit code other than 0, got 0")
    reported = stage.watch.reported(node)
    reason = reported.update.reason if reported else error
    again = sum(stage.street.lamppost(node).chip.starts.values()) - starts
    return (
        f"{name} is back on {SECOND_VERSION} after {again} restarts: "
        f"reverted ({reason or 'no reason given'}); the rollout's exit code was {code}"
    )


async def broker_away(stage: Stage, progress: Progress) -> str:
    """Records pile up at the gateway while the broker is away, and reach the store afterwards."""
    await stage.broker.stop()
    stage.say("broker stopped", Mood.WARNING)
    logged = stage.logged
    began = asyncio.get_running_loop().time()

    def left() -> float:
        return began + BROKER_AWAY_SECONDS - asyncio.get_running_loop().time()

    await until(lambda: left() <= 0, progress, lambda: f"back in {max(0.0, left()):.0f} s")
    meanwhile = stage.logged - logged
    waiting = set(stage.street.ledger.records)
    await stage.broker.start()
    stage.say("broker started again")
    await until(
        lambda: stage.watch.gateway_online(settings.GATEWAY),
        progress,
        lambda: "waiting for the gateway to be back at the broker",
    )
    await stored(stage, waiting, progress)
    if not meanwhile:
        raise StepFailed("expected lampposts to log while the broker was away, they did not")
    return f"{meanwhile} records logged meanwhile; all of them reached the store afterwards"


async def morning(sunrise: float, stage: Stage, progress: Progress) -> str:
    """The night is over by the clock, and every lamp has gone out with the sunrise."""
    await until(
        lambda: stage.street.clock.street() >= max(stage.options.end, sunrise),
        progress,
        lambda: "waiting for the end of the night",
    )

    def lit() -> list[str]:
        stage.track.follow()
        # Where the script took so long that it is night again, the log still knows of the morning.
        return [
            post.name
            for post in stage.street.view().lampposts
            if post.dimming_level > 0
            and (stage.track.of(post.node).out or 0) < sunrise - _SUNRISE_WITHIN_SECONDS
        ]

    await until(lambda: not lit(), progress, lambda: f"still lit: {', '.join(lit())}")
    return "every lamp is off"


def _restarting(stage: Stage, node: str) -> bool:
    """It is on its way through a reset, where nobody can expect an answer."""
    reported = stage.watch.reported(node)
    return reported is not None and reported.update.state in ("verifying", "pending", "trial")


def _running(stage: Stage, version: str) -> int:
    reports = [stage.watch.reported(node) for node in stage.nodes]
    return sum(
        report is not None and report.firmware.version == version and report.firmware.confirmed
        for report in reports
    )


def _update_of(stage: Stage, node: str) -> str:
    reported = stage.watch.reported(node)
    if reported is None:
        return "nothing reported"
    share = f" {reported.update.progress:.0%}" if reported.update.state == "uploading" else ""
    return f"{reported.update.state}{share}"


def _update_text(stage: Stage, version: str) -> str:
    return f"{_running(stage, version)} of {len(stage.nodes)}"


async def _push(stage: Stage, progress: Progress, name: str, program: tuple[str, ...]) -> str:
    """Push a configuration to all, and one that has Bluetooth beside it to the one with a radio."""
    radio = stage.with_radio
    wanted: dict[str, int] = {}
    for file, text, nodes, which in (
        (
            f"{name}.toml",
            settings.configuration(program),
            [node for node in stage.nodes if node != radio.node],
            ("--label", f"name!={radio.provision.name}"),
        ),
        (
            f"{name}-bluetooth.toml",
            settings.configuration(program, bluetooth=True),
            [radio.node],
            ("--node", radio.node),
        ),
    ):
        path = stage.folder / file
        path.write_text(text, encoding="utf-8")
        progress.detail = "pushing"
        said = await stage.cli.expect("config", "push", str(path), *which, "--yes", "--json")
        version: int = said["version"]
        wanted.update(dict.fromkeys(nodes, version))

    def applied() -> int:
        reports = {node: stage.watch.reported(node) for node in stage.nodes}
        return sum(
            report is not None
            and report.configuration.version == wanted[node]
            and report.configuration.state == "applied"
            for node, report in reports.items()
        )

    await until(
        lambda: applied() == len(stage.nodes),
        progress,
        lambda: f"{applied()} of {len(stage.nodes)} applied",
    )
    versions = " and ".join(str(version) for version in sorted(set(wanted.values())))
    return f"{applied()} lampposts report configuration {versions} applied"


async def _rollout(stage: Stage, version: str, *which: str) -> tuple[int, str]:
    said = await stage.cli.call(
        "rollout", "start", str(stage.release(version)), *which, "--yes", "--json", seconds=900
    )
    return said.code, said.error
