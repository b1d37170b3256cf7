"""Every record every node has logged, as the nodes themselves announced it: what must arrive.

The ledger is the simulator's own: it does not pass through any of the software under test but the
node's log. It is written to a file line by line, so that it outlives the simulator.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from protocol import records
from protocol.errors import ProtocolError

Key = tuple[str, int, int]
"""(node id as 12 hexadecimal digits, epoch, sequence number)."""


@dataclass
class Comparison:
    """The ledger against a store.

    Attributes:
        produced: records the nodes logged.
        stored: of these, in the store with the body that was logged.
        lost: of these, not in the store.
        duplicates: rows of the store beyond the first of their key.
        altered: in the store with another body.
        unknown: in the store, logged by nobody.
    """

    produced: int = 0
    stored: int = 0
    lost: list[Key] = field(default_factory=list[Key])
    duplicates: list[Key] = field(default_factory=list[Key])
    altered: list[Key] = field(default_factory=list[Key])
    unknown: list[Key] = field(default_factory=list[Key])

    @property
    def exact(self) -> bool:
        """Each record is in the store, once and unchanged, and nothing else is."""
        return not (self.lost or self.duplicates or self.altered or self.unknown)

    def __str__(self) -> str:
        """One line for a person."""
        return (
            f"produced {self.produced}, stored {self.stored}, lost {len(self.lost)}, "
            f"duplicates {len(self.duplicates)}, altered {len(self.altered)}, "
            f"unknown {len(self.unknown)}"
        )


class Ledger:
    """Records by key, appended to ``path`` as they are announced (kept in memory when None).

    A file that is there already is read first and goes on, so a street may be stopped and started.

    A node that is killed right after a record reached its flash has no chance to announce it.
    :meth:`killed` notes where that may have happened: a row of the store that goes on from
    there with the next number and is a record counts as produced, not as unknown.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._records: dict[Key, bytes] = {}
        self._last: dict[str, Key] = {}
        self._unannounced: set[Key] = set()
        self._file: TextIO | None = None
        if path is not None:
            if path.exists():
                self._read(path)
            self._file = path.open("a", buffering=1)

    def _read(self, path: Path) -> None:
        """Take in the lines of ``path``; a last line cut short is cut off.

        Raises:
            ValueError: a line that is none of the ledger's.
        """
        text = path.read_text()
        whole = text[: text.rfind("\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            match line.split():
                case ["killed", node]:
                    self.killed(node)
                case [node, epoch, seq, body]:
                    self.record(node, int(epoch), int(seq), bytes.fromhex(body))
                case _:
                    raise ValueError(
                        f"{path}:{number}: expected node, epoch, sequence and body, got {line!r}"
                    )
        if whole != text:
            path.write_text(whole)

    @property
    def records(self) -> Mapping[Key, bytes]:
        """Body by key, of every record announced so far."""
        return self._records

    def record(self, node: str, epoch: int, seq: int, body: bytes) -> None:
        """Note a record that ``node`` has durably logged.

        Raises:
            ValueError: the same key was announced before with another body: the node gave one
                number to two records.
        """
        key = (node, epoch, seq)
        before = self._records.get(key)
        if before == body:
            return
        if before is not None:
            raise ValueError(
                f"{node} logged epoch {epoch} sequence {seq} twice: "
                f"first {before.hex()}, then {body.hex()}"
            )
        self._records[key] = body
        self._last[node] = key
        if self._file is not None:
            self._file.write(f"{node} {epoch} {seq} {body.hex()}\n")

    def killed(self, node: str) -> None:
        """Note that ``node`` died between two instructions."""
        last = self._last.get(node)
        if last is not None:
            self._unannounced.add((node, last[1], last[2] + 1))
        if self._file is not None:
            self._file.write(f"killed {node}\n")

    def compare(
        self, rows: Iterable[tuple[str, int, int, bytes]], allow_unannounced: bool = True
    ) -> Comparison:
        """Compare with the rows of a store.

        Args:
            rows: (node, epoch, sequence, body).
            allow_unannounced: take a row that a killed node may have had no time to announce for
                produced, when its body is a record. False where no node is killed.
        """
        result = Comparison(produced=len(self._records))
        seen: Counter[Key] = Counter()
        for node, epoch, seq, body in rows:
            key = (node, epoch, seq)
            seen[key] += 1
            if seen[key] > 1:
                result.duplicates.append(key)
            elif key not in self._records:
                if allow_unannounced and key in self._unannounced and _is_record(body):
                    result.produced += 1
                    result.stored += 1
                else:
                    result.unknown.append(key)
            elif self._records[key] == body:
                result.stored += 1
            else:
                result.altered.append(key)
        result.lost = [key for key in self._records if not seen[key]]
        return result

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _is_record(body: bytes) -> bool:
    try:
        records.decode(body)
    except ProtocolError:
        return False
    return True
