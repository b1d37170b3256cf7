"""How far one image has come, on flash, with a cap on its steps.

Each step of an update is written down before it is taken, so that what ends in a reset every time,
an unpacking the watchdog bites in or a trial that reverts and is asked for again, comes to an end:
after MAX_STEPS the image is given up with a reason, until another comes or the slot is erased.
Mender counts its state changes for the same purpose.
"""

import json
import os
from binascii import hexlify, unhexlify

from protocol import messages

from . import refusal
from .refusal import Refused

# A faultless update takes three: verifying, pending, trial. The rest are for bad luck.
MAX_STEPS = 24
_MAX_FILE = 256


class Progress:
    """The record in `root`/update.json.

    Attributes:
        id: SHA-256 of the image file it is about, b"" when there is none or it is not known.
        state: the last of messages.UPDATE_* that was written down.
        steps: steps that this image has taken.
    """

    def __init__(self, root: str):
        self._path = root + "/update.json"
        self.id = b""
        self.state = messages.UPDATE_IDLE
        self.steps = 0
        self._load()

    def check(self, image_id) -> None:
        """Refused when the file with this SHA-256 (None: not known) was given up."""
        if image_id and image_id == self.id and self.steps >= MAX_STEPS:
            raise Refused(
                refusal.GAVE_UP,
                "given up after %d steps, the last was %s; erase the slot to try it again"
                % (self.steps, messages.UPDATE_STATES[self.state]),
            )

    def enter(self, image_id, state: int) -> None:
        """The image is about to take this step. Raises Refused as `check`, OSError."""
        self.check(image_id)
        steps = self.steps + 1 if image_id and image_id == self.id else 1
        self._save(image_id or b"", state, steps)

    def note(self, image_id, state: int) -> None:
        """The image has come so far, which is no step; confirmed, its steps count no more.

        Raises nothing: where the flash does not take it, no more than a step goes uncounted.
        """
        steps = self.steps if image_id == self.id else 0
        if state == messages.UPDATE_CONFIRMED:
            steps = 0
        if (image_id, state, steps) == (self.id, self.state, self.steps):
            return
        try:
            self._save(image_id or b"", state, steps)
        except OSError as error:
            print("update: how far it came cannot be written:", error)

    def clear(self) -> None:
        """Forget the image. OSError from the flash."""
        if self.id or self.steps:
            self._save(b"", messages.UPDATE_IDLE, 0)

    def _save(self, image_id: bytes, state: int, steps: int) -> None:
        text = json.dumps({"id": hexlify(image_id).decode(), "state": state, "steps": steps})
        with open(self._path + ".new", "wb") as file:
            file.write(text.encode())
        os.rename(self._path + ".new", self._path)
        self.id = image_id
        self.state = state
        self.steps = steps

    def _load(self) -> None:
        try:
            with open(self._path, "rb") as file:
                kept = json.loads(file.read(_MAX_FILE))
            image_id = unhexlify(kept["id"])
            state = kept["state"]
            steps = kept["steps"]
        except (OSError, ValueError, KeyError, TypeError):
            return  # none yet, or rotten: count from nothing
        if state in range(len(messages.UPDATE_STATES)) and isinstance(steps, int) and steps >= 0:
            self.id = image_id
            self.state = state
            self.steps = steps
