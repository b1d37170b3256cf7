"""What is dropped when something must be. All of it is called inside a job of the writer."""

from __future__ import annotations

from gateway.buffer import outlets, tallies
from gateway.buffer.schema import Database


def drop_older(db: Database, horizon: float) -> int:
    """Drop what was received before `horizon`, in seconds of running time; gives how many."""
    for table in ("record", "kept"):
        oldest = db.execute(f"SELECT received FROM {table} ORDER BY id LIMIT 1").fetchone()  # noqa: S608
        if oldest is not None and oldest[0] < horizon:
            break
    else:
        return 0
    outlets.drop(db, "received < ?", horizon)
    old, size = tallies.count(db, "record", "received < ?", horizon)
    outlets.missed(db, "record", "received < ?", horizon)
    db.execute("DELETE FROM record WHERE received < ?", [horizon])
    tallies.count_up(db, "dropped", old)
    tallies.hold(db, -old, -size)
    return old
