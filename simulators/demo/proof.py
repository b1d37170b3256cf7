"""The proof: the simulator's own ledger against the city store, for the street and each lamppost.

The street goes on while the two are compared, so a night ends with a *freeze*: every record logged
until then has to be in the store. What was logged later counts only once it has arrived.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from simulators.ledger import Key, Ledger

EXAMPLES = 10
"""Keys named in the summary for each kind of fault; the counts are of all."""

FAULTS = ("lost", "duplicates", "altered", "unknown")

Row = tuple[str, int, int, bytes]
"""(node id, epoch, sequence, body) as the store has it."""


@dataclass
class Tally:
    """Totals and faults of one lamppost, or of all.

    Attributes:
        produced: records the node logged.
        stored: of these, in the city store with the same content.
        lost: of these, not in the store.
        duplicates: rows in the store beyond the first of their key, and deliveries of a stored key
            with another body.
        altered: in the store, or sent to it, with other content than was logged.
        unknown: rows in the store that no node logged.
    """

    produced: int = 0
    stored: int = 0
    lost: int = 0
    duplicates: int = 0
    altered: int = 0
    unknown: int = 0

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled, changed or made up."""
        return not any(getattr(self, name) for name in FAULTS)


@dataclass
class Proof:
    """What came out: the whole street, each lamppost, and the first few keys at fault."""

    total: Tally = field(default_factory=Tally)
    nodes: dict[str, Tally] = field(default_factory=dict[str, Tally])
    examples: dict[str, list[Key]] = field(default_factory=dict[str, list[Key]])

    def count(self, name: str, keys: Iterable[Key]) -> None:
        """Count ``keys`` under one of the attributes of :class:`Tally`."""
        for key in keys:
            for tally in (self.total, self.nodes.setdefault(key[0], Tally())):
                setattr(tally, name, getattr(tally, name) + 1)
            if name in FAULTS and len(self.examples.setdefault(name, [])) < EXAMPLES:
                self.examples[name].append(key)


def prove(
    ledger: Ledger,
    frozen: Collection[Key],
    rows: Collection[Row],
    conflicts: Iterable[Key] = (),
) -> Proof:
    """Compare what was logged with what the city holds.

    Args:
        ledger: as it is now; it may have grown since the freeze.
        frozen: keys of the ledger at the freeze: each has to be in the store.
        rows: every row of the store, repeated keys included.
        conflicts: for each delivery of another body, which the store set aside, its key.
    """
    # Nobody cuts a lamppost's power in the night: each has announced all that it logged.
    compared = ledger.compare(rows, allow_unannounced=False)
    conflicts = list(conflicts)
    held = {row[:3] for row in rows}
    lost = [key for key in compared.lost if key in frozen]
    altered = {*compared.altered, *conflicts}
    proof = Proof()
    unknown = set(compared.unknown)
    arrived = held - unknown
    proof.count("produced", sorted(arrived | set(lost)))
    proof.count("stored", sorted(arrived - altered))
    proof.count("lost", lost)
    proof.count("duplicates", [*compared.duplicates, *conflicts])
    proof.count("altered", sorted(altered))
    proof.count("unknown", compared.unknown)
    return proof
