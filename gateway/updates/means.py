"""What all updates of a gateway work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.buffer.state import State
from gateway.config import UpdatesSection
from gateway.updates.figures import Figures
from gateway.updates.images import Images
from gateway.updates.multicast import Multicasts
from gateway.updates.slots import Slots
from gateway.updates.trusted import Trust


@dataclass(frozen=True)
class Means:
    """Handed to each update.

    images: files by name; state: where each update stands, on disk; slots: how many go out at once;
    multicasts: by name of the bus; trust: asked before a file is sent, None where the city signs no
    metadata; figures: counted up by all.
    """

    images: Images
    state: State
    slots: Slots
    multicasts: Mapping[str, Multicasts]
    trust: Trust | None
    settings: UpdatesSection
    figures: Figures
