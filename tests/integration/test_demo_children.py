"""The demo's child processes: seen when they end, ended when asked, and the broker's memory."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aiomqtt import Client, ProtocolVersion

from simulators.demo.broker import Broker
from simulators.demo.children import ChildFailed, Children, run

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
# Ignores SIGTERM, and has a child of its own.
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(600)\n",
]


def lives(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - processes have no event to wait for
            await asyncio.sleep(0.05)


async def test_a_child_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    children = Children(tmp_path)
    code = "import sys; print('no such port', file=sys.stderr); sys.exit(3)"
    child = children.add("gateway", [sys.executable, "-c", code])
    await child.start()
    await eventually(lambda: not child.running)
    with pytest.raises(ChildFailed, match=r"ended by itself with exit code 3.*no such port"):
        children.check()


async def test_a_child_ended_on_purpose_is_no_failure_and_may_start_again(tmp_path: Path) -> None:
    children = Children(tmp_path)
    child = children.add("gateway", SLEEP)
    await child.start()
    await child.kill()
    children.check()
    assert (child.kills, child.running) == (1, False)
    await child.start()
    assert child.starts == 2
    await children.end()
    assert not child.running


async def test_a_program_that_does_not_exist_is_told(tmp_path: Path) -> None:
    child = Children(tmp_path).add("gateway", [str(tmp_path / "absent")])
    with pytest.raises(ChildFailed, match="gateway does not start"):
        await child.start()


async def test_one_that_ignores_sigterm_goes_with_all_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.demo.children._TERM_SECONDS", 0.3)
    child = Children(tmp_path).add("stubborn", STUBBORN)
    await child.start()
    await eventually(lambda: bool(child.log.read_text().strip()))
    grandchild = int(child.log.read_text())
    pid = child.pid
    assert pid is not None
    assert lives(grandchild)
    await child.terminate()
    await eventually(lambda: not lives(pid) and not lives(grandchild))


async def test_a_command_gives_its_code_and_what_it_said() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)"
    done = await run([sys.executable, "-c", code])
    assert (done.code, done.stdout, done.stderr) == (4, "out\n", "err\n")


async def test_a_command_that_takes_too_long_is_killed() -> None:
    with pytest.raises(ChildFailed, match=r"to end in 0\.3 s"):
        await run(SLEEP, seconds=0.3)


async def test_the_broker_comes_back_on_its_port_with_what_it_held(tmp_path: Path) -> None:
    children = Children(tmp_path)
    broker = Broker(children, tmp_path / "broker")
    try:
        await broker.start()
        async with Client("127.0.0.1", broker.port, protocol=ProtocolVersion.V5) as client:
            await client.publish("held", b"still here", qos=1, retain=True)
        await broker.stop()
        await broker.start()
        async with Client("127.0.0.1", broker.port, protocol=ProtocolVersion.V5) as client:
            await client.subscribe("held", qos=1)
            async with asyncio.timeout(30):
                message = await anext(aiter(client.messages))
        assert message.payload == b"still here"
    finally:
        await children.end()


async def test_the_broker_listens_on_this_machine_only(tmp_path: Path) -> None:
    children = Children(tmp_path)
    broker = Broker(children, tmp_path / "broker")
    try:
        await broker.start()
        pid = broker.child.pid
        assert pid is not None
        table = (Path("/proc") / str(pid) / "net" / "tcp").read_text().splitlines()[1:]
        listening = {line.split()[1] for line in table if line.split()[3] == "0A"}
        assert f"0100007F:{broker.port:04X}" in listening
        assert f"00000000:{broker.port:04X}" not in listening
    finally:
        await children.end()
