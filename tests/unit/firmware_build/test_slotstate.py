"""The boot stage's decisions, under any sequence of boots, cuts, marks, crashes and damage."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware.bootstage import slotstate

State = dict[str, Any]


class Node(RuleBasedStateMachine):
    """A node's flash and its boots. One slot at least is whole at all times."""

    def __init__(self) -> None:
        super().__init__()
        self.state: State = slotstate.fresh(0, 1)
        self.whole = [True, False]
        self.running: int | None = None
        self.trial = False
        self.unconfirmed_starts = [0, 0]

    def problem(self, slot: int) -> str:
        return "" if self.whole[slot] else "altered"

    def is_due_a_trial(self, slot: int, watchdog: bool) -> bool:
        """Whether this boot counts the stop after which `slot` gets its one trial."""
        before = self.state
        return (
            watchdog
            and before["trial"] == before["pending"] == -1
            and (before["stops"] + 1) % slotstate.MAX_STOPS == 0
            and not (before["proven"] | before["failed"]) & 1 << slot
        )

    @initialize(both=st.booleans())
    def factory(self, both: bool) -> None:
        self.whole = [True, both]

    @rule(watchdog=st.booleans(), cut=st.booleans())
    def boot(self, watchdog: bool, cut: bool) -> None:
        new, slot, trial = slotstate.choose(self.state, self.problem, "power-on", watchdog)
        assert slot is not None, "a whole slot is there and none is started"
        assert self.whole[slot]
        if trial:
            assert new["trial"] == slot
            assert slot == self.state["pending"] or self.is_due_a_trial(slot, watchdog)
        else:
            assert new["active"] == slot
            assert new["trial"] == -1
            taken = slot != self.state["active"] and self.state["pending"] != slot
            assert not taken or self.state["proven"] & 1 << slot or not self.whole[1 - slot], (
                "an image nobody confirmed is in force"
            )
        assert new["pending"] == -1, "one boot uses a pending slot up"
        self.running = None
        if cut:
            return  # the power went before the state was written: the same boot comes again
        self.state = new
        self.running = slot
        self.trial = trial
        if trial:
            self.unconfirmed_starts[slot] += 1
            assert self.unconfirmed_starts[slot] <= 1, "a trial was started twice"

    @precondition(lambda self: self.running is not None)
    @rule(permanent=st.booleans())
    def install_and_mark(self, permanent: bool) -> None:
        assert self.running is not None
        if self.trial:
            return
        idle = 1 - self.running
        self.state = slotstate.released(self.state, idle)
        self.whole[idle] = True
        self.state = slotstate.mark_pending(self.state, idle, permanent)
        self.unconfirmed_starts[idle] = 0

    @precondition(lambda self: self.running is not None)
    @rule(counter=st.integers(0, 9))
    def confirm(self, counter: int) -> None:
        assert self.running is not None
        before = self.state["counter"]
        self.state = slotstate.confirm(self.state, self.running, counter)
        self.trial = False
        assert self.state["active"] == self.running
        assert self.state["counter"] == max(before, counter)

    @precondition(lambda self: self.running is not None)
    @rule()
    def crash(self) -> None:
        assert self.running is not None
        new = slotstate.stopped(self.state, self.running, "KeyError", self.problem)
        if self.trial:
            assert new["trial"] == -1
            assert "application stopped" in new["reverted"]
        self.state = new
        self.running = None
        assert 1 <= slotstate.pause(new) <= 64

    @precondition(lambda self: self.trial and self.running is not None)
    @rule(why=st.text(max_size=400))
    def give_up(self, why: str) -> None:
        self.state = slotstate.give_up(self.state, why)

    @rule(slot=st.sampled_from([0, 1]))
    def damage(self, slot: int) -> None:
        if self.whole[1 - slot]:
            self.whole[slot] = False

    @rule(known=st.sampled_from([-1, 0, 1]))
    def lose_the_state_file(self, known: int) -> None:
        summaries = [(1, f"{slot + 1}.0.0") if self.whole[slot] else None for slot in (0, 1)]
        self.state = slotstate.rebuilt(summaries, known, self.state["counter"])
        self.unconfirmed_starts = [0, 0]  # whether it was tried is lost as well
        self.running = None
        self.trial = False

    @invariant()
    def state_survives_its_file(self) -> None:
        contents = {**self.state, "check": slotstate.check(self.state)}
        assert slotstate.validated(json.loads(json.dumps(contents))) == self.state

    @invariant()
    def reasons_are_bounded(self) -> None:
        assert len(self.state["reverted"]) <= slotstate.MAX_REASON
        assert len(self.state["why"]) <= slotstate.MAX_REASON


TestNode = Node.TestCase


def whole(slot: int) -> str:
    return ""


def test_unconfirmed_trial_is_started_once_and_then_reverted() -> None:
    state = slotstate.mark_pending(slotstate.fresh(0), 1, False)
    state, slot, trial = slotstate.choose(state, whole)
    assert (slot, trial) == (1, True)
    state, slot, trial = slotstate.choose(state, whole, "watchdog", True)
    assert (slot, trial) == (0, False)
    assert state["reverted"] == "not confirmed within its trial: reset by watchdog"
    assert state["stops"] == 0, "the watchdog bit the trial, not the confirmed application"


def test_permanent_slot_is_confirmed_when_it_is_started() -> None:
    state = slotstate.mark_pending(slotstate.fresh(0), 1, True)
    state, slot, trial = slotstate.choose(state, whole)
    assert (slot, trial, state["active"]) == (1, False, 1)


def test_crash_loop_of_both_slots_alternates_with_growing_pauses() -> None:
    state = slotstate.fresh(0)
    state["proven"] = 3
    seen: list[int] = []
    pauses: list[int] = []
    for _ in range(20):
        state, slot, _ = slotstate.choose(state, whole)
        assert slot is not None
        seen.append(slot)
        state = slotstate.stopped(state, slot, "x", whole)
        pauses.append(slotstate.pause(state))
    assert seen == [0] * 5 + [1] * 5 + [0] * 5 + [1] * 5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 64


def stopped_by_watchdog(state: State, times: int) -> list[tuple[int | None, bool]]:
    """(slot, on trial) of each boot, every one after a bite of the watchdog."""
    out: list[tuple[int | None, bool]] = []
    for _ in range(times):
        new, slot, trial = slotstate.choose(state, whole, "watchdog", True)
        state.update(new)
        out.append((slot, trial))
    return out


def test_slot_nobody_confirmed_gets_one_trial_when_the_active_one_keeps_stopping() -> None:
    state = slotstate.fresh(0)
    starts = stopped_by_watchdog(state, 20)
    assert starts[:6] == [(0, False)] * 4 + [(1, True), (0, False)]
    assert starts[6:] == [(0, False)] * 14
    assert (state["active"], state["proven"], state["failed"]) == (0, 1, 2)


def test_exceptions_too_give_the_unconfirmed_slot_a_trial_only() -> None:
    state = slotstate.fresh(0)
    for _ in range(slotstate.MAX_STOPS):
        state = slotstate.stopped(state, 0, "x", whole)
    assert state["active"] == 0
    state, slot, trial = slotstate.choose(state, whole)
    assert (slot, trial) == (1, True)
    state = slotstate.stopped(state, 1, "y", whole)
    assert slotstate.choose(state, whole)[1:] == (0, False)


def test_reverted_slot_is_not_started_again_until_somebody_marks_it() -> None:
    state = slotstate.mark_pending(slotstate.fresh(0), 1, False)
    state, _, _ = slotstate.choose(state, whole)
    assert stopped_by_watchdog(state, 20) == [(0, False)] * 20
    state = slotstate.mark_pending(state, 1, False)
    assert slotstate.choose(state, whole)[1:] == (1, True)


def test_every_reason_is_untold_at_first() -> None:
    state = slotstate.mark_pending(slotstate.fresh(0), 1, False)
    state, _, _ = slotstate.choose(state, whole)
    state, _, _ = slotstate.choose(state, whole)
    assert (state["reverted"] != "", state["told"]) == (True, 0)
    state = slotstate.told(state)
    state, _, _ = slotstate.choose(state, whole)
    assert (state["reverted"] != "", state["told"]) == (True, 1)
    state = slotstate.mark_pending(state, 1, False)
    state, _, _ = slotstate.choose(state, lambda slot: "altered" if slot else "")
    assert state["told"] == 0


def test_slot_in_use_is_never_released() -> None:
    state = slotstate.mark_pending(slotstate.fresh(0), 1, False)
    state, _, _ = slotstate.choose(state, whole)
    for slot in (0, 1):
        with pytest.raises(ValueError, match="in use"):
            slotstate.released(state, slot)


def test_releasing_a_pending_slot_takes_the_mark_away() -> None:
    state = slotstate.mark_pending(slotstate.fresh(0), 1, False)
    state, slot, trial = slotstate.choose(slotstate.released(state, 1), whole)
    assert (slot, trial, state["reverted"]) == (0, False, "")


def test_nothing_is_started_and_nothing_changes_while_no_slot_is_whole() -> None:
    state = slotstate.mark_pending(slotstate.fresh(0), 1, False)
    assert slotstate.choose(state, lambda slot: "altered") == (state, None, False)


@pytest.mark.parametrize(
    ("summaries", "known", "counter", "active", "floor"),
    [
        ([(3, "1.0.0"), (4, "2.0.0")], 1, 4, 1, 4),
        ([(3, "1.0.0"), (4, "2.0.0")], -1, 0, 0, 3),
        ([(3, "1.0.0"), (4, "2.0.0")], -1, 4, 1, 4),
        ([(3, "10.0.0"), (3, "9.9.9")], -1, 0, 1, 3),
        ([None, (1, "2.0.0")], 0, 0, 1, 1),
        ([None, None], -1, 7, 0, 7),
    ],
)
def test_lost_state_is_rebuilt_without_lowering_the_security_counter(
    summaries: list[tuple[int, str] | None], known: int, counter: int, active: int, floor: int
) -> None:
    state = slotstate.rebuilt(summaries, known, counter)
    assert (state["active"], state["counter"]) == (active, floor)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(json_values | st.fixed_dictionaries(dict.fromkeys(slotstate.FIELDS, json_values)))
def test_rotten_state_is_refused_with_one_kind_of_error(contents: Any) -> None:
    with pytest.raises(ValueError, match="state:"):
        slotstate.validated(contents)


@given(st.sampled_from(slotstate.FIELDS[:9]), st.integers(-5, 5))
def test_altered_state_does_not_pass_its_check(name: str, change: int) -> None:
    state = slotstate.fresh(0, 3)
    contents = {**state, "check": slotstate.check(state)}
    contents[name] += change
    if change:
        with pytest.raises(ValueError, match="state:"):
            slotstate.validated(contents)
    else:
        assert slotstate.validated(contents) == state
