"""The DALI output on a model of control gear that reads the waveform."""

from itertools import pairwise
from random import Random

import pytest

from firmware.node.lamp import dali, gear
from firmware.node.lamp.gear import DaliOutput
from simulators.parts.dali import Gear, duty


class Post:
    """A DALI output, its bus, gear and relay, in time that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, address: int | None = None) -> None:
        self.ms = 1000
        self.gear = Gear(lambda: self.ms / 1000)
        self.relay: list[int] = []
        self.sent: list[tuple[int, list[int]]] = []  # ms, levels
        self.bus_high = True
        self.broken = False
        self.answer_with: int | None = None
        self._answer: int | None = None
        monkeypatch.setattr(gear, "time", self)
        self.gear.power(True)
        self.output = DaliOutput(self, self, address)

    # `time`
    def ticks_ms(self) -> int:
        return self.ms

    @staticmethod
    def ticks_diff(later: int, earlier: int) -> int:
        return later - earlier

    @staticmethod
    def ticks_add(ticks: int, delta: int) -> int:
        return ticks + delta

    # the relay
    def value(self, level: int) -> None:
        self.relay.append(level)
        self.gear.power(bool(level))

    # the line
    def idle(self) -> bool:
        return not self.sent or self.ms >= self.sent[-1][0] + sum(self.sent[-1][1]) / 1000

    def high(self) -> bool:
        return self.bus_high

    def send(self, lengths: list[int], listen: bool) -> None:
        if self.broken:
            raise OSError(5)
        assert self.idle()
        self.sent.append((self.ms, list(lengths)))
        edges = self.gear.transmit(lengths)
        assert listen or not edges
        self._answer = None
        if edges:
            from firmware.node.lamp import dalibus

            times = [round(at) for at in edges]
            self._answer = dalibus.decode(times, len(times))

    def answer(self) -> int | None:
        return self._answer if self.answer_with is None else self.answer_with

    # the test
    def run(self, ms: int) -> None:
        """Let time pass as the output's own task spends it."""
        end = self.ms + ms
        while self.ms < end:
            self.ms += 5 if self.output.step(self.ms) else 50

    @property
    def light(self) -> int:
        return self.gear.level


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    return Post(monkeypatch)


def test_it_is_on_and_full_from_construction(post: Post) -> None:
    assert post.relay == [1]
    assert post.output.arc == dali.FULL
    post.run(700)
    assert post.light == 254


def test_every_level_reaches_the_gear_as_it_is(post: Post) -> None:
    post.run(3000)
    for arc in (1, 85, 170, 253, 254):
        post.output.arc = arc
        post.run(100)
        assert post.light == arc
        assert post.output.arc == arc
    assert post.gear.faults == []


def test_light_by_the_curve_is_that_of_the_pwm_output() -> None:
    for arc in range(255):
        assert abs(duty(arc) - dali.duty(arc)) <= 1


def test_a_ramp_sends_the_newest_level_as_fast_as_the_bus_takes_it(post: Post) -> None:
    post.run(3000)
    before = len(post.sent)
    began = post.ms
    for step in range(150):  # the lamp's task: 50 steps a second for 3 s
        post.output.arc = 254 - step
        post.ms += 20
        post.output.step(post.ms)
    post.run(60)
    assert post.light == 254 - 149
    assert post.gear.faults == []  # settling kept throughout
    frames = [at for at, _ in post.sent[before:]]
    assert min(b - a for a, b in pairwise(frames)) >= 28
    assert len(frames) * 1000 / (post.ms - began) <= 36
    assert len(frames) >= 60


def test_setting_a_level_never_waits(post: Post) -> None:
    for arc in range(254):
        post.output.arc = arc  # none of these advance time; `send` asserts the line is idle
    assert len(post.sent) <= 2


def test_a_level_set_is_sent_even_when_the_outputs_own_task_is_dead(post: Post) -> None:
    post.run(5000)  # some question may still wait for its answer
    for _ in range(20):
        post.ms += 20
        post.output.arc = 120
    assert post.light == 120


def test_new_gear_is_set_up_so_that_our_ramps_rule_and_failures_leave_light(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    post = Post(monkeypatch)
    post.gear.fade_time, post.gear.extended_fade_time = 5, 0x21
    post.gear.power_on_level, post.gear.system_failure_level = 0, 255
    post.run(5000)
    assert (post.gear.fade_time, post.gear.extended_fade_time) == (0, 0)
    assert (post.gear.power_on_level, post.gear.system_failure_level) == (254, 254)
    assert post.gear.fade_rate == 7
    assert post.gear.stored == 4
    assert post.gear.faults == []
    post.run(60_000)
    assert post.gear.stored == 4  # its memory wears


def test_gear_that_is_set_up_is_not_written(post: Post) -> None:
    post.run(60_000)
    assert post.gear.stored == 0


def test_gear_that_cannot_answer_is_set_up_once_on_trust(post: Post) -> None:
    post.gear.mute = True
    post.gear.power_on_level = 0
    post.run(60_000)
    assert post.gear.power_on_level == 254
    assert post.gear.stored == 4
    assert post.output.present is False
    post.output.arc = 99
    post.run(100)
    assert post.light == 99


def test_off_is_dark_before_the_relay_opens_and_the_relay_is_closed_before_light(
    post: Post,
) -> None:
    post.run(3000)
    post.output.arc = 0
    assert post.relay[-1] == 1
    post.run(200)
    assert post.relay[-1] == 0
    count = len(post.sent)
    post.run(20_000)
    assert len(post.sent) == count  # to gear without mains nothing is said
    post.output.arc = 85
    assert post.relay[-1] == 1
    highest = 0
    for _ in range(200):
        post.run(5)
        highest = max(highest, post.light)
    assert post.light == 85
    assert highest == 85  # its power on level of 254 was not seen


@pytest.mark.parametrize("days", [1, 7, 30])
def test_a_lamp_that_was_off_for_long_comes_on_at_once(
    post: Post, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = 1 << 29  # MicroPython's ticks_ms begins again after twice this

    def ticks_diff(later: int, earlier: int) -> int:
        return (later - earlier + half) % (2 * half) - half

    monkeypatch.setattr(post, "ticks_diff", ticks_diff)
    post.output.arc = 0
    post.run(2000)
    end = post.ms + days * 86_400_000
    while post.ms < end:
        post.ms += 3_600_000
        post.output.step(post.ms)
    post.output.arc = 200
    post.run(1500)
    assert post.light == 200
    assert post.output._setup >= 0  # pyright: ignore[reportPrivateUsage]
    post.run(10_000)
    assert post.output.present


def test_gear_that_lost_its_power_for_a_moment_is_at_the_level_again_within_seconds(
    post: Post,
) -> None:
    post.run(3000)
    post.output.arc = 120
    post.run(2000)
    post.gear.power(False)
    post.ms += 300
    post.gear.power(True)
    post.run(11_000)
    assert post.light == 120


def test_without_the_bus_the_gear_is_full_and_back_at_the_level_after_it(post: Post) -> None:
    post.run(3000)
    post.output.arc = 120
    post.run(5000)
    post.bus_high = False
    post.gear.bus_power(False)
    post.run(2000)
    assert post.light == 254
    assert post.output.bus_down
    assert post.output.lamp_failure is None
    post.bus_high = True
    post.gear.bus_power(True)
    post.run(1000)
    assert post.light == 120
    assert not post.output.bus_down


def test_a_receiver_that_is_dead_does_not_keep_the_lamp_from_its_level(post: Post) -> None:
    post.bus_high = False  # only as the receiver has it
    post.run(3000)
    post.output.arc = 77
    post.run(200)
    assert post.light == 77


def test_a_lamp_that_fails_is_known_within_ten_seconds_and_so_is_its_mending(post: Post) -> None:
    post.run(15_000)
    assert (post.output.present, post.output.lamp_failure) == (True, False)
    assert (post.output.level, post.output.gear_failure) == (254, False)
    post.gear.lamp_failed = True
    post.run(10_000)
    assert post.output.lamp_failure is True
    post.gear.lamp_failed = False
    post.gear.failed = True
    post.run(10_000)
    assert (post.output.lamp_failure, post.output.gear_failure) == (False, True)


def test_gear_that_is_gone_says_nothing_of_its_lamp(post: Post) -> None:
    post.run(15_000)
    post.gear.absent = True
    post.run(20_000)
    assert post.output.present is False
    assert post.output.lamp_failure is None
    assert post.output.level is None
    post.output.arc = 60
    post.gear.absent = False
    post.run(15_000)
    assert post.output.present is True
    assert post.light == 60


def test_garbage_in_place_of_answers_changes_no_light_and_wears_nothing(post: Post) -> None:
    post.run(3000)
    post.output.arc = 140
    random = Random(4)
    for _ in range(300):
        post.answer_with = random.choice((-1, random.randrange(256)))
        post.run(200)
    assert post.light == 140
    assert post.gear.stored <= 4
    assert post.output.corrupt > 0


def test_several_gears_that_answer_together_are_a_yes(post: Post) -> None:
    post.run(5000)
    post.answer_with = -1  # two answers, one over the other
    post.run(10_000)
    assert post.output.present is True
    assert post.output.lamp_failure is True


def test_a_short_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    post = Post(monkeypatch, 5)
    post.gear.short_address = 5
    post.run(1500)
    post.output.arc = 33
    post.run(100)
    assert post.light == 33
    assert all(frame >> 8 in (10, 11, 0xA3) for frame in post.gear.heard)


def test_a_port_that_fails_loses_no_level(post: Post) -> None:
    post.run(3000)
    post.broken = True
    post.output.arc = 50
    post.output.full()
    post.output.arc = 51
    post.run(1000)
    assert post.output.failures > 1
    post.broken = False
    post.run(1000)
    assert post.light == 51


def test_full_light_overrides_everything_at_once(post: Post) -> None:
    post.run(3000)
    post.output.arc = 0
    post.run(500)
    post.output.full()
    assert (post.relay[-1], post.output.arc) == (1, 254)
    post.run(700)
    assert post.light == 254
