"""The gateway's counters as the demo's proof reads them from the gateway's own database."""

import contextlib
from pathlib import Path

from gateway.buffer import schema, tallies
from simulators.demo import evidence, gatewaybuffer


def test_before_there_is_a_database_there_are_no_counters(tmp_path: Path) -> None:
    assert gatewaybuffer.counters(tmp_path / "gateway.db") == {}


def test_they_are_what_the_gateway_counts_with_the_losses_that_fail_a_night(tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    database = schema.connect(file)
    with contextlib.closing(database.conn):
        schema.migrate(database)
        clean = gatewaybuffer.counters(file)
        assert {clean[name] for name in evidence.GATEWAY_LOSSES} == {0}
        for node, added, missed in ((b"\2AgVv1", 40, 0), (b"\2AgVv2", 30, 2)):
            database.execute(
                "INSERT INTO cursor (node, epoch, seq, added, missed) VALUES (?, 1, 1, ?, ?)",
                [node, added, missed],
            )
        # Of a lamppost that is not this gateway's any more.
        tallies.count_up(database, "missed", 1)
        database.conn.commit()
        found = gatewaybuffer.counters(file)
        assert found == tallies.read(database)
    assert (found["added"], found["missed"]) == (70, 3)
    doubts = evidence.doubts(
        evidence.Evidence({}, dict.fromkeys(("conflict", "rejected"), 0), found), 0.0, 1.0
    )
    assert doubts == ["the gateway's counter missed: expected 0, got 3"]
