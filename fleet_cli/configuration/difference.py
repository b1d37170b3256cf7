"""What a configuration would change on each lamppost."""

from dataclasses import dataclass
from typing import Any

from fleet_cli.configuration.document import Document
from fleet_cli.configuration.values import BY_NAME
from fleet_cli.fleet.lamppost import Lamppost
from protocol import configuration


@dataclass(frozen=True)
class Change:
    """One field that would change, as written in a file."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Difference:
    """What would change on one lamppost.

    Attributes:
        lamppost: which.
        basis: what the values before are taken from: "reported" (it has these values already),
            "desired" (its desired configuration), "defaults" (it has never had one) or "unknown"
            (it has one whose values the broker does not hold; `changes` is then empty).
        changes: the fields that would change.
        note: what a person should know beside that, or "".
        same: True when it already has exactly this configuration, applied.
    """

    lamppost: Lamppost
    basis: str
    changes: tuple[Change, ...]
    note: str
    same: bool

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "node": self.lamppost.node,
            "gateway": self.lamppost.gateway,
            "name": self.lamppost.state.name,
            "basis": self.basis,
            "same": self.same,
            "changes": [vars(change) for change in self.changes],
            "note": self.note,
        }


def difference(lamppost: Lamppost, document: Document) -> Difference:
    """What pushing `document` would change on `lamppost`."""
    reported = lamppost.state.configuration
    desired = lamppost.configuration
    default_digest = configuration.digest({}).hex()
    basis, before, note = "unknown", None, ""
    usable = desired is not None and not configuration.validate(desired.values)
    if reported.digest == document.digest:
        basis, before = "reported", configuration.effective(document.values)
    elif desired is not None and usable and reported.digest in ("", desired.digest):
        basis, before = "desired", configuration.effective(desired.values)
    elif reported.digest == default_digest or (desired is None and reported.version == 0):
        basis, before = "defaults", configuration.defaults()
    elif desired is not None and usable:
        basis, before = "desired", configuration.effective(desired.values)
        note = f"desired version {desired.version} is not applied yet"
        if reported.state == "refused":
            note = f"desired version {desired.version} was refused: {reported.reason}"
    else:
        note = (
            f"present values are not known here (version {reported.version}, "
            f"digest {reported.digest or 'unknown'})"
        )
    after = configuration.effective(document.values)
    changes: list[Change] = []
    for name, field in BY_NAME.items():
        if before is not None and before[name] != after[name]:
            changes.append(
                Change(
                    f"{field.section}.{field.key}",
                    field.format(before[name]),
                    field.format(after[name]),
                )
            )
    desires_same = desired is None or desired.digest == document.digest
    same = reported.digest == document.digest and reported.state == "applied" and desires_same
    if not lamppost.reachable:
        note = "; ".join(filter(None, [note, _away(lamppost)]))
    return Difference(lamppost, basis, tuple(changes), note, same)


def _away(lamppost: Lamppost) -> str:
    """Why a push does not reach the lamppost at once, and when it does."""
    if not lamppost.gateway_online:
        return "gateway offline: a push waits at the broker and is applied when the gateway is back"
    if lamppost.reported is None:
        return "nothing reported yet: a push waits, and is applied once the gateway finds it"
    return "link silent: a push waits at the gateway, and is applied when the link is back"
