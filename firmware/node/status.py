"""What STATUS says of a node, the number that changes when it does, and its records."""

import asyncio
import gc

from protocol import messages, records

_NO_HASH = bytes(32)
_MAX_TEXT = 160
# Between two looks at the heap.
_PACE_MS = 1000


class Status:
    """Gathers the node's state from its parts, each asked when it is needed.

    identity: dict of `identity.load`. boot: the boot stage's object. supervisor: `.restarts`.
    """

    def __init__(self, identity, boot, clock, log, lamp, settings, manager, supervisor):
        self._identity = identity
        self._boot = boot
        self._clock = clock
        self._log = log
        self._lamp = lamp
        self._settings = settings
        self._manager = manager
        self._supervisor = supervisor
        # Starts from the epoch, so that no two starts share a generation.
        self._generation = log.epoch << 12 & 0xFFFFFFFF
        self._seen = None
        # A `links.choice.Choice` where there are several links to choose from, and the links.
        self.choice = None
        self.links = {}

    @property
    def version(self) -> str:
        """Version of the running application, "0.0.0" when its slot does not say."""
        return _running(self._boot).get("version", "0.0.0")

    @property
    def address(self) -> int:
        """Bus address of the node."""
        return self._identity["address"]

    def identity(self) -> dict:
        """The IDENTIFY reply."""
        identity = self._identity
        return messages.identify_reply(
            identity["id"], identity["board"], self.version, identity["address"]
        )

    def generation(self) -> int:
        """Counts the changes of what a gateway would want to read STATUS for."""
        manager = self._manager
        seen = (
            self._settings.digest,
            self._settings.version,
            manager.state,
            manager.reason,
            self._boot.trial,
            self._clock.is_set,
            self._supervisor.restarts,
            self._log.overwritten,
            self._link(),
            self._lamp.reason,
        )
        if seen != self._seen:
            self._seen = seen
            self._generation = (self._generation + 1) & 0xFFFFFFFF
        return self._generation

    def values(self) -> dict:
        """STATUS by the names of `messages.parse_status`."""
        boot = self._boot
        manager = self._manager
        return {
            "id": self._identity["id"],
            "board": self._identity["board"],
            "version": self.version,
            "slot": boot.slot,
            "hash": _running(boot).get("hash", _NO_HASH),
            "confirmed": not boot.trial,
            "security_counter": boot.security_counter(),
            "configuration_version": self._settings.version,
            "configuration_digest": self._settings.digest,
            "level": self._lamp.told,
            "reason": self._lamp.reason,
            "epoch": self._log.epoch,
            "next_sequence": self._log.next_seq,
            "uptime": self._clock.uptime(),
            "time": self._clock.now(),
            "update_state": manager.state,
            "update_offset": manager.offset,
            "update_reason": manager.reason[:_MAX_TEXT],
            "task_restarts": self._supervisor.restarts,
            "overwritten": self._log.overwritten,
            "generation": self.generation(),
            "link": self._link(),
            "link_reason": self._link_reason(),
            "safe_mode": boot.safe > 0,
        }

    def link_report(self) -> dict:
        """The LINKS reply."""
        import time

        now = time.ticks_ms()
        links = []
        for code in range(1, len(messages.LINK_NAMES)):
            name = messages.LINK_NAMES[code]
            link = self.links.get(name)
            if link is None:
                continue
            heard = None if self.choice is None else self.choice.heard_ago(name, now)
            links.append(
                (
                    code,
                    bool(getattr(link, "up", True)),
                    -1 if heard is None else heard,
                    link.rejected,
                    getattr(link, "answered", 0),
                    getattr(link, "rssi", 0),
                    getattr(link, "reason", ""),
                )
            )
        return messages.links_reply(self._link(), self._link_reason(), links)

    def _link(self):
        return self.choice.code if self.choice is not None else 1 if self.links else 0

    def _link_reason(self):
        return self.choice.reason if self.choice is not None else "it is the only one"


def _running(boot):
    return boot.slots()[boot.slot] or {}


def packed_version(text: str) -> int:
    """A version such as "1.2.3" as a BOOT record has it: major << 24 | minor << 16 | revision."""
    numbers = []
    for part in text.split("+")[0].split(".")[:3]:
        numbers.append(int(part) if part.isdigit() else 0)
    while len(numbers) < 3:
        numbers.append(0)
    return (numbers[0] & 0xFF) << 24 | (numbers[1] & 0xFF) << 16 | numbers[2] & 0xFFFF


class StatusRecorder:
    """The task that writes a STATUS record each status/period.

    rejected: called, answers the frames that the links refused so far.
    """

    def __init__(self, clock, log, settings, supervisor, rejected):
        self._clock = clock
        self._log = log
        self._settings = settings
        self._supervisor = supervisor
        self._rejected = rejected
        self._written = clock.uptime()
        self.heap_low = gc.mem_free()

    async def run(self, check_in):
        """Watch the heap, and write when the period is over."""
        while True:
            check_in()
            self.step()
            await asyncio.sleep_ms(_PACE_MS)

    def step(self):
        """Look once."""
        free = gc.mem_free()
        self.heap_low = min(self.heap_low, free)
        uptime = self._clock.uptime()
        if uptime - self._written < self._settings.values["status/period"]:
            return
        self._written = uptime
        # What a collection leaves, since garbage is no use of memory.
        gc.collect()
        self._log.append(
            records.STATUS,
            uptime,
            gc.mem_free(),
            self.heap_low,
            self._rejected(),
            self._supervisor.restarts,
            self._log.overwritten,
        )
