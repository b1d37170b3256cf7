"""One way to one lamppost. What is said over it is the same on every link."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from gateway.lampposts.turns import Traffic

LinkKind = Literal["bus", "lan", "ble"]


class Channel(Protocol):
    """Carries whole SMP messages to one lamppost, one request at a time."""

    @property
    def kind(self) -> LinkKind:
        """Which link this is."""
        ...

    @property
    def mtu(self) -> int:
        """Bytes of the largest SMP message it carries."""
        ...

    @property
    def available(self) -> bool:
        """Whether a request has a chance now: the port is open, the broker connected."""
        ...

    def turn(self, traffic: Traffic) -> AbstractAsyncContextManager[None]:
        """Wait for the link and hold it. Raises LinkUnavailable when it cannot be had."""
        ...

    async def exchange(
        self, message: bytes, *, attempts: int | None = None, patience_s: float = 0
    ) -> tuple[bytes, bool]:
        """Send `message`, and the same bytes again after silence; whoever calls holds the turn.

        attempts: in all, None for the link's own number; patience_s: added to the link's timeout
        for requests that make a lamppost work. Gives (reply, whether it was repeated).
        Raises NoReply, LinkUnavailable.
        """
        ...
