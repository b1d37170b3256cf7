"""What the boot stage hands to the application: where it runs, and how to say what starts next."""

from binascii import unhexlify

from . import slotfile, slotstate, store


class Boot:
    """The started slot and the slots' states.

    Attributes:
        root: folder under which flash is mounted.
        slot: slot the application was started from, 0 or 1.
        trial: True while the slot is started on trial and not confirmed.
        reset_cause: `machine.reset_cause()` of this start.
        notice: what the boot stage had to mend, or "".
    """

    def __init__(self, state: dict, slot: int, trial: bool, reset_cause: int, nvs, notice: str):
        self.root = store.ROOT
        self.slot = slot
        self.trial = trial
        self.reset_cause = reset_cause
        self.notice = notice
        self._state = state
        self._nvs = nvs
        self._summaries = [_summary(index) for index in range(slotstate.SLOTS)]

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
        self._save(slotstate.confirm(self._state, self.slot, counter))
        self.trial = False
        # After the state file: the counter must not go up for an image that was not confirmed.
        self._nvs.set_number("counter", self._state["counter"])
        self._nvs.set_number("active", self.slot)

    def give_up(self, why: str) -> None:
        """Leave the reason for which a trial is about to end, for `reverted` after the reset."""
        if self.trial:
            self._save(slotstate.give_up(self._state, why))

    def folder(self, slot: int) -> str:
        """The folder that `slot`'s files are under."""
        return store.folder(slot)

    def release(self, slot: int) -> None:
        """Before the contents of `slot` are replaced: it is empty from here on.

        ValueError: the node depends on them. OSError: flash did not take it.
        """
        if slot == self.slot:
            raise ValueError("slot %d is running" % slot)
        self._save(slotstate.released(self._state, slot))
        self._summaries[slot] = None
        store.remove_slot(slot)

    def record(
        self, slot: int, version: str, image_hash: bytes, counter: int, upload: bytes
    ) -> store.Record:
        """Begin the list of what is unpacked to a released `slot`, whose folder exists.

        image_hash, upload (SHA-256 of the image file): 32 bytes each. OSError from the flash.
        """
        return store.Record(slot, slotfile.head(version, image_hash, counter, upload))

    def checking(self, slot: int):
        """Check the files of a finished record piece by piece; see `store.checking`."""
        return store.checking(store.slot_path(slot) + ".new")

    def checking_installed(self, slot: int):
        """Check the files of an installed slot piece by piece; see `store.checking`."""
        return store.checking(store.slot_path(slot))

    def install(self, slot: int) -> None:
        """After the record of `slot` is finished: it can be started. OSError from the flash."""
        store.install_slot(slot)
        self._summaries[slot] = _summary(slot)

    def problem(self, slot: int) -> str:
        """What keeps `slot` from being started, "" when each of its files is as it was unpacked."""
        return store.problem(slot)

    def stopped(self, text: str) -> int:
        """The application ended with the exception `text`; seconds to wait before the reset."""
        new = slotstate.stopped(self._state, self.slot, text, store.problem)
        self._save(new)
        return slotstate.pause(new)

    def _save(self, new: dict) -> None:
        if new != self._state:
            store.save_state(new)
            self._state = new


def _summary(slot: int):
    try:
        contents = store.load_slot(slot)
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
