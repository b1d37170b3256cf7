"""The tasks that run beside the lamp: each with its factory, which imports what it needs itself.

A factory is called at each beginning of its task. What is not fitted or not configured costs
nothing: its task is not added, its module not imported.
"""

from . import parts
from .links import LIMIT_MS

# `machine.reset_cause()` of a chip that has just got its power.
_POWER_ON = 1


def add(node):
    """Add every task of a healthy node to its supervisor."""
    add_needed(node)
    supervise = node.supervisor.add
    supervise("counters", lambda: _counters(node))
    if parts.fitted(node.settings, "meter") != parts.NONE:
        supervise("energy", lambda: _energy(node))
    if parts.fitted(node.settings, "photocell") != parts.NONE:
        supervise("photocell", lambda: _photocell(node))
    _add_air(node)
    presence = parts.fitted(node.settings, "presence")
    if presence == parts.PIR_PAIR or presence == parts.LD2410:
        supervise("presence", lambda: _presence(node, presence))
    people = parts.fitted(node.settings, "people")
    if presence == parts.NONE or (presence == parts.COUNTER and people == parts.NONE):
        _watch_neighbours(node)
    if people != parts.NONE:
        supervise("people", lambda: _people(node))
    if node.settings.values["link/ble"]:
        supervise("ble", lambda: _ble(node), LIMIT_MS)
    if node.settings.values["link/lan"]:
        supervise("lan", lambda: _lan(node), LIMIT_MS)
    if node.settings.values["link/ble"] or node.settings.values["link/lan"]:
        supervise("choice", lambda: _choice(node))


def add_needed(node):
    """What safe mode has too: it can be spoken to, it takes an update, it says how it is."""
    supervise = node.supervisor.add
    supervise("bus", lambda: _bus(node), LIMIT_MS)
    supervise("console", lambda: _console(node), LIMIT_MS)
    supervise("trial", lambda: _trial(node))
    supervise("status", lambda: _recorder(node))
    supervise("memory", lambda: _memory(node))


def add_safe(node):
    """Add the tasks of safe mode."""
    add_needed(node)
    node.supervisor.add("safe mode", lambda: _safe_mode(node))


def _bus(node):
    from .links.bus import BusLink

    node.links["bus"] = BusLink(
        node.board.bus_uart(), node.server, node.identity["address"], node.lamp
    )
    return node.links["bus"]


def _console(node):
    import micropython

    from .links.console import ConsoleLink

    # Behind the closed door nobody is to reach the interpreter's prompt by a Ctrl-C.
    micropython.kbd_intr(3 if node.board.switch_closed() else -1)
    stdin, stdout = node.board.console()
    node.links["console"] = ConsoleLink(stdin, stdout, node.server)
    return node.links["console"]


def _ble(node):
    if "ble" in node.links:
        # The same one again: its memory, its counters and the newest values stay.
        return node.links["ble"]

    from binascii import hexlify

    from .links.ble import BleLink
    from .links.bthome import Adverts, Live

    live = Live(node.lamp)
    node.log.on_record = live.record
    adverts = Adverts(live, node.identity, node.boot.root + "/adverts", node.board.nvs())
    name = "lamp-" + hexlify(node.identity["id"][3:]).decode()
    node.links["ble"] = BleLink(node.board.radio(), node.server, node.settings, adverts, name)
    return node.links["ble"]


def _lan(node):
    if "lan" in node.links:
        # The same one again: its buffers and its counters stay.
        return node.links["lan"]

    from binascii import hexlify

    from protocol import lantopics

    from .links.lan import LanLink

    def station():
        from .links.lanwifi import Station

        return Station()

    def state():
        chosen = node.status.choice.code if node.status.choice is not None else 0
        return lantopics.online(node.status.version, node.log.epoch, chosen)

    node.links["lan"] = LanLink(
        hexlify(node.identity["id"]).decode(),
        node.network(),
        node.server,
        node.clock,
        lambda: node.settings.values["link/lan"],
        state,
        lambda: node.lamp.level == node.lamp.wanted,
        station,
    )
    return node.links["lan"]


def _choice(node):
    if node.status.choice is None:
        import time

        from protocol import records

        from .links.choice import Choice

        choice = Choice(
            lambda code: node.log.append(records.EVENT, records.EVENT_LINK_CHOSEN, code)
        )
        node.status.choice = choice
        node.server.on_sealed = lambda link: choice.heard(link, time.ticks_ms())
    return node.status.choice


def _photocell(node):
    from . import board
    from .lamp.photocell import Photocell, PhotocellReader

    guide = node.lamp.guide
    if guide.photocell is None:
        # The same one again: what it knows of dark and light outlives the task.
        guide.photocell = Photocell(node.settings)
    adc = node.board.photocell_adc()
    return PhotocellReader(
        adc, board.PHOTOCELL_CURVE, guide.photocell, node.clock, node.lamp, node.log
    )


def _trial(node):
    from .update.trial import Trial

    if node.trial is None:
        node.trial = Trial(
            node.manager,
            node.self_test,
            lambda: node.server.proven > 0,
            lambda: node.settings.values["update/confirm_timeout"],
        )
    # The same one again: its deadline counts from the start of the node.
    return node.trial


def _recorder(node):
    from .status import StatusRecorder

    return StatusRecorder(node.clock, node.log, node.settings, node.supervisor, node.rejected)


def _memory(node):
    from .memory import MemoryWatch

    return MemoryWatch(node.boot.root, node.clock, node.log, node.boot.crumb)


def _safe_mode(node):
    from .safemode import SafeMode

    return SafeMode(node.boot, node.clock, node.reset_after)


def _energy(node):
    from .samplers import meter
    from .samplers.energy import EnergySampler

    code = parts.fitted(node.settings, "meter")
    sampler = EnergySampler(
        meter.make(code, node.board),
        node.clock,
        node.log,
        node.settings,
        node.boot.root + "/energy",
        code,
        node.boot.reset_cause == _POWER_ON,
    )
    if node.monitor is None:
        from protocol import records

        from .lamp.monitor import Monitor

        # The same one for every meter task: a fault that was raised has to be cleared as well.
        node.monitor = Monitor(
            node.lamp,
            node.clock,
            node.settings,
            lambda *fault: node.log.append(records.FAULT, *fault),
        )
    sampler.on_sample = node.monitor.sample  # pyright: ignore
    return sampler


def _counters(node):
    guide = node.lamp.guide
    if guide.counters is None:
        from .lamp.counters import Counters

        # The same one again: what was counted since the last write stays.
        path = node.boot.root + "/burnt"
        guide.counters = Counters(
            node.lamp, node.clock, node.log, node.settings, path, node.board.nvs()
        )
    return guide.counters


def _watch_nobody():
    """Of the sensor that is about to be made: where that fails the lamp must not wait for it."""
    return False


def _presence(node, code):
    from .samplers import presence

    node.lamp.guide.watched = _watch_nobody
    sampler = presence.PresenceSampler(presence.make(code, node.board), node.lamp.seen, node.log)
    node.lamp.guide.watched = lambda: sampler.healthy
    return sampler


def _watch_neighbours(node):
    """Without a sensor of its own the lamp is told by neighbours, as long as the gateway speaks."""
    made = []

    def watched():
        if not made:
            from .lamp.presence import Neighbours

            made.append(Neighbours(lambda: node.server.proven))
        return made[0].watched()

    node.lamp.guide.watched = watched  # asked only while presence is configured


def _add_air(node):
    """Particulates, climate and gas: their factories share a part and what is known of the air."""
    names = [n for n in ("air", "climate", "gas") if parts.fitted(node.settings, n) != parts.NONE]
    if names:
        from .samplers.airparts import AirParts

        made = AirParts(node.board, node.clock, node.log, node.settings)
        for name in names:
            node.supervisor.add(name, getattr(made, name))


def _people(node):
    from .samplers.people import PeopleSampler

    counts = parts.fitted(node.settings, "presence") == parts.COUNTER
    if counts:
        node.lamp.guide.watched = _watch_nobody
    sampler = PeopleSampler(node.board.i2c(), node.clock, node.log, node.settings)
    if counts:
        sampler.seen = node.lamp.seen
        node.lamp.guide.watched = lambda: sampler.healthy
    return sampler
