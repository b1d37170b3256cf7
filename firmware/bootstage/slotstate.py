"""Which slot to start: the decisions of the boot stage, without any I/O.

The words are MCUboot's. The *active* slot is the confirmed one. A *pending* slot is started once on
*trial* at the next boot; it is then *confirmed*, or the boot after that *reverts* to the active
slot. *Permanent* means pending and confirmed as soon as it is started. A slot is *proven* once what
it holds was confirmed, and *failed* once a trial of it was reverted: when the active slot does not
keep running, a proven slot takes its place, any other that has not failed gets one trial.

A state is a dict with FIELDS. Every function takes one and returns a new one; the caller writes it
to flash before it acts on it, so that a power cut finds either the old state or the new one.
"""

from binascii import crc32

SLOTS = 2

# Stops in a row (exception, watchdog) of the confirmed application before the other slot is taken.
MAX_STOPS = 5
# Stops after which neither slot has kept running: the application is asked to run its safe mode.
SAFE_STOPS = 2 * MAX_STOPS
# Reasons are for a person to read over a slow bus.
MAX_REASON = 160

FIELDS = (
    "active",  # the confirmed slot, 0 or 1
    "pending",  # slot to start on trial at the next boot, or -1
    "permanent",  # 1: the pending slot is confirmed as soon as it is started
    "trial",  # slot that was started on trial and is not confirmed yet, or -1
    "proven",  # bit n: what slot n holds was confirmed at some time
    "failed",  # bit n: a trial of what slot n holds was reverted, and nobody marked it again
    "told",  # 1: the application has written down that it reverted
    "stops",  # stops in a row of the confirmed application
    "counter",  # security counter: the lowest an image may carry
    "safe",  # stops that led to safe mode, 0 while the application runs as a whole
    "why",  # why the running trial gave up, "" while it has not
    "reverted",  # why the slot wanted last is not the one that runs, or ""
)
_LIMITS = (1, 1, 1, 1, 3, 3, 1, 1_000_000, 0x7FFFFFFF, 1_000_000)
_STOPS = FIELDS.index("stops")


def fresh(active: int = 0, counter: int = 0) -> dict:
    """The state of a node straight from the factory: `active` confirmed, nothing under way."""
    return {
        "active": active,
        "pending": -1,
        "permanent": 0,
        "trial": -1,
        "proven": 1 << active,
        "failed": 0,
        "told": 0,
        "stops": 0,
        "counter": counter,
        "safe": 0,
        "why": "",
        "reverted": "",
    }


def check(state: dict) -> int:
    """CRC-32 over the fields in their order, so that a rotten state file is noticed."""
    return crc32("|".join([str(state[name]) for name in FIELDS]).encode())


def validated(state) -> dict:
    """The state out of a decoded state file (fields and "check"); ValueError says what is wrong."""
    if not isinstance(state, dict):
        raise ValueError("state: expected a map, got %r" % (state,))
    out = {}
    for index, name in enumerate(FIELDS):
        value = state.get(name)
        if index >= len(_LIMITS):
            if not isinstance(value, str):
                raise ValueError("state: expected text for %s, got %r" % (name, value))
        elif not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("state: expected an integer for %s, got %r" % (name, value))
        else:
            low = -1 if name in ("pending", "trial") else 0
            if not low <= value <= _LIMITS[index]:
                raise ValueError("state: %s is %d, at most %d" % (name, value, _LIMITS[index]))
        out[name] = value
    if state.get("check") != check(out):
        raise ValueError("state: the check does not fit")
    return out


def rebuilt(summaries: list, known: int, counter: int) -> dict:
    """A state for a node whose state file is lost.

    summaries: per slot (security counter, version text) or None where there is nothing;
    known: the active slot by the copy in NVS, -1 when that is lost too; counter: the lowest
    acceptable security counter by that copy. Without `known`, the slot with the lower version is
    taken: it is the one that was there before the other was brought, so it was confirmed once.
    """
    if known in (0, 1) and summaries[known] is not None:
        return fresh(known, max(counter, summaries[known][0]))
    best = None
    for slot, summary in enumerate(summaries):
        if summary is None:
            continue
        key = (summary[0] < counter, version_key(summary[1]), slot)
        if best is None or key < best:
            best = key
    if best is None:
        return fresh(0, counter)
    return fresh(best[2], max(counter, summaries[best[2]][0]))


def version_key(text: str) -> tuple:
    """Numbers of a version text such as "1.2.3" in order; what is no number counts as 0."""
    return tuple([int(part) if part.isdigit() else 0 for part in text.split(".")[:4]])


def mark_pending(state: dict, slot: int, permanent: bool) -> dict:
    """`slot` is started at the next boot: on trial, or for good when `permanent`."""
    if not 0 <= slot < SLOTS:
        raise ValueError("slot: expected 0 or 1, got %r" % (slot,))
    new = dict(state)
    new["pending"] = slot
    new["permanent"] = 1 if permanent else 0
    new["failed"] &= ~(1 << slot) & 3
    new["reverted"] = ""
    return new


def released(state: dict, slot: int) -> dict:
    """What `slot` holds is about to be replaced: it is no longer pending, proven, failed.

    ValueError for a slot that the node depends on.
    """
    if slot == state["active"] or slot == state["trial"]:
        raise ValueError("slot %d is in use" % slot)
    new = dict(state)
    if new["pending"] == slot:
        new["pending"] = -1
        new["permanent"] = 0
    new["proven"] &= ~(1 << slot) & 3
    new["failed"] &= ~(1 << slot) & 3
    return new


def confirm(state: dict, slot: int, counter: int, safe: bool = False) -> dict:
    """The running application of `slot` is good; `counter` is its image's security counter.

    safe: only as far as safe mode goes, which proves nothing of the rest: safe mode stays.
    """
    new = dict(state)
    if new["trial"] == slot or new["active"] != slot:
        new["reverted"] = ""
    if new["trial"] == slot:
        new["trial"] = -1
    new["active"] = slot
    new["proven"] |= 1 << slot
    new["failed"] &= ~(1 << slot) & 3
    if not safe:
        new["stops"] = 0
        new["safe"] = 0
    new["why"] = ""
    if counter > new["counter"]:
        new["counter"] = counter
    return new


def leave_safe(state: dict) -> dict:
    """The next start runs the whole application; two more stops lead back to safe mode."""
    new = dict(state)
    new["safe"] = 0
    new["stops"] = SAFE_STOPS - 2
    return new


def give_up(state: dict, why: str) -> dict:
    """The trial says why it is going to end unconfirmed; the next boot reverts."""
    new = dict(state)
    new["why"] = why[:MAX_REASON]
    return new


def told(state: dict) -> dict:
    """The application has written down why the slot wanted last does not run."""
    new = dict(state)
    new["told"] = 1
    return new


def choose(state: dict, problem, cause: str = "", stop: bool = False) -> tuple:
    """(new state, slot or None, on trial) at a boot.

    problem: called with a slot, answers "" when it can be started, else what is wrong with it;
    cause: what reset the node, in words; stop: a stop that nobody counted: watchdog or panic.
    None means that no slot can be started; the state is then as it was.
    """
    new = dict(state)
    if new["trial"] >= 0:
        why = new["why"] or ("reset by %s" % cause if cause else "")
        _revert(new, _reason("not confirmed within its trial", why))
    elif stop:
        new = _count_stop(new, cause, problem)
    pending = new["pending"]
    if pending >= 0:
        permanent = new["permanent"]
        new["pending"] = -1
        new["permanent"] = 0
        wrong = problem(pending)
        if wrong:
            _report(new, _reason("slot %d damaged" % pending, wrong))
        elif permanent or pending == new["active"]:
            new["active"] = pending
            new["proven"] |= 1 << pending
            new["stops"] = 0
            new["safe"] = 0
            return new, pending, False
        else:
            new["trial"] = pending
            return new, pending, True
    active = new["active"]
    wrong = problem(active)
    if not wrong:
        return new, active, False
    other = 1 - active
    # Whether it is proven or not: nothing else is left that could light the street by a program.
    if problem(other):
        return dict(state), None, False
    new["active"] = other
    new["stops"] = 0
    _report(new, _reason("slot %d damaged" % active, wrong))
    return new, other, False


def without_trial(state: dict, problem) -> tuple:
    """As `choose`, for a boot whose trial could not be counted on flash: it is not started then."""
    new = dict(state)
    new["trial"] = -1
    _report(new, "the trial could not be written to flash")
    return choose(new, problem)


def stopped(state: dict, slot: int, text: str, problem) -> dict:
    """The application of `slot` ended with the exception `text`."""
    if state["trial"] == slot:
        new = dict(state)
        _revert(new, _reason("application stopped", text))
        return new
    return _count_stop(dict(state), "application stopped: " + text, problem)


def pause(state: dict) -> int:
    """Seconds to wait before the next start, so that a crash loop does not wear the flash out."""
    return 1 << min(state["stops"], 6)


def _count_stop(new: dict, text: str, problem) -> dict:
    """One more stop of the active slot. After MAX_STOPS the other is taken, if it is fit for that.

    Proven: it is active from here on. Neither proven nor failed, and nothing else is marked: it is
    pending, so that the next choice starts it on trial, once. Failed: the active one goes on.
    Safe mode is what is left once there is no other to take, or the other had its turn.
    """
    new["stops"] = min(new["stops"] + 1, _LIMITS[_STOPS])
    other = 1 - new["active"]
    proven = new["proven"] & 1 << other
    barred = new["failed"] & 1 << other or new["pending"] >= 0
    # The count goes on after a change of slot: the pause grows while neither of them runs.
    if new["stops"] % MAX_STOPS:
        return new
    alone = (not proven and barred) or problem(other)
    if (alone or new["stops"] >= SAFE_STOPS) and not new["safe"]:
        new["safe"] = new["stops"]
    if alone:
        return new
    _report(new, _reason("slot %d stopped %d times in a row" % (new["active"], MAX_STOPS), text))
    if proven:
        new["active"] = other
    else:
        new["pending"] = other
        new["permanent"] = 0
    return new


def _revert(new: dict, why: str) -> None:
    """The trial under way has failed."""
    new["failed"] |= 1 << new["trial"]
    new["trial"] = -1
    new["why"] = ""
    _report(new, why)


def _report(new: dict, why: str) -> None:
    new["reverted"] = why
    new["told"] = 0


def _reason(what: str, detail: str) -> str:
    return ("%s: %s" % (what, detail) if detail else what)[:MAX_REASON]
