"""What a lamppost has in its image slots, read sealed: what an update goes by."""

from __future__ import annotations

import time
from typing import Any

from gateway.errors import NoReply
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost

ImageSlots = list[dict[str, Any]]


async def image_slots(lamppost: Lamppost) -> ImageSlots:
    """The image slots, as management.images has them. Raises NoReply at once for a silent one."""
    if lamppost.link != "up":
        raise NoReply("the lamppost is silent")
    return await management.images(lamppost)


async def facts(lamppost: Lamppost) -> dict[str, Any]:
    """STATUS, which its other readers get to see too. Raises as Session.ask does."""
    status = await management.status(lamppost)
    lamppost.take_facts(status, time.monotonic())
    return status


def active(slots: ImageSlots) -> dict[str, Any] | None:
    """The slot that runs."""
    return next((slot for slot in slots if slot["active"]), None)


def idle_with(slots: ImageSlots, image_hash: str) -> dict[str, Any] | None:
    """The idle slot that holds the image with this hash (hexadecimal), whole and verified."""
    for slot in slots:
        if not slot["active"] and hash_in(slot) == image_hash:
            return slot
    return None


def hash_in(slot: dict[str, Any]) -> str:
    """The hash of the image in `slot`, hexadecimal; "" when it does not say."""
    value = slot["hash"]
    return value.hex() if isinstance(value, bytes) else ""
