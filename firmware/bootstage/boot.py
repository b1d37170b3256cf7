"""What the boot stage hands to the application: where it runs, and how to say what starts next."""

import os
from binascii import unhexlify

from . import slotfile, slotstate, store

# The text of the last crash, until it is cleared.
_CRASH = store.ROOT + "/crash.txt"


class Boot:
    """The started slot and the slots' states.

    Attributes:
        root: folder under which flash is mounted.
        slot: slot the application was started from, 0 or 1.
        trial: True while the slot is started on trial and not confirmed.
        safe: stops in a row for which only the safe mode is to run, 0 for the whole application.
        reset_cause: `machine.reset_cause()` of this start.
        cause: what it really was, one of crumb.py's.
        crashed: True when the life before this one ended in a crash.
        notice: what the boot stage had to mend, or "".
        crumb: the `crumb.Crumb` that this life leaves.
        slots_store: `folders.Folders` or `halves.Halves`.
    """

    def __init__(
        self,
        state: dict,
        slot: int,
        trial: bool,
        reset_cause: int,
        nvs,
        notice: str,
        slots_store,
        crumb=None,
        cause: int = 0,
    ):
        self.root = store.ROOT
        self.slot = slot
        self.trial = trial
        self.safe = 0 if trial else state["safe"]
        self.reset_cause = reset_cause
        self.cause = cause
        self.notice = notice
        self.crumb = crumb
        self.slots_store = slots_store
        self.crashed = False
        self._crash = ""
        self._state = state
        self._nvs = nvs
        self._summaries = [self._summary(index) for index in range(slotstate.SLOTS)]

    def crash_found(self, text: str) -> None:
        """The life before this one ended so. Raises nothing."""
        self.crashed = True
        self._crash = text
        try:
            if text != _read(_CRASH):
                store.write(_CRASH, text.encode())
        except OSError as error:
            # It is told as long as the node runs, no longer.
            print("bootstage: the crash cannot be written:", error)

    def last_crash(self) -> str:
        """How the last crash ended, in words or as a traceback of at most 600 bytes; or ""."""
        return self._crash or _read(_CRASH)

    def clear_crash(self) -> None:
        """It is known now. OSError from the flash."""
        self._crash = ""
        if _read(_CRASH):
            os.remove(_CRASH)

    def reset(self) -> None:
        """Start the chip again because that is wanted: it is no crash."""
        import machine

        if self.crumb is not None:
            self.crumb.meant()
        machine.reset()

    def leave_safe(self) -> None:
        """Let the next start run the whole application. OSError from the flash."""
        self._save(slotstate.leave_safe(self._state))

    @property
    def reverted(self) -> str:
        """Why the slot wanted last does not run, until another is marked or confirmed; else ""."""
        return self._state["reverted"]

    @property
    def reverted_told(self) -> bool:
        """Whether `reverted` was written down already; see `tell_reverted`."""
        return bool(self._state["told"])

    def tell_reverted(self) -> None:
        """`reverted` is written down now: later starts need not do so again. Raises nothing."""
        try:
            self._save(slotstate.told(self._state))
        except OSError as error:
            # It is told once more at the next start, no more.
            print("bootstage: that it was told cannot be written:", error)

    @property
    def idle_slot(self) -> int:
        """The slot that an update may be unpacked to."""
        return 1 - self.slot

    def slots(self) -> list:
        """What the slots hold: per slot None, or a dict.

        {"slot", "version", "hash" (32 bytes), "security_counter", "upload" (SHA-256 of the image
        file, 32 bytes), "pending", "permanent", "confirmed", "active", "proven"}: active is the
        running one, proven was confirmed at some time.
        """
        out = []
        state = self._state
        for slot, summary in enumerate(self._summaries):
            if summary is None:
                out.append(None)
                continue
            entry = dict(summary)
            entry["slot"] = slot
            entry["pending"] = state["pending"] == slot
            entry["permanent"] = state["pending"] == slot and bool(state["permanent"])
            entry["confirmed"] = state["active"] == slot
            entry["active"] = self.slot == slot
            entry["proven"] = bool(state["proven"] & 1 << slot)
            out.append(entry)
        return out

    def security_counter(self) -> int:
        """The lowest security counter an image may carry."""
        return max(self._state["counter"], self._nvs.number("counter", 0))

    def mark_pending(self, slot: int, permanent: bool) -> None:
        """Start `slot` at the next boot. ValueError: it is empty; OSError: from the flash."""
        if not 0 <= slot < slotstate.SLOTS or self._summaries[slot] is None:
            raise ValueError("slot %r is empty" % (slot,))
        self._save(slotstate.mark_pending(self._state, slot, permanent))

    def confirm(self) -> None:
        """The running application is good: keep it, and raise the security counter to its image's.

        Writes nothing when nothing changes. OSError: flash did not take it; it is still on trial.
        """
        summary = self._summaries[self.slot]
        counter = summary["security_counter"] if summary else 0
        counter = max(counter, self._nvs.number("counter", 0))
        self._save(slotstate.confirm(self._state, self.slot, counter, bool(self.safe)))
        self.trial = False
        # After the state file: the counter must not go up for an image that was not confirmed.
        self._nvs.set_number("counter", self._state["counter"])
        self._nvs.set_number("active", self.slot)

    def give_up(self, why: str) -> None:
        """Leave the reason for which a trial is about to end, for `reverted` after the reset."""
        if self.trial:
            self._save(slotstate.give_up(self._state, why))

    def release(self, slot: int) -> None:
        """Before the contents of `slot` are replaced: it is empty from here on.

        ValueError: the node depends on them. OSError: flash did not take it.
        """
        if slot == self.slot:
            raise ValueError("slot %d is running" % slot)
        self._save(slotstate.released(self._state, slot))
        self._summaries[slot] = None
        self.slots_store.remove(slot)

    def head(self, version: str, image_hash: bytes, counter: int, upload: bytes) -> bytes:
        """The first line of the list of a slot. image_hash, upload (SHA-256): 32 bytes each."""
        return slotfile.head(version, image_hash, counter, upload)

    def checking_installed(self, slot: int):
        """Check an installed slot piece by piece: yields None, and at last what is wrong or ""."""
        return self.slots_store.checking(slot)

    def installed(self, slot: int) -> None:
        """What was written to a released `slot` is whole and in force: it can be started."""
        self._summaries[slot] = self._summary(slot)

    def problem(self, slot: int) -> str:
        """What keeps `slot` from being started, "" when all of it is as it was written."""
        return problem(self.slots_store, slot)

    def stopped(self, text: str) -> int:
        """The application ended with the exception `text`; seconds to wait before the reset."""
        new = slotstate.stopped(self._state, self.slot, text, self.problem)
        self._save(new)
        return slotstate.pause(new)

    def _save(self, new: dict) -> None:
        if new != self._state:
            store.save_state(new)
            self._state = new

    def _summary(self, slot: int):
        try:
            contents = self.slots_store.head(slot)
        except (ValueError, OSError):
            return None  # what cannot be read cannot be started; the running slot must not care
        if contents is None:
            return None
        return {
            "version": contents["version"],
            "hash": unhexlify(contents["hash"]),
            "security_counter": contents["counter"],
            "upload": unhexlify(contents["upload"]),
        }


def problem(slots_store, slot: int) -> str:
    """What keeps `slot` from being started, "" when all of it is as it was written."""
    found = ""
    for found in slots_store.checking(slot):  # noqa: B007 - the last one counts
        pass
    return found or ""


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(1024).decode()
    except (OSError, UnicodeError):
        return ""
