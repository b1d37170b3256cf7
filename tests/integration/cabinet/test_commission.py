"""`lamplighter-gateway commission` as an installer runs it, and the page in a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.control import Control
from gateway.config import load
from gateway.main import run_program
from simulators.street import Street, StreetPlan
from tests.integration.gateway.fake_node import FakeBus
from tests.integration.gateway.harness import REPOSITORY, free_port, street
from tests.unit.gateway.commission_town import LitNode

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Set it to a folder, such as docs, to have the picture of the page put there.
_PICTURES = "LAMPLIGHTER_PICTURES"


async def command(config: Path, *arguments: str, typed: str = "") -> tuple[int, str]:
    """(exit code, what it printed) of the gateway's program, in a thread beside the lampposts."""
    out = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        patch.setenv("COLUMNS", "80")
        patch.setattr(sys, "stdin", io.StringIO(typed))
        code = await asyncio.to_thread(run_program, [*arguments, "--config", str(config)])
    return code, out.getvalue()


async def shown(control: Control, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The desk's state, once there is one in which `wanted` holds."""
    async with asyncio.timeout(60):
        while True:
            # Not in this thread: the scripted lampposts answer in it.
            if await asyncio.to_thread(control.answers):
                state = await asyncio.to_thread(control.get, "/api/state")
                if wanted(state):
                    return state
            await asyncio.sleep(0.05)


def lit(address: int) -> LitNode:
    node = LitNode(address)
    node.now = lambda: int(time.time())
    return node


async def test_an_installer_works_beside_the_running_gateway(tmp_path: Path) -> None:
    stranger, ours = lit(1), lit(2)
    async with street(tmp_path, FakeBus([stranger, ours]), listen=False) as town:
        config = town.gateway.config
        town.gateway.write_config(bus="discover_every_s = 0.1")
        whole = config.read_text()
        sections = [match.start() for match in re.finditer(r"\[\[lamppost", whole)]
        page = f"[web]\nenabled = true\nport = {free_port()}\n"
        config.write_text(whole[: sections[0]] + page + whole[sections[1] :])
        await town.gateway.start()
        await shown(Control(town.gateway.data), lambda state: len(state["strangers"]) == 1)
        by_hand = f"a\n{stranger.hex}\n{stranger.key.hex()}\n7\nat the school\n"
        node = stranger.hex
        code, out = await command(
            config, "commission", typed=f"{by_hand}c {node}\nb {node}\nn\nn 9 x\nr\nq\n"
        )
        assert code == 0, out
        assert f"adopted: at the school ({node}), bus0 1" in out
        assert "bus: 10 of 10 answered" in out
        assert "told to blink, but not seen" in out
        assert "expected 1 to 2 or a node id" in out
        assert stranger.key.hex() not in out
        # The bus is asked in turns: both ends of the blinking have been said.
        assert stranger.identified == [20, 0]
        assert {one.name for one in load(config)[0].lamppost} == {"at the school", "bus0 2"}
        code, out = await command(config, "commission", "--report")
        assert code == 1, "not everything was done"
        assert re.search(r"FAIL blink +told to blink", out)
        code, out = await command(config, "web-code")
        assert code == 0, out
        assert re.search(r"code +[0-9A-Z]{5}-[0-9A-Z]{5} ", out)
        assert await town.gateway.stop() == 0


async def test_where_no_gateway_runs_one_is_started_for_it_and_ends_with_it(tmp_path: Path) -> None:
    node = lit(1)
    async with street(tmp_path, FakeBus([node]), listen=False) as town:
        town.gateway.write_config()
        code, out = await command(town.gateway.config, "commission", typed=f"c {node.hex}\nq\n")
        assert code == 0, out
        assert "one was started for this" in out
        assert "10 of 10 answered" in out
        # It is gone: another has the folder and the port.
        await town.gateway.start()
        await shown(Control(town.gateway.data), lambda state: bool(state["lampposts"]))
        code, out = await command(town.gateway.config, "web-code")
        assert code == 1
        assert "[web] enabled = false" in out


# ------------------------------------------------------------------------------------- browser


@contextlib.asynccontextmanager
async def real_street(folder: Path, lampposts: int) -> AsyncGenerator[tuple[Street, int]]:
    """(a street of real nodes, the port of the page of its running gateway)."""
    port = free_port()
    async with Street(folder / "street", StreetPlan(lampposts=lampposts)) as made:
        config = folder / "gateway.toml"
        whole = made.gateway_config(data=folder / "data", mqtt_port=free_port())
        extra = f"[web]\nenabled = true\nport = {port}\n"
        bare = whole.partition("[[lamppost]]")[0]
        config.touch(mode=0o600)
        config.write_text(bare.replace("baud =", "discover_every_s = 0.1\nbaud =") + extra)
        await made.power_on()
        with (folder / "gateway.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.main", "run", "--config", str(config),
                stdout=log, stderr=log, cwd=REPOSITORY,
            )  # fmt: skip
        try:
            yield made, port
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 60)


async def test_a_phone_commissions_a_street(tmp_path: Path) -> None:
    browser = needed_browser()
    nodes = [lit(1), lit(2)]
    async with street(tmp_path, FakeBus([*nodes]), listen=False) as town:
        port = free_port()
        town.gateway.write_config(bus="discover_every_s = 0.1")
        bare = town.gateway.config.read_text().partition("[[lamppost]]")[0]
        town.gateway.config.write_text(f"{bare}[web]\nenabled = true\nport = {port}\n")
        await town.gateway.start()
        first, second = ((node.hex, node.label) for node in nodes)
        await by_phone(browser, Control(town.gateway.data), port, first, second)
        assert nodes[0].commands[-1][0] is None, "the lamp is given back"
        assert not town.gateway.said(nodes[0].key.hex())


@pytest.mark.soak
async def test_a_phone_commissions_a_street_of_real_nodes(tmp_path: Path) -> None:
    browser = needed_browser()
    async with real_street(tmp_path, 2) as (made, port):
        first, second = ((post.node, post.provision.label()) for post in made.lampposts)
        await by_phone(browser, Control(tmp_path / "data"), port, first, second)
        key = made.lampposts[0].provision.key.hex()
        assert key not in (tmp_path / "gateway.log").read_text()


def needed_browser() -> str:
    for name in _BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.skip(f"expected one of {', '.join(_BROWSERS)} on PATH; apt-get install chromium")


async def by_phone(
    browser: str, control: Control, port: int, first: tuple[str, str], second: tuple[str, str]
) -> None:
    """Two strangers, (node id, label) each: one is adopted and tried on the page."""
    playwright = pytest.importorskip("playwright.async_api")
    state = await shown(control, lambda state: len(state["strangers"]) == 2)
    assert {one["node"] for one in state["strangers"]} == {first[0], second[0]}
    await asyncio.to_thread(control.post, "/api/adopt", label=second[1], name="Lime Walk 2")
    code = (await asyncio.to_thread(control.post, "/api/web-code"))["code"]
    async with playwright.async_playwright() as engine:
        chromium = await engine.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        context = await chromium.new_context(
            viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True,
            has_touch=True, ignore_https_errors=True,
        )  # fmt: skip
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        await page.goto(f"https://127.0.0.1:{port}/")
        await page.fill("#code", code)
        await page.click("text=Log in")
        await page.click(f"text={first[0]}")
        await page.fill("#label", first[1])
        await page.fill("#name", "Lime Walk 1")
        await page.click("button:text-is('Adopt')")
        await page.wait_for_selector("text=adopted; it proved its key")
        before = await reads(page, lambda level: level > 0)
        await page.click("text=Light check")
        # What the page shows comes from the lamp: it leaves its level, and so does the meter.
        await reads(page, lambda level: level != before)
        await picture(page, "commissioning.png")
        await page.click("button:text-is('Stop')")
        await page.wait_for_selector("text=light: stopped")
        await reads(page, lambda level: level == before)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, "nothing is to be reached by moving the page sideways"
        await page.click("#back")
        await page.wait_for_selector("text=Lampposts (2)")
        await page.click("text=Log out")
        await page.wait_for_selector("#code")
        assert errors == []
        await chromium.close()


async def reads(page: Any, wanted: Callable[[float], bool]) -> float:
    """What the page's first meter shows, once it is wanted."""
    async with asyncio.timeout(60):
        # The page forbids eval, and so what waits within it.
        while True:
            level = await page.locator("meter").first.evaluate("meter => meter.value")
            if wanted(level):
                return level
            await asyncio.sleep(0.05)


async def picture(page: Any, name: str) -> None:
    """For a person to look at, where one is wanted."""
    folder = os.environ.get(_PICTURES)
    if folder:
        await page.screenshot(path=str(Path(folder) / name))
