"""A street or a lamppost kept alive until Ctrl-C, and what its user is told meanwhile."""

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from pathlib import Path

import typer

from simulators import city, hints
from simulators.node_process import ChipState
from simulators.street import Street, StreetPlan


async def run_street(folder: Path, plan: StreetPlan, status: float, host: str, port: int) -> None:
    """A street in ``folder``, until Ctrl-C; tells what it needs besides.

    Args:
        folder: see :class:`simulators.street.Street`.
        plan: what it is like.
        status: seconds between two lines about its state; 0 for none.
        host: of the broker that its gateway is to send to.
        port: of the broker.
    """
    stopped = _stop_signal()
    async with Street(folder, plan, complain=complain) as running:
        config = running.write_gateway_config(mqtt_host=host, mqtt_port=port)
        settings = running.folder / "lamplighter.toml"
        store = f"sqlite:///{running.folder / 'city.db'}"
        settings.write_text(city.settings(host, port, store, running.clock))
        await running.power_on()
        typer.echo(f"{plan.lampposts} lampposts, street time {_clock(running)}, Ctrl-C ends it")
        _show("bus", running.bus.open_gateway_port())
        _show("release key", str(running.factory.release_key_file))
        _show("ledger", str(folder / "ledger.txt"))
        _show("people", f"{_scale(running):.3g} simulated for each real one at full scale")
        typer.echo("what else it needs, each in a terminal of its own:")
        here = host in ("127.0.0.1", "localhost", "::1")
        _show("broker", hints.mosquitto(port) if here else f"an MQTT 5 broker at {host}:{port}")
        _show("ingest", hints.command("lamplighter", "--settings", str(settings), "ingest"))
        _show("gateway", hints.command("lamplighter-gateway", "run", "--config", str(config)))
        typer.echo("then look at it:")
        _show("fleet", hints.command("lamplighter", "--settings", str(settings), "fleet", "list"))
        await _until(stopped, running, status)


async def run_node(
    folder: Path, plan: StreetPlan, status: float, console: bool, service_switch: bool
) -> None:
    """A lamppost in ``folder``, until Ctrl-C; tells what can be done with it."""
    stopped = _stop_signal()
    async with Street(folder, plan, complain=complain) as running:
        lamppost = running.lampposts[0]
        port = lamppost.open_console() if console else None
        lamppost.close_service_switch(service_switch)
        key = running.factory.release_key_file
        config = running.write_gateway_config()
        await running.power_on()
        typer.echo(f"lamppost {lamppost.node}, street time {_clock(running)}, Ctrl-C ends it")
        if port is not None:
            _show("console", port)
            _show("try", hints.smpmgr("--port", port, "image", "state-read"))
        _show("bus", running.bus.open_gateway_port())
        _show("gateway", hints.command("lamplighter-gateway", "run", "--config", str(config)))
        _show("release key", str(key))
        words = ("--version", "1.1.0", "--key", str(key), "--out", "release.bin")
        _show("build", hints.python("-m", "firmware.build", *words))
        await _until(stopped, running, status)


def _stop_signal() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM from now on."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def _until(stopped: asyncio.Event, running: Street, status: float) -> None:
    """Wait for ``stopped``, telling the state now and then."""
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), status or None)
        if not stopped.is_set():
            typer.echo(_state(running))
    typer.echo("the street closes")


def _state(running: Street) -> str:
    view = running.view()
    posts = view.lampposts
    alive = sum(post.state is ChipState.RUNNING for post in posts)
    level = sum(post.dimming_level for post in posts) / len(posts)
    pm25 = sum(post.air.pm25 for post in posts) / len(posts)
    return (
        f"{_clock(running)}  {alive}/{len(posts)} running, lamps at {level:.0f} %, "
        f"PM2.5 {pm25:.0f} ug/m3, {sum(post.people for post in posts)} people about, "
        f"{sum(post.logged for post in posts)} records logged, bus {view.bus.share:.1%} busy, "
        f"{sum(post.restarts for post in posts)} restarts"
    )


def _scale(running: Street) -> float:
    return running.lampposts[0].world.pavement.scale


def _clock(running: Street) -> str:
    return datetime.fromtimestamp(running.clock.street(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _show(what: str, value: str) -> None:
    typer.echo(f"  {what:12} {value}")


def complain(line: str) -> None:
    """Say what is wrong, in one line."""
    typer.echo(f"lamplighter-sim: {line}", err=True)
