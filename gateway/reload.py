"""What a configuration read anew changes, and what that takes: nothing, one part, or a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from gateway.config import BusSection, Configuration, LamppostSection

# Sections, or fields of them, that are read once at the start and build everything else: the
# database and its lock, the topics, street time.
_RESTART = frozenset(
    {"gateway.id", "gateway.data_dir", "gateway.lampposts_file", "clock", "metrics"}
)
# Fields in which a running line of a bus is told of a new value; any other opens its port anew.
_BUS_LIVE = frozenset(
    {"idle_poll_ms", "silent_poll_max_s", "attempts", "reply_timeout_ms", "uploads_at_once"}
)
# Sections that belong to no part of their own below: they are told their new values as a whole.
_TOLD = ("buffer", "updates", "log", "presence", "commission")
_OWN = frozenset({"gateway", "bus", "lamppost", "mqtt", "lan", "ble", *_TOLD})


@dataclass(frozen=True)
class BusChange:
    """A bus in both configurations, with other settings.

    Attributes:
        before: its section then.
        after: its section now.
        fields: names of what differs.
        reopen: whether its port has to be opened anew, which drops what is on the line.
    """

    before: BusSection
    after: BusSection
    fields: tuple[str, ...]
    reopen: bool


@dataclass(frozen=True)
class LamppostChange:
    """A lamppost in both configurations, with other settings.

    Attributes:
        before: its section then.
        after: its section now.
        fields: names of what differs.
        rekeyed: whether key or key id differ: its sealed conversation begins anew.
        moved: whether the links that lead to it differ.
    """

    before: LamppostSection
    after: LamppostSection
    fields: tuple[str, ...]
    rekeyed: bool
    moved: bool


@dataclass(frozen=True)
class Difference:
    """What differs between two configurations.

    Attributes:
        restart: keys that take effect only at the next start, such as ``gateway.data_dir``.
        buses_added: sections by name.
        buses_removed: names.
        buses_changed: by name.
        lampposts_added: sections.
        lampposts_removed: node ids, 12 hexadecimal characters.
        lampposts_changed: by node id.
        uplink: whether the connection to the broker has to be made anew.
        lan: whether the local broker and its link have other settings.
        ble: whether Bluetooth has other settings.
        sections: names of the further sections that differ: buffer, updates, log, ...
    """

    restart: tuple[str, ...] = ()
    buses_added: Mapping[str, BusSection] = field(default_factory=dict[str, BusSection])
    buses_removed: tuple[str, ...] = ()
    buses_changed: Mapping[str, BusChange] = field(default_factory=dict[str, BusChange])
    lampposts_added: tuple[LamppostSection, ...] = ()
    lampposts_removed: tuple[str, ...] = ()
    lampposts_changed: Mapping[str, LamppostChange] = field(
        default_factory=dict[str, LamppostChange]
    )
    uplink: bool = False
    lan: bool = False
    ble: bool = False
    sections: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Difference()

    def places(self) -> list[str]:
        """What differs, by its place in the file: ``mqtt``, ``bus.north``, ``lamppost.<id>``."""
        buses = (*self.buses_added, *self.buses_removed, *self.buses_changed)
        posts = (
            *(section.id for section in self.lampposts_added),
            *self.lampposts_removed,
            *self.lampposts_changed,
        )
        return [
            *self.restart,
            *(f"bus.{name}" for name in buses),
            *(f"lamppost.{node}" for node in posts),
            *(name for name in ("lan", "ble") if getattr(self, name)),
            *(["mqtt"] if self.uplink else []),
            *self.sections,
        ]

    def lines(self) -> list[str]:
        """What changes, one a line, for the log. No values: there are keys among them."""
        said = [f"{key}: takes effect at the next start" for key in self.restart]
        said += [f"bus.{name}: added" for name in self.buses_added]
        said += [f"bus.{name}: removed" for name in self.buses_removed]
        for name, change in self.buses_changed.items():
            how = "its port is opened anew" if change.reopen else "its port stays open"
            said.append(f"bus.{name}: {', '.join(change.fields)} changed; {how}")
        said += [f"lamppost {section.name}: added" for section in self.lampposts_added]
        said += [f"lamppost {node}: removed" for node in self.lampposts_removed]
        said += [
            f"lamppost {change.after.name}: {', '.join(change.fields)} changed"
            for change in self.lampposts_changed.values()
        ]
        said += ["mqtt: changed; connected anew"] if self.uplink else []
        said += [f"{name}: changed" for name in ("lan", "ble") if getattr(self, name)]
        said += [f"{name}: changed" for name in self.sections]
        return said


def difference(before: Configuration, after: Configuration) -> Difference:
    """What `after` changes of `before`. A pure function."""
    old, new = before.bus, after.bus
    old_posts = {section.id: section for section in before.lamppost}
    new_posts = {section.id: section for section in after.lamppost}
    return Difference(
        restart=tuple(_restart(before, after)),
        buses_added={name: new[name] for name in new if name not in old},
        buses_removed=tuple(name for name in old if name not in new),
        buses_changed={
            name: _bus(old[name], new[name])
            for name in new
            if name in old and old[name] != new[name]
        },
        lampposts_added=tuple(new_posts[node] for node in new_posts if node not in old_posts),
        lampposts_removed=tuple(node for node in old_posts if node not in new_posts),
        lampposts_changed={
            node: _lamppost(old_posts[node], new_posts[node])
            for node in new_posts
            if node in old_posts and old_posts[node] != new_posts[node]
        },
        uplink=before.mqtt != after.mqtt,
        lan=_section(before, "lan") != _section(after, "lan"),
        ble=_section(before, "ble") != _section(after, "ble"),
        sections=tuple(name for name in _TOLD if _section(before, name) != _section(after, name)),
    )


def _restart(before: Configuration, after: Configuration) -> list[str]:
    keys: list[str] = []
    for name in Configuration.model_fields:
        old, new = _section(before, name), _section(after, name)
        if old == new:
            continue
        if name not in _OWN or name in _RESTART:
            # A section that nothing here knows of: at the next start it certainly holds.
            keys.append(name)
            continue
        keys += [f"{name}.{one}" for one in _fields(old, new) if f"{name}.{one}" in _RESTART]
    return keys


def _bus(before: BusSection, after: BusSection) -> BusChange:
    fields = _fields(before, after)
    return BusChange(before, after, fields, any(name not in _BUS_LIVE for name in fields))


def _lamppost(before: LamppostSection, after: LamppostSection) -> LamppostChange:
    fields = _fields(before, after)
    return LamppostChange(
        before,
        after,
        fields,
        rekeyed=bool({"key", "key_id"} & set(fields)),
        moved=bool({"bus", "address", "lan", "ble"} & set(fields)),
    )


def _section(configuration: Configuration, name: str) -> Any:
    return getattr(configuration, name, None)


def _fields(before: object, after: object) -> tuple[str, ...]:
    if not isinstance(before, BaseModel) or not isinstance(after, BaseModel):
        return ()
    return tuple(
        name
        for name in type(after).model_fields
        if getattr(before, name, None) != getattr(after, name, None)
    )
