"""DALI-2 control gear (IEC 62386-101 and -102) on a bus, met at the level of its waveform.

The decoder here looks at the level in the middle of half bits, which is another way than the
node's, and its rates of error are its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulators.parts.luminaire import FULL_DUTY

BIT_US = 10_000 / 12
_TOLERANCE = 0.1
_SETTLING_US = 13_500 * (1 - _TOLERANCE)
_TWICE_US = 100_000
_ANSWER_AFTER_US = 7_000
_LISTENS_S = 0.35
_STARTS_S = 0.6
_SYSTEM_FAILURE_S = 0.5
_REMEMBERED = 1000
MASK = 255
YES = 255

# Commands that count only when they come twice.
_TWICE = {0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x80}


@dataclass(frozen=True)
class Frame:
    """A forward frame: its 16 bits, and when it began and its last edge came, in us."""

    value: int
    begins: float
    ends: float


def levels(lengths: Sequence[int]) -> list[tuple[float, int]]:
    """Edges (us, level after it) of a transmission that begins low; the bus is high after it."""
    edges: list[tuple[float, int]] = []
    at, level = 0.0, 0
    for length in lengths:
        edges.append((at, level))
        at += length
        level ^= 1
    if level:
        edges.append((at, 1))
    return edges


def frames(edges: Sequence[tuple[float, int]], bits: int = 16) -> tuple[list[Frame], list[str]]:
    """The frames of a waveform, and what of it is against the standard."""
    found: list[Frame] = []
    faults: list[str] = []

    def level(at: float) -> int:
        return next((one for when, one in reversed(edges) if when <= at), 1)

    begins = 0.0
    while True:
        start = next((when for when, one in edges if one == 0 and when >= begins), None)
        if start is None:
            return found, faults
        value, middle, good = 0, start + BIT_US / 2, True
        for _ in range(bits + 1):
            before, after = level(middle - BIT_US / 4), level(middle + BIT_US / 4)
            if before == after:
                good = False
                break
            turns = [
                when for when, one in edges if one == after and abs(when - middle) < BIT_US / 4
            ]
            if not turns or abs(turns[0] - middle) > BIT_US / 2 * _TOLERANCE:
                faults.append(f"a bit turns {turns} us, expected {middle:.0f}")
            value = value << 1 | after
            middle = (turns[0] if turns else middle) + BIT_US
        last = max(when for when, _ in edges if when <= middle)
        if not good or not value >> bits or level(middle + BIT_US / 2) != 1:
            faults.append(f"no frame at {start:.0f} us")
        else:
            if found and start - found[-1].ends < _SETTLING_US:
                faults.append(f"only {start - found[-1].ends:.0f} us after the frame before")
            found.append(Frame(value & (1 << bits) - 1, start, last))
        begins = last + BIT_US


def answer_edges(value: int, begins: float, stretch: float = 1.0) -> list[float]:
    """Times in us of the edges of a backward frame."""
    half = BIT_US / 2 * stretch
    times: list[float] = []
    now = 1
    for index, bit in enumerate([1, *((value >> shift) & 1 for shift in range(7, -1, -1))]):
        for part, one in enumerate((1 - bit, bit)):
            if one != now:
                times.append(begins + (2 * index + part) * half)
                now = one
    if not now:
        times.append(begins + 18 * half)
    return times


@dataclass
class Gear:
    """Control gear with one lamp.

    Attributes:
        short_address: 0..63, None while it was given none.
        machine: machine seconds.
        dim: told the duty, 0..65535, that its light has.
        power_on_level: likewise system_failure_level; from the factory 254.
        fade_time: code 0..15; extended_fade_time: 0 for none.
        lamp_failed: its lamp gives no light.
        failed: it reports itself faulty.
        absent: a broken wire.
        mute: it hears and does not answer.
        stretch: of the time of its answers.
        stored: how often it wrote its memory.
        faults: what it met on the bus that is against the standard.
    """

    machine: Callable[[], float]
    dim: Callable[[int], None] = lambda _: None
    short_address: int | None = None
    power_on_level: int = 254
    system_failure_level: int = 254
    fade_time: int = 0
    extended_fade_time: int = 0
    fade_rate: int = 7
    minimum: int = 1
    lamp_failed: bool = False
    failed: bool = False
    absent: bool = False
    mute: bool = False
    stretch: float = 1.0
    stored: int = 0
    faults: list[str] = field(default_factory=list[str])
    heard: list[int] = field(default_factory=list[int])
    _level: int = 0
    _dtr0: int = 0
    _powered_at: float | None = None
    _started: bool = False
    _bus_low_since: float | None = None
    _first: tuple[int, float] | None = None
    _last_end: float = -1e12

    def power(self, on: bool) -> None:
        """Its mains."""
        if on and self._powered_at is None:
            self._powered_at = self.machine()
            self._started = False
        elif not on:
            self._powered_at = None
            self._set(0)

    def bus_power(self, on: bool) -> None:
        """The power of the bus."""
        self.level  # noqa: B018 - what was due until now
        self._bus_low_since = None if on else self.machine()

    @property
    def level(self) -> int:
        """Arc power level now."""
        now = self.machine()
        if self._powered_at is None:
            return 0
        if not self._started and now - self._powered_at >= _STARTS_S:
            self._started = True
            self._set(self.power_on_level)
        if self._bus_low_since is not None and now - self._bus_low_since >= _SYSTEM_FAILURE_S:
            self._set(self.system_failure_level)
        return self._level

    def transmit(self, lengths: Sequence[int]) -> list[float]:
        """Hear what a master sends now; the edges of the answer, in us since it began, or none."""
        self.level  # noqa: B018 - what was due until now
        deaf = (
            self.absent
            or self._powered_at is None
            or self.machine() - self._powered_at < _LISTENS_S
            or self._bus_low_since is not None
        )
        found, faults = frames(levels(lengths))
        began = self.machine() * 1e6
        if found and began + found[0].begins - self._last_end < _SETTLING_US:
            faults.append("a frame came too early")
        if found:
            self._last_end = began + found[-1].ends
        self.faults += faults
        if deaf:
            return []
        answer: int | None = None
        for frame in found:
            answer = self._obey(frame.value, began + frame.begins)
        if answer is None or self.mute:
            return []
        return answer_edges(answer, found[-1].ends + _ANSWER_AFTER_US, self.stretch)

    def _obey(self, value: int, at: float) -> int | None:
        self.heard.append(value)
        del self.heard[:-_REMEMBERED]
        first, self._first = self._first, (value, at)
        address, data = value >> 8, value & 0xFF
        if address == 0xA3:
            self._dtr0 = data
            return None
        mine = address >> 1 == 0x7F or (
            self.short_address is not None and address >> 1 == self.short_address
        )
        if not mine:
            return None
        if not address & 1:
            if data != MASK:
                self._set(data)
            return None
        if data in _TWICE:
            if first is not None and first[0] == value and at - first[1] <= _TWICE_US:
                self._store(data)
                self._first = None
            return None
        return self._command(data)

    def _command(self, data: int) -> int | None:
        if data == 0x00:
            self._set(0)
        elif data == 0x05:
            self._set(254)
        status = (
            self.failed
            | self.lamp_failed << 1
            | bool(self._level) << 2
            | (self.short_address is None) << 6
        )
        answers = {
            0x90: status,
            0x91: YES,
            0x92: YES if self.lamp_failed else None,
            0xA0: self._level,
            0xA3: self.power_on_level,
            0xA4: self.system_failure_level,
            0xA5: self.fade_time << 4 | self.fade_rate,
            0xA8: self.extended_fade_time,
        }
        return answers.get(data)

    def _store(self, command: int) -> None:
        self.stored += 1
        if command == 0x2C:
            self.system_failure_level = self._dtr0
        elif command == 0x2D:
            self.power_on_level = self._dtr0
        elif command == 0x2E:
            self.fade_time = min(15, self._dtr0)
        elif command == 0x30:
            self.extended_fade_time = self._dtr0

    def _set(self, level: int) -> None:
        self._started = True
        self._level = level if not level else max(self.minimum, level)
        self.dim(duty(self._level))


def duty(level: int) -> int:
    """The light of an arc power level as a duty of 65535: the formula of IEC 62386-102."""
    if not level:
        return 0
    return round(FULL_DUTY * 10 ** ((level - 1) / (253 / 3) - 1) / 100)
