"""One lamp command for a group, and who has been seen to obey it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.commands import LampCommand
from gateway.lampposts import management
from protocol.messages import ALL_GROUPS

# Group numbers go from 1 to this.
GROUPS = 16


@dataclass(eq=False)
class Order:
    """The command `command` for `group` (1..16, 0 for all), by its number 1..255.

    serial: place among all commands of this process, from 1; began, taken: machine time and street
    time it was taken at; waiting: node ids of lampposts not known to be done with it; done: how
    many have obeyed; said: whether it has been broadcast.
    """

    group: int
    number: int
    serial: int
    command: LampCommand
    began: float
    taken: int
    waiting: set[bytes]
    done: int = 0
    said: bool = False

    @property
    def ends(self) -> int:
        """Street time from which on nobody is to begin with it."""
        if self.command.level is None:
            return self.command.expires
        return min(self.command.expires, self.taken + self.command.seconds - 1)

    def message(self, now: int | None = None) -> bytes:
        """The SMP message; said later, at street time `now`, it holds so much shorter."""
        late = 0 if now is None else max(0, now - self.taken)
        seconds = max(1, self.command.seconds - late)
        groups = 1 << (self.group - 1) if self.group else ALL_GROUPS
        return management.lamp(self.command.level, seconds, self.number, groups)

    def seen_in(self, override: tuple[int, int] | None) -> bool:
        """Whether a lamppost with this override (why, seconds left) has this command behind it."""
        if self.command.level is None:
            return override is None
        return override is not None and override[0] == self.number

    def obeyed(self, node: bytes) -> None:
        """This lamppost has done it."""
        if node in self.waiting:
            self.waiting.discard(node)
            self.done += 1

    def settled(self, node: bytes) -> None:
        """It does not concern this lamppost, or no longer."""
        self.waiting.discard(node)
