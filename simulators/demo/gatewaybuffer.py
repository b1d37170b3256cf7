"""The gateway's database as the proof reads it: plain SQL, and not the code that wrote it."""

from pathlib import Path

from simulators.demo.citystore import query

_BY_LAMPPOST = ("added", "repeated", "missed")
"""Counters of what was read from lampposts: each has its part in the lampposts' own rows."""


def counters(file: Path) -> dict[str, int]:
    """The durable counters: added, sent, rejected, repeated, missed, and so on; by name.

    Args:
        file: the database; while it is not there yet, there are none.
    """
    counted: dict[str, int] = dict(query(file, "SELECT name, value FROM tally"))
    for name in _BY_LAMPPOST:
        if name in counted:
            ((more,),) = query(file, f"SELECT coalesce(sum({name}), 0) FROM cursor")  # noqa: S608 - our three words
            counted[name] += more
    return counted
