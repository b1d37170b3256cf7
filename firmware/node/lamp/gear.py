"""DALI-2 control gear as the lamp's output: the arc power level as frames on a bus.

IEC 62386-102. Its dimming curve is the one of `dali`, so an arc power level is sent as it is. The
gear is told to fade by itself in no time, since our ramps rule, and to go to full light when it
gets its power and when the bus dies: whatever fails here leaves light on.
"""

import asyncio
import time

from . import dali, dalibus

# Commands, both without a fade whatever the gear was set to, and questions.
OFF = 0x00
RECALL_MAX_LEVEL = 0x05
QUERY_STATUS = 0x90
QUERY_GEAR_PRESENT = 0x91
QUERY_LAMP_FAILURE = 0x92
QUERY_ACTUAL_LEVEL = 0xA0
_BROADCAST = 0x7F  # as a short address
_DTR0 = 0xA3  # address byte of the special command that sets DTR0
_MASK = 255

# What the gear has to keep: question, command that stores DTR0 (sent twice), value, its bits.
_SETUP = (
    b"\xa5\x2e\x00\xf0"  # fade time: none
    b"\xa8\x30\x00\x7f"  # extended fade time: none
    b"\xa3\x2d\xfe\xff"  # power on level: 254
    b"\xa4\x2c\xfe\xff"  # system failure level: 254
)
_WATCHED = (QUERY_GEAR_PRESENT, QUERY_LAMP_FAILURE, QUERY_ACTUAL_LEVEL, QUERY_STATUS)
_TRIES = 3

# All in ms of machine time. A frame with settling is 27.7 ms; with its answer 48.4 ms; two of a
# command sent twice 56.9 ms. Ticks are a ms coarse.
_FRAME_MS = 29
_ASK_MS = 50
_TWICE_MS = 59
_WATCH_MS = 1000
_REFRESH_MS = 10000
# From its power on a gear takes up to 450 ms to listen, and at 600 ms goes to its power on level
# unless told another: so long it is told again and again.
_STARTING_MS = 1000
_STARTING_PACE_MS = 60
_BUS_DOWN_MS = 500  # low for so long is a system failure to the gear too
_RETRY_MS = 200

_BUSY_PACE_MS = 5
_IDLE_PACE_MS = 50


class DaliOutput:
    """Drives the gear of one lamppost; the relay that feeds it is as in `Output`.

    line: a `dalibus.Line`. relay: a `machine.Pin`, 1 = on. address: the gear's short address 0..63,
    or None for all that is on the bus. On and full from construction.

    lamp_failure: whether the gear reports a lamp that gives no light, None while that is not known.
    present: whether gear answers, likewise. level: arc power level by the gear itself, None while
    not known. gear_failure: the gear reports itself faulty. bus_down: the bus has no power.
    """

    def __init__(self, line, relay, address=None):
        self._line = line
        self._relay = relay
        self._address = (_BROADCAST if address is None else address) << 1
        self._full = dalibus.encode(self._command(RECALL_MAX_LEVEL))
        self.lamp_failure = None
        self.gear_failure = None
        self.present = None
        self.level = None
        self.bus_down = False
        self.failures = 0  # of the port, to send
        self.corrupt = 0  # answers that were none
        now = time.ticks_ms()
        self._arc = dali.FULL
        self._sent = -1  # level handed over last, -1 when it has to be sent whatever it was
        self._due = now  # when the next frame may begin
        self._sent_at = now
        self._watch_at = now
        self._asked = 0  # question that waits for its answer, 0 for none
        self._watching = 0
        self._yes = 0  # in a row: lamp failures, and answers missed
        self._no = 0
        self._missed = 0
        self._setup = 0  # entry of _SETUP, beyond its end when all is as it should be
        self._step = 0  # 0 ask, 1 set DTR0, 2 store
        self._tries = 0
        self._written = 0  # bit per entry: the gear's memory wears, each is stored once
        self._low_since = None
        self._feed(now)
        self.arc = dali.FULL

    def full(self):
        """Full light whatever is believed of the gear; what cannot be sent now is sent by `run`."""
        now = time.ticks_ms()
        self._arc = dali.FULL
        self._feed(now)
        self._asked = 0
        if self._ready(now):
            self._hand_over(self._full, now, _FRAME_MS, False)

    @property
    def arc(self):
        """DALI arc power level wanted, 0..254; setting it sends it as soon as the bus is free.

        What is set before that takes its place: the bus takes 34 levels a second at most.
        """
        return self._arc

    @arc.setter
    def arc(self, arc):
        now = time.ticks_ms()
        self._arc = arc = max(0, min(dali.FULL, arc))
        if arc and not self._fed:
            self._feed(now)
        if arc != self._sent and self._ready(now):
            self._settle()
            self._send_level(now)

    @property
    def failed(self):
        """Whether the gear reports that it, or its lamp, has failed; None while that is unknown."""
        return self.gear_failure or self.lamp_failure

    async def run(self, check_in):
        """Send what could not be sent at once, keep the gear set up, and ask how it is."""
        while True:
            check_in()
            busy = self.step(time.ticks_ms())
            await asyncio.sleep_ms(_BUSY_PACE_MS if busy else _IDLE_PACE_MS)

    def step(self, now):
        """Do what is due at `now` (ticks); whether more is to be done within milliseconds."""
        if not self._ready(now):
            return True
        self._due = now  # it stays in reach of ticks, however long nothing is sent
        self._settle()
        dead = self._bus_dead(now)
        if self._step != 2 and self._level_due(now):
            # On a bus that seems dead too: perhaps only our receiver is.
            self._send_level(now)
            return True
        if not self._fed:
            return False
        if not self._arc:
            # Its 0 has been sent, and by now taken.
            self._relay.value(0)
            self._fed = False
            self._setup = 0
            self._step = self._tries = 0
            return False
        if dead:
            return False
        if self._starting:
            return True
        if self._setup < len(_SETUP):
            self._set_up(now)
            return True
        if time.ticks_diff(now, self._watch_at) >= 0:
            self._watch_at = time.ticks_add(now, _WATCH_MS)
            self._ask(_WATCHED[self._watching], now)
            self._watching = (self._watching + 1) % len(_WATCHED)
            return True
        return False

    def _feed(self, now):
        """Close the relay, or make sure of it; the gear may start only now."""
        self._relay.value(1)
        self._fed = True
        self._fed_at = self._watch_at = now
        self._starting = True
        self._sent = -1

    def _settle(self):
        """Take what the question asked last was answered: its time is over."""
        if self._asked:
            asked = self._asked
            self._asked = 0
            self._take(asked, self._line.answer())

    def _ready(self, now):
        return time.ticks_diff(now, self._due) >= 0 and self._line.idle()

    def _bus_dead(self, now):
        """Whether the bus has been low for too long, in which nothing can be said."""
        if self._line.high():
            self._low_since = None
            if self.bus_down:
                self.bus_down = False
                self._sent = -1  # the gear is at its system failure level
                self._setup = self._step = self._tries = 0
            return False
        if self._low_since is None:
            self._low_since = now
        if time.ticks_diff(now, self._low_since) >= _BUS_DOWN_MS and not self.bus_down:
            self.bus_down = True
            self._forget()
        return True

    def _forget(self):
        self.lamp_failure = self.gear_failure = self.level = None
        self._yes = self._no = 0

    def _level_due(self, now):
        if self._arc != self._sent:
            return True
        if not self._fed:
            return False
        since = time.ticks_diff(now, self._sent_at)
        if self._starting:
            self._starting = time.ticks_diff(now, self._fed_at) < _STARTING_MS
            return since >= _STARTING_PACE_MS
        return since >= _REFRESH_MS

    def _send_level(self, now):
        arc = self._arc
        if arc == dali.FULL:
            lengths = self._full
        else:
            lengths = dalibus.encode(self._address << 8 | arc if arc else self._command(OFF))
        if self._hand_over(lengths, now, _FRAME_MS, False):
            self._sent = arc
            self._sent_at = now

    def _hand_over(self, lengths, now, takes, listen):
        """Give a frame to the line; False when it could not be."""
        try:
            self._line.send(lengths, listen)
        except (OSError, MemoryError):
            self.failures += 1
            self._due = time.ticks_add(now, _RETRY_MS)
            return False
        self._due = time.ticks_add(now, takes)
        return True

    def _command(self, code):
        return (self._address | 1) << 8 | code

    def _ask(self, question, now):
        if self._hand_over(dalibus.encode(self._command(question)), now, _ASK_MS, True):
            self._asked = question

    def _set_up(self, now):
        """The next step of the entry of _SETUP that is being looked after."""
        at = self._setup
        if self._step == 0:
            self._ask(_SETUP[at], now)
        elif self._step == 1:
            frame = _DTR0 << 8 | _SETUP[at + 2]
            if self._hand_over(dalibus.encode(frame), now, _FRAME_MS, False):
                self._step = 2
        elif self._hand_over(
            dalibus.encode(self._command(_SETUP[at + 1]), True), now, _TWICE_MS, False
        ):
            self._written |= 1 << at // 4
            self._step = 0
            self._tries = 0

    def _set_up_answered(self, answer):
        at = self._setup
        matches = (
            answer is not None and answer >= 0 and not (answer ^ _SETUP[at + 2]) & _SETUP[at + 3]
        )
        self._tries += 1
        written = self._written >> at // 4 & 1
        if matches or (written and self._tries >= _TRIES):
            self._setup += 4
            self._tries = 0
        elif not written and (self._tries >= _TRIES or (answer is not None and answer >= 0)):
            # It is otherwise, or cannot say: several answer at once, or only our receiver is dead.
            self._step = 1

    def _take(self, asked, answer):
        """What `asked` was answered: 0..255, CORRUPT, or None for nothing."""
        if answer == dalibus.CORRUPT:
            self.corrupt += 1
        if self._setup < len(_SETUP):
            self._set_up_answered(answer)
            return
        # A yes of several that answer together reads as anything.
        yes = answer is not None
        if asked == QUERY_GEAR_PRESENT:
            self._missed = 0 if yes else self._missed + 1
            if yes:
                if self.present is False:
                    # It is back, perhaps another one, and at its power on level.
                    self._sent = -1
                    self._setup = self._tries = self._written = 0
                self.present = True
            elif self._missed >= _TRIES:
                self.present = False
                self._forget()
        elif asked == QUERY_LAMP_FAILURE and not self._missed:
            self._yes = self._yes + 1 if yes else 0
            self._no = 0 if yes else self._no + 1
            if self._yes >= 2:
                self.lamp_failure = True
            elif self._no >= 2 and self.present:
                self.lamp_failure = False
        elif asked == QUERY_ACTUAL_LEVEL and yes and answer >= 0:
            self.level = None if answer == _MASK else answer
            if answer not in (self._sent, _MASK):
                self._sent = -1
        elif asked == QUERY_STATUS and yes and answer >= 0:
            self.gear_failure = bool(answer & 1)
