"""What people and monitors are told: by a gateway that runs, one that does not, and a liar."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway import logs
from gateway.config.metrics import Address
from gateway.main import app
from gateway.metrics.endpoint import Endpoint
from tests.unit.cabinet.sources import NOW, Street

DOCUMENT: dict[str, Any] = {
    "node": "a0b1c2d3e4f5",
    "name": "High Street 1",
    "link": {"state": "silent", "last_heard": NOW, "backlog": 12},
    "firmware": {"version": "1.4.0"},
    "lamp": {"level": 80},
    "update": {"state": "uploading"},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "gateway.toml"
    write(file, 9)
    return file


def write(file: Path, port: int) -> None:
    file.write_text(
        f'[gateway]\nid = "cabinet-1"\ndata_dir = "{file.parent}"\n[mqtt]\nhost = "b"\n'
        f'[metrics]\nlisten = "127.0.0.1:{port}"\n[bus.north]\nport = "/dev/none"\n'
        '[[lamppost]]\nid = "a0b1c2d3e4f5"\nname = "High Street 1"\nbus = "north"\naddress = 7\n'
        'key = "00112233445566778899aabbccddeeff"\nkey_id = 1\n'
    )
    file.chmod(0o600)


def change(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


@pytest.fixture
async def street(tmp_path: Path, config: Path) -> AsyncGenerator[Street]:
    """A gateway that answers; `config` names it."""
    made = Street(tmp_path)
    made.sources.documents = lambda: [DOCUMENT]
    endpoint = Endpoint(made.sources, made.clock, logs.get())
    write(config, endpoint.start(Address("127.0.0.1", 0)).port)
    yield made
    await endpoint.close()


async def ask(command: str, config: Path, *options: str) -> Result:
    arguments = [command, "--config", str(config), *options]
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def test_health_is_one_line_and_an_exit_code(
    street: Street, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.metrics.health.DISK_WARNING_BYTES", 1)
    monkeypatch.setattr("gateway.metrics.health.LAMPPOSTS_GRACE_S", 0)
    street.posts = street.posts[:1]
    good = await ask("health", config)
    assert good.exit_code == 0
    assert good.output.startswith("OK: loop: runs; ")
    assert " | lampposts=1 silent=0 " in good.output
    street.alarms.set("bus_babbling", "forged\nOK: all is well | lampposts=9")
    warned = await ask("health", config)
    assert (warned.exit_code, warned.output.count("\n")) == (1, 1)
    assert warned.output.startswith("WARNING: bus_babbling: forged OK: all is well / lampposts=9 |")
    street.buffer.broken = True
    bad = await ask("health", config)
    assert (bad.exit_code, bad.output.startswith("CRITICAL: storage:")) == (2, True)


async def test_health_of_nobody(config: Path, tmp_path: Path) -> None:
    nobody = await ask("health", config)
    assert (nobody.exit_code, nobody.output.startswith("CRITICAL: no gateway answers")) == (2, True)
    unreadable = await ask("health", tmp_path / "none.toml")
    assert unreadable.exit_code == 2


async def test_nodes_of_a_running_gateway(street: Street, config: Path) -> None:
    told = await ask("nodes", config)
    assert told.exit_code == 0
    head, row, total = told.output.rstrip().splitlines()
    assert head.split() == [
        "LAMPPOST", "NODE", "LINK", "STATE", "HEARD", "LEVEL", "FW", "BACKLOG", "UPDATE",
    ]  # fmt: skip
    assert "High Street 1 a0b1c2d3e4f5 north 7 silent" in row
    assert row.split()[-5:] == ["80", "%", "1.4.0", "12", "uploading"]
    assert total == "1 lamppost(s), 1 silent"
    assert max(len(line.rstrip()) for line in told.output.splitlines()) <= 80
    document = json.loads((await ask("nodes", config, "--json")).output)
    assert document["live"] is True
    assert document["lampposts"][0]["backlog"] == 12


async def test_nodes_of_a_gateway_that_does_not_run(config: Path, tmp_path: Path) -> None:
    none = await ask("nodes", config)
    assert (none.exit_code, "no gateway runs" in none.output) == (1, True)
    database = sqlite3.connect(tmp_path / "gateway.db")
    database.execute("CREATE TABLE reported (node BLOB, document TEXT)")
    database.execute("CREATE TABLE transfer (node BLOB, step TEXT)")
    node = bytes.fromhex("a0b1c2d3e4f5")
    database.execute("INSERT INTO reported VALUES (?, ?)", [node, '{"version": "1.3.9"}'])
    database.execute("INSERT INTO transfer VALUES (?, 'trial')", [node])
    database.commit()
    database.close()
    kept = await ask("nodes", config)
    assert kept.exit_code == 0
    assert "as the database last knew them" in kept.output
    assert "1.3.9" in kept.output
    document = json.loads((await ask("nodes", config, "--json")).output)
    assert document["live"] is False
    assert document["lampposts"][0]["update"] == "trial"


@pytest.mark.parametrize(
    "documents",
    [
        [{"node": 7, "name": ["x"], "link": "up", "lamp": None, "update": 3, "firmware": []}],
        [{"node": "x" * 10_000, "name": "\x1b[31mred", "link": {"backlog": True}}],
    ],
)
async def test_what_comes_from_loopback_is_looked_at(
    street: Street, config: Path, documents: list[dict[str, Any]]
) -> None:
    street.sources.documents = lambda: documents
    told = await ask("nodes", config)
    assert told.exit_code == 0
    assert "\x1b" not in told.output


async def test_another_gateway_at_the_address_is_told_apart(street: Street, config: Path) -> None:
    change(config, "cabinet-1", "cabinet-2")
    told = await ask("health", config)
    assert told.exit_code == 2
    assert "'cabinet-1'" in told.output


async def test_doctor_of_a_whole_configuration(config: Path, tmp_path: Path) -> None:
    change(config, 'host = "b"', 'host = "127.0.0.1"\nport = 9')
    told = await ask("doctor", config, "--json", "--timeout", "2")
    assert told.exit_code == 1
    found = json.loads(told.output)
    assert {one["level"] for one in found} >= {"ok", "FAIL"}
    assert all(one["action"] for one in found if one["level"] != "ok")
    about = {one["about"] for one in found}
    assert {"configuration", "service", "serial north", "clock", "disk", "broker"} <= about
    change(config, "address = 7", "adress = 7")
    broken = await ask("doctor", config)
    assert broken.exit_code == 1
    assert "FAIL" in broken.output
