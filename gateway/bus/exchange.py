"""What is under way on the line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple


class Called(NamedTuple):
    """Who answered a call: (address, low bits of its sightings); garbled: somebody else did."""

    answers: list[tuple[int, int]]
    garbled: bool


@dataclass(eq=False)
class Exchange:
    """One request and the wait for its reply.

    Attributes:
        address: of whom is asked.
        sequence: of the request.
        reply: the payload of the reply, or why there is none.
        sent: machine seconds at which the request was handed to the port.
        begins_by: machine seconds by which the reply has to begin.
        ends_by: machine seconds by which it has to be there.
        repeated: whether the same was asked just before: an answer to that may come too.
        hurried: whether a reply that is garbled ends the wait.
        garbled: whether something came that was no frame.
        all: the replies, where all are wanted and not only the first.
        timer: for the end of the wait.
    """

    address: int
    sequence: int
    reply: asyncio.Future[bytes]
    sent: float
    begins_by: float
    ends_by: float
    repeated: bool
    hurried: bool = True
    garbled: bool = False
    all: list[bytes] | None = None
    timer: asyncio.TimerHandle | None = None
