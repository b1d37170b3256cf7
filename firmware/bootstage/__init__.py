"""The boot stage: lamp on, flash mounted, a whole slot chosen, the application started.

It is burnt into the chip with the interpreter and never updated over the air, so it is small,
imports nothing of the application, and ends in one of two ways: the application runs, or the lamp
stays on while the console says what is needed.
"""

# Seconds between two looks at slots of which none could be started: a read may have been spoilt.
RETRY_S = 600
# Long enough for somebody at the console; once started, a watchdog cannot be stopped.
HOLD_WATCHDOG_MS = 300_000
# For the application to be imported and put together in; it arms a shorter one of its own.
START_WATCHDOG_MS = 60_000


def start(block_device, board_on, observer=None, rom=None) -> None:
    """Start the application; returns only in a test, where a reset does not end everything.

    block_device: of the littlefs, 4096-byte blocks; board_on: puts the lamp on; observer: handed
    to the application as it is; rom: (block device, memoryview of it) of a partition whose halves
    are the slots, None for slots that are folders on the littlefs.
    """
    try:
        board_on()
    except Exception as error:  # noqa: BLE001 - a lamp is on by its hardware too; go on
        _say("the lamp could not be put on", error)
    life = None
    notice = None
    boot = None
    while True:
        try:
            from . import store

            if life is None:
                life = _last_life()
            nvs = store.Nvs()
            if notice is None:
                notice = store.mount(block_device, nvs)
                if notice:
                    print("bootstage:", notice)
            boot = _choose(nvs, notice, _slots(rom), life)
        except Exception as error:  # noqa: BLE001 - nothing may end the boot stage
            _say("the flash cannot be used", error)
        if boot is not None:
            break
        _hold("no slot holds an application that can be started")
    _run(boot, observer)


def _last_life():
    """(crumb, `machine.reset_cause()`, what it really was, how the last life ended or "")."""
    import machine

    from . import crumb as crumbs

    rtc = None
    if hasattr(machine, "RTC"):
        rtc = machine.RTC()
    crumb = crumbs.Crumb(rtc)
    reset = machine.reset_cause()
    cause = crumbs.cause(crumb, reset)
    ended = ""
    if cause in (crumbs.WATCHDOG, crumbs.CRASH):
        ended = crumb.text or "%s after %d s" % (crumbs.CAUSES[cause], crumb.uptime)
    return crumb, reset, cause, ended


def _slots(rom):
    """The slot store of this build."""
    if rom is None:
        from .folders import Folders

        return Folders()
    from .halves import Halves

    return Halves(*rom)


def _choose(nvs, notice: str, slots, life):
    """A Boot for the slot to start, None when there is none. Persists before it returns."""
    from . import boot as boots
    from . import crumb as crumbs
    from . import slotstate, store

    crumb, reset, cause, ended = life
    problems = {}

    def problem(slot: int) -> str:
        if slot not in problems:
            problems[slot] = boots.problem(slots, slot)
            if problems[slot]:
                print("bootstage: slot", slot, "cannot be started:", problems[slot])
        return problems[slot]

    before = store.load_state()
    state = before or slotstate.rebuilt(
        [_brief(slots, problem, slot) for slot in range(slotstate.SLOTS)],
        nvs.number("active", -1),
        nvs.number("counter", 0),
    )
    new, slot, trial = slotstate.choose(
        state, problem, crumbs.CAUSES[cause], bool(ended) and not crumb.counted
    )
    if slot is None:
        return None
    if new != before:
        try:
            store.save_state(new)
        except OSError as error:
            _say("the state cannot be written", error)
            if trial:
                # Uncounted, it could be started for ever.
                new, slot, trial = slotstate.without_trial(new, problem)
                if slot is None:
                    return None
    if new["reverted"]:
        print("bootstage:", new["reverted"])
    boot = boots.Boot(new, slot, trial, reset, nvs, notice, slots, crumb, cause)
    if ended:
        boot.crash_found(ended)
    return boot


def _brief(slots, problem, slot: int):
    """(security counter, version) of a slot for a lost state, None when it cannot be started."""
    if problem(slot):
        return None
    head = slots.head(slot)
    return None if head is None else (head["counter"], head["version"])


def _run(boot, observer) -> None:
    """Run the application; when it ends, count that and reset."""
    import sys
    import time

    import machine

    print("bootstage: starting slot", boot.slot, "on trial" if boot.trial else "")
    if boot.safe:
        print("bootstage: in safe mode, after", boot.safe, "stops in a row")
    # Whatever hangs from here on ends in a reset, so that a trial reverts and a stop is counted.
    _feed(START_WATCHDOG_MS)
    boot.crumb.begin()
    try:
        sys.path.insert(0, boot.slots_store.enter(boot.slot))
        import node.app

        node.app.start(boot, observer)
        text = "it returned"
        boot.crumb.note(text)
    except Exception as error:  # noqa: BLE001 - whatever it is, the node has to start again
        sys.print_exception(error)
        text = "%s: %s" % (type(error).__name__, error)
        boot.crumb.note(_traceback(error) or text)
    pause = 10
    try:
        pause = boot.stopped(text)
        boot.crumb.count()
    except Exception as error:  # noqa: BLE001 - a full flash must not keep the node from starting
        _say("the stop cannot be counted", error)
    for _ in range(pause):
        time.sleep_ms(1000)
        _feed(60_000)
    machine.reset()


def _traceback(error) -> str:
    """The traceback as text, "" when there is no memory for it."""
    import io
    import sys

    try:
        text = io.StringIO()
        sys.print_exception(error, text)  # pyright: ignore - the stubs know no StringIO
        return text.getvalue()  # pyright: ignore
    except Exception:  # noqa: BLE001 - its first line is known all the same
        return ""


def _hold(what: str) -> None:
    """Keep the lamp on for RETRY_S, feeding the watchdog; the console says what is needed."""
    import time

    for second in range(RETRY_S):
        if second % 60 == 0:
            _say(what, "connect a computer here and flash the node again; the lamp stays on")
        _feed(HOLD_WATCHDOG_MS)
        time.sleep_ms(1000)


def _feed(timeout_ms: int) -> None:
    """Feed the watchdog; one that runs since before a soft reset would bite otherwise."""
    import machine

    try:
        machine.WDT(timeout=timeout_ms).feed()
    except Exception as error:  # noqa: BLE001 - without a watchdog there is nothing to feed
        _say("no watchdog", error)


def _say(what: str, detail) -> None:
    print("bootstage: %s: %s" % (what, detail))
