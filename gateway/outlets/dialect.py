"""What every outlet's way of speaking has in common. A dialect makes messages and sends none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.outlets.readings import Reading


class Message(NamedTuple):
    """One to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class Post(NamedTuple):
    """A lamppost as it stands: `level` 0..100 %, None while unknown; `up`: whether it answers."""

    node: bytes
    name: str
    level: int | None
    up: bool
    firmware: str
    board: str

    @property
    def id(self) -> str:
        """The node id as text."""
        return self.node.hex()


class Override(NamedTuple):
    """Somebody wants the lamp of `node` at `level`, 0..100 %; None ends the override.

    answer: published when it has been taken, `refusal` when it has not.
    """

    node: bytes
    level: int | None
    answer: tuple[Message, ...] = ()
    refusal: tuple[Message, ...] = ()


class Dialect(Protocol):
    """Turns the street into an outlet's messages, and its messages into wishes.

    Made anew for each connection, so that it may remember what it has announced.
    """

    @property
    def will(self) -> Message:
        """What the broker says when the connection is lost; said by us at a clean stop."""
        ...

    @property
    def subscriptions(self) -> Sequence[str]:
        """The topics to listen to."""
        ...

    def birth(self, posts: Sequence[Post]) -> list[Message]:
        """What is said first over a connection, and again when `received` asks for it."""
        ...

    def states(self, posts: Sequence[Post]) -> list[Message]:
        """What is said of lampposts that have changed."""
        ...

    def readings(self, readings: Sequence[Reading]) -> list[Message]:
        """What is said of new records, in their order."""
        ...

    def received(self, topic: str, payload: bytes) -> Override | str | None:
        """A message that came: a wish, "birth" to be announced again, or None.

        Raises ValueError, with what is wrong, for what cannot be understood.
        """
        ...

    @property
    def ready(self) -> bool:
        """Whether whoever listens takes readings now; they wait in the buffer meanwhile."""
        ...
