"""What the parts tell, as EVENT records of the log."""

from protocol import messages, records

from .update.refusal import DELTA, DELTA_BASE

# Steps below this keep the clock right and are not worth a record, nor are more than one an hour.
_STEP_WORTH_TELLING = 60
_STEP_PAUSE = 3600


class Events:
    """Listens to clock, settings, update manager and server, and writes down what happens.

    boot: the boot stage's object. A reverted update is told once, at the start after it.
    """

    def __init__(self, log, boot, manager):
        self._log = log
        self._boot = boot
        self._manager = manager
        self._state = manager.state
        self._trial = boot.trial
        self._refusal = ""
        # How often each (code, value) of an update came since anything else was told.
        self._repeats = {}
        # Uptime in s from which on a step of the clock is told again.
        self._step_due = 0

    def start(self):
        """Tell what the boot stage found."""
        if not self._boot.reverted or self._boot.reverted_told:
            return
        if self._log.append(records.EVENT, records.EVENT_UPDATE_REVERTED, self._boot.slot):
            self._boot.tell_reverted()

    def clock_stepped(self, step, uptime, first):
        """For `Clock.on_step`."""
        if first:
            self._tell(records.EVENT_CLOCK_SET, uptime)
        elif abs(step) >= _STEP_WORTH_TELLING and uptime >= self._step_due:
            self._step_due = uptime + _STEP_PAUSE
            self._tell(records.EVENT_CLOCK_STEPPED, step)

    def configured(self, applied, version):
        """For `Settings.on_change`."""
        code = records.EVENT_CONFIGURATION_REFUSED
        if applied:
            code = records.EVENT_CONFIGURATION_APPLIED
        self._tell(code, version)

    def lamp_event(self, code, level):
        """For `Lamp.on_event`."""
        self._tell(code, level)

    def lamp_changed(self, level, reason, wanted):
        """For `Lamp.on_change`."""
        self._repeats.clear()
        self._log.append(records.LAMP, level, reason, wanted)

    def replay_refused(self, count):
        """For `Server.on_replay`."""
        self._log.append(records.EVENT, records.EVENT_REPLAY_REFUSED, count)

    def key_changed(self, key_id):
        """For `Server.on_key`."""
        self._tell(records.EVENT_KEY_CHANGED, key_id)

    def update_changed(self):
        """For `UpdateManager.on_change`, which is also called when nothing of note changed."""
        manager = self._manager
        state = manager.state
        if state != self._state:
            self._state = state
            if state == messages.UPDATE_READY:
                self._tell_update(records.EVENT_UPDATE_VERIFIED, self._idle_counter())
                if manager.taken:
                    self._tell_update(records.EVENT_MULTICAST_TAKEN, manager.taken)
        refusal = manager.reason if manager.code else ""
        if refusal != self._refusal:
            self._refusal = refusal
            if refusal:
                code = records.EVENT_UPDATE_REFUSED
                if manager.code in (DELTA_BASE, DELTA):
                    code = records.EVENT_DELTA_REFUSED  # for the gateway: send the whole image
                self._tell_update(code, manager.code)
        if self._trial and not self._boot.trial:
            self._tell_update(records.EVENT_UPDATE_CONFIRMED, self._boot.slot)
        self._trial = self._boot.trial

    def _tell(self, code, value):
        self._repeats.clear()
        self._log.append(records.EVENT, code, value)

    def _tell_update(self, code, value):
        # Doubling, since an upload needs no seal: who sends bad images for a night does not fill
        # the log. Nor does who sends two kinds of them in turn, or bad ones and good ones.
        key = (code, value)
        count = self._repeats.get(key, 0) + 1
        self._repeats[key] = count
        if count & (count - 1) == 0:
            self._log.append(records.EVENT, code, value)

    def _idle_counter(self):
        slot = self._boot.slots()[self._boot.idle_slot]
        return slot["security_counter"] if slot else 0
