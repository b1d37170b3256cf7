"""`lamplighter-gateway buffer`: what waits, for whom, and why something was set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.buffer import database as db
from gateway.buffer.records import Batch, Position, Records, Reject
from gateway.buffer.rows import ROW_OVERHEAD
from gateway.buffer.survey import read_only, survey
from gateway.buffer.writer import Writer
from gateway.errors import GatewayError
from gateway.logs import get
from gateway.main import run_program
from protocol import records as kinds
from tests.unit.gateway.test_backup import Cabinet
from tests.unit.gateway.test_buffer import NODE, batch, body

OTHER = bytes.fromhex("a0b1c2d3e4f6")
EACH = 8 + ROW_OVERHEAD


@pytest.fixture
def cabinet(tmp_path: Path) -> Cabinet:
    made = Cabinet(tmp_path / "cabinet")
    made.install()
    return made


async def test_it_tells_all_beside_a_gateway_that_writes(
    cabinet: Cabinet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cabinet.database
    writer = Writer(db.open_checked(path, get()), lambda why: None)
    writer.start()
    records = Records(writer, path, 10**6, ["home", "scada"])
    await records.load()
    await records.add(batch(0, 10, kind=kinds.AIR))
    rubbish = [Reject(9, b"?", "not [red]a[/red] record")]
    faults = [(seq, body(seq, kinds.FAULT)) for seq in range(4)]
    await records.add(Batch(OTHER, Position(0, 0), Position(1, 4), 1, faults, rubbish))
    rows = await records.begin(0, None, 99)
    await records.accept(rows[:3])
    await records.reject(rows[3:5], "refused by the broker, reason code 149")
    await records.passed("home", rows[6].id)
    monkeypatch.setattr("gateway.buffer.disk.Wear._count", lambda self: 28_000)
    await records.sweep(10**9)

    monkeypatch.setenv("COLUMNS", "80")
    config = ["--config", str(cabinet.file)]
    assert run_program(["buffer", *config, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["bytes"], found["refused_bytes"]) == (9, 11 * EACH, 2 * EACH)
    assert found["bytes"] == records.bytes
    assert found["kept_bytes"] == records.kept_bytes == 5 * EACH
    assert {k["name"]: (k["rows"], k["bytes"]) for k in found["kinds"]} == {
        "air": (5, 5 * EACH), "fault": (4, 4 * EACH),
    }  # fmt: skip
    assert {p["name"]: p["rows"] for p in found["lampposts"]} == {NODE.hex(): 5, OTHER.hex(): 4}
    assert {o["name"]: (o["rows"], o["passed"], o["missed"]) for o in found["outlets"]} == {
        "home": (7, 7, 0), "scada": (14, 0, 0),
    }  # fmt: skip
    assert {(r["reason"], r["refused"], r["rows"]) for r in found["rejected"]} == {
        ("refused by the broker, reason code 149", True, 2), ("not [red]a[/red] record", False, 1),
    }  # fmt: skip
    assert found["counters"]["added"] == 14
    assert found["written_per_record"] is not None
    assert (found["max_bytes"], found["keep_free_bytes"]) == (2_000_000_000, 200_000_000)

    assert run_program(["buffer", *config]) == 0
    text = capsys.readouterr().out
    assert "high-street-12" in text
    assert "not [red]a[/red] record" in text, "what a lamppost said is shown as it is"
    assert max(map(len, text.splitlines())) <= 80 or str(path) in text
    await records.add(batch(10, 1, start=10))  # it could not be disturbed
    records.close()
    writer.close()


def test_it_cannot_write(cabinet: Cabinet) -> None:
    db.open_checked(cabinet.database, get()).conn.close()
    with pytest.raises(GatewayError, match="readonly"), read_only(cabinet.database) as database:
        database.execute("DELETE FROM record")


def test_an_empty_buffer_and_none_at_all(
    cabinet: Cabinet, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(cabinet.file)]
    assert run_program(["buffer", *config]) == 1
    assert "there is no database yet" in capsys.readouterr().err
    db.open_checked(cabinet.database, get()).conn.close()
    assert run_program(["buffer", *config]) == 0
    assert "waiting     0 records" in capsys.readouterr().out


def test_a_damaged_one_is_one_line_and_what_was_set_aside_is_told(
    cabinet: Cabinet, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(cabinet.file)]
    cabinet.database.write_bytes(b"\xa5" * 8192)
    assert run_program(["buffer", *config]) == 1
    assert "restart the gateway, which sets it aside" in capsys.readouterr().err
    db.open_checked(cabinet.database, get()).conn.close()
    assert run_program(["buffer", *config]) == 0
    assert "DAMAGED" in capsys.readouterr().out


def test_a_database_of_another_version_is_said(cabinet: Cabinet) -> None:
    db.open_checked(cabinet.database, get()).conn.close()
    raw = db.connect(cabinet.database)
    raw.execute("PRAGMA user_version = 2")
    raw.conn.close()
    with pytest.raises(GatewayError, match="schema version 2"):
        survey(cabinet.database)
