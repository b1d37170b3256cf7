"""The lampposts as a running gateway has them, or as one that does not run last knew them."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from gateway import data_dir
from gateway.config import Configuration, LamppostSection
from gateway.errors import GatewayError
from gateway.metrics import asking
from gateway.updates.steps import SHOWN, Step

_BUSY_S = 5.0


class NoList(GatewayError):
    """There is neither a running gateway nor a database that can be read."""


@dataclass(frozen=True)
class Entry:
    """One lamppost; None where a thing is not known.

    Attributes:
        name: of it.
        node: its id, 12 hexadecimal characters.
        link: how it is reached, such as "north 12", and "" when not known.
        state: up or silent; "" when no gateway runs.
        last_heard: Unix seconds, 0 never.
        level: of the lamp, percent.
        firmware: version.
        backlog: records it still holds.
        update: state of its update.
        rssi: of its last advert, dBm.
    """

    name: str
    node: str
    link: str
    state: str
    last_heard: int | None
    level: int | None
    firmware: str | None
    backlog: int | None
    update: str
    rssi: int | None

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def entries(configuration: Configuration, timeout_s: float = 10.0) -> tuple[list[Entry], bool]:
    """(the lampposts, whether a running gateway told). Raises NoList."""
    if configuration.metrics.enabled:
        with contextlib.suppress(asking.NotAnswered):
            return _live(configuration, timeout_s), True
    return _kept(configuration), False


def _live(configuration: Configuration, timeout_s: float) -> list[Entry]:
    address = configuration.metrics.address
    status, answer = asking.ask(address, "/lampposts", configuration.gateway.id, timeout_s)
    documents = answer.get("lampposts")
    if status != 200 or not isinstance(documents, list):
        raise asking.NotAnswered(f"{address.url} does not list lampposts")
    sections = {section.id: section for section in configuration.lamppost}
    return [
        _of_document(cast("dict[str, Any]", document), sections)
        for document in cast("list[Any]", documents)
        if isinstance(document, dict)
    ]


def _of_document(document: Mapping[str, Any], sections: Mapping[str, LamppostSection]) -> Entry:
    node = _text(document.get("node"))
    link, firmware = _part(document, "link"), _part(document, "firmware")
    signal = link.get("rssi", document.get("rssi"))
    return Entry(
        name=_text(document.get("name")),
        node=node,
        link=_way(sections[node]) if node in sections else _text(link.get("kind")),
        state=_text(link.get("state")),
        last_heard=_number(link.get("last_heard")),
        level=_number(_part(document, "lamp").get("level")),
        firmware=_text(firmware.get("version")) or None,
        backlog=_number(link.get("backlog")),
        update=_text(_part(document, "update").get("state")),
        rssi=_number(signal),
    )


def _kept(configuration: Configuration) -> list[Entry]:
    """What the database knows, read beside whoever uses it."""
    file = configuration.gateway.data_dir / data_dir.DATABASE
    if not os.path.exists(file):  # False too where this user may not look
        raise NoList(
            f"no gateway runs, and {file} is not there, or not for this user to see; start the "
            "gateway, or look as its user or root"
        )
    try:
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S
        )
        try:
            reported = dict(connection.execute("SELECT node, document FROM reported").fetchall())
            steps = dict(connection.execute("SELECT node, step FROM transfer").fetchall())
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise NoList(
            f"no gateway runs, and {file} cannot be read ({error}); start the gateway, or look as "
            "its user or root"
        ) from error
    found: list[Entry] = []
    for section in configuration.lamppost:
        facts = _object(reported.get(section.node))
        found.append(
            Entry(
                name=section.name,
                node=section.id,
                link=_way(section),
                state="",
                last_heard=None,
                level=_number(facts.get("level")),
                firmware=_text(facts.get("version")) or None,
                backlog=None,
                update=_step(steps.get(section.node)),
                rssi=None,
            )
        )
    return found


def _step(value: object) -> str:
    try:
        return SHOWN[Step(str(value))] if value is not None else "idle"
    except ValueError:
        return ""


def _way(section: LamppostSection) -> str:
    ways = [f"{section.bus} {section.address}"] if section.bus is not None else []
    ways += ["lan"] if section.lan else []
    ways += ["ble"] if section.ble else []
    return ", ".join(ways)


def _object(text: object) -> dict[str, Any]:
    try:
        value: Any = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _part(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name)
    return cast("dict[str, Any]", part) if isinstance(part, dict) else {}


def _text(value: object) -> str:
    return "".join(c for c in value if c.isprintable())[:80] if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def ago(last_heard: int | None, now: float | None = None) -> str:
    """How long ago that was, in a few characters."""
    if last_heard is None:
        return ""
    if last_heard == 0:
        return "never"
    seconds = max(0, int((time.time() if now is None else now) - last_heard))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
