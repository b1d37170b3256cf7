"""When a lamppost has succeeded, failed, or only keeps us waiting."""

from typing import Any

import pytest

from fleet_cli.errors import BadInput
from fleet_cli.fleet.lamppost import Lamppost
from fleet_cli.fleet.messages import DesiredRelease, Reported
from fleet_cli.release.image import SignedImage
from fleet_cli.rollout.judge import judge, wave_is_over
from fleet_cli.rollout.plan import plan
from fleet_cli.rollout.state import Rollout, Target, parse_rollout

NEW, OLD = "ab" * 32, "cd" * 32
RELEASE = DesiredRelease(rollout="r1", version="1.4.0", hash=NEW, image="ef" * 32, size=9)


WAITS: list[dict[str, Any]] = [
    {"state": "queued", "rollout": "r1"},
    {"state": "uploading", "rollout": "r1", "progress": 0},
]


def rollout(*targets: Target) -> Rollout:
    return Rollout(
        id="r1", created=0, image="ef" * 32, version="1.4.0", hash=NEW, board="b", size=9,
        max_failures=0, deadline_s=100, targets=list(targets),
    )  # fmt: skip


def target(node: str = "a" * 12, **changes: Any) -> Target:
    return Target(**{"gateway": "g", "node": node, "wave": 1, "state": "asked", "asked": 0,
                     **changes})  # fmt: skip


def lamppost(
    node: str = "a" * 12, *, link: str = "up", online: bool = True,
    release: DesiredRelease | None = RELEASE, **reported: Any,
) -> Lamppost:  # fmt: skip
    state = Reported.model_validate({"link": {"state": link}, **reported})
    return Lamppost("g", node, state, release=release, gateway_online=online)


def judged(asked: Target, post: Lamppost, now: int = 50) -> Target:
    whole = rollout(asked)
    judge(whole, {post.key: post}, now)
    return whole.targets[0]


def test_success_is_a_confirmed_boot_of_this_image() -> None:
    assert judged(target(), lamppost(firmware={"hash": NEW, "confirmed": True})).state == (
        "succeeded"
    )


def test_trial_boot_is_not_yet_success() -> None:
    post = lamppost(
        firmware={"hash": NEW, "confirmed": False}, update={"state": "trial", "rollout": "r1"}
    )
    assert judged(target(), post).state == "updating"


def test_confirmed_state_of_the_transfer_without_the_boot_is_not_success() -> None:
    post = lamppost(
        firmware={"hash": OLD, "confirmed": True}, update={"state": "confirmed", "rollout": "r1"}
    )
    assert judged(target(), post).state == "asked"


@pytest.mark.parametrize("state", ["reverted", "refused", "failed"])
def test_bad_end_of_this_rollout_is_failure_and_of_another_is_not(state: str) -> None:
    update = {"state": state, "reason": "why", "rollout": "r1"}
    found = judged(target(), lamppost(update=update))
    assert (found.state, found.reason) == ("failed", f"{state}: why")
    assert judged(target(), lamppost(update={**update, "rollout": "r0"})).state == "asked"


def test_lamppost_away_is_queued_however_long() -> None:
    assert judged(target(), lamppost(link="silent"), now=10**6).state == "queued"
    assert judged(target(), lamppost(online=False), now=10**6).state == "queued"


def test_deadline_of_one_that_comes_back_begins_anew() -> None:
    found = judged(target(state="queued"), lamppost(), now=10**6)
    assert (found.state, found.asked) == ("asked", 10**6)


def test_what_a_gateway_waits_for_is_told_and_is_no_failure_before_the_deadline() -> None:
    waiting = lamppost(update={"state": "queued", "rollout": "r1", "reason": "list expired"})
    found = judged(target(asked=20), waiting, now=120)
    assert (found.state, found.reason) == ("asked", "list expired")
    assert judged(found, lamppost(update=WAITS[0])).reason == ""
    assert (
        judged(target(), lamppost(update={**WAITS[0], "rollout": "r0", "reason": "x"})).reason == ""
    )
    found = judged(target(asked=20), waiting, now=121)
    assert found.state == "failed"
    assert found.reason == "no progress for 101 s its gateway has not begun: list expired"


def test_silence_after_it_had_begun_is_failure_at_the_deadline() -> None:
    begun = {"state": "updating", "phase": "trial", "progress": 1.0, "changed": 20}
    assert judged(target(**begun), lamppost(link="silent"), now=120).state == "updating"
    found = judged(target(**begun), lamppost(link="silent"), now=121)
    assert (found.state, found.reason) == ("failed", "no progress for 101 s after trial")


def test_progress_pushes_the_deadline_out() -> None:
    def update(progress: float) -> dict[str, Any]:
        return {"state": "uploading", "rollout": "r1", "progress": progress}

    found = judged(target(), lamppost(update=update(0.1)), now=90)
    found = judged(found, lamppost(update=update(0.2)), now=180)
    assert found.state == "updating"
    assert judged(found, lamppost(update=update(0.2)), now=281).state == "failed"


def test_neighbour_on_the_bus_that_gets_on_keeps_the_others_waiting_in_time() -> None:
    first, second = target(state="updating", phase="uploading", changed=90), target("b" * 12)
    whole = rollout(first, second)
    posts = {
        ("g", "a" * 12): lamppost(update=WAITS[1] | {"progress": 0.1}),
        ("g", "b" * 12): lamppost("b" * 12),
    }
    judge(whole, posts, 150)
    assert [found.state for found in whole.targets] == ["updating", "asked"]


@pytest.mark.parametrize("update", WAITS)
def test_silent_lamppost_whose_gateway_waits_for_it_is_queued_however_long(
    update: dict[str, Any],
) -> None:
    for now in (50, 10**6):
        assert judged(target(), lamppost(link="silent", update=update), now).state == "queued"


@pytest.mark.parametrize("update", WAITS)
def test_lamppost_waiting_for_its_turn_fails_only_when_no_neighbour_gets_on(
    update: dict[str, Any],
) -> None:
    whole = rollout(target(), target("b" * 12))
    first = lamppost(update=WAITS[1] | {"progress": 0.5})
    second = lamppost("b" * 12, update=update)
    posts = {first.key: first, second.key: second}
    # A desk that was away learns of the neighbour's progress in the very look that judges.
    judge(whole, posts, 150)
    assert [found.state for found in whole.targets] == ["updating", "asked"]
    judge(whole, posts, 250)
    assert [found.state for found in whole.targets] == ["updating", "asked"]
    judge(whole, posts, 251)
    assert [found.state for found in whole.targets] == ["failed", "failed"]
    assert whole.targets[1].reason == "no progress for 101 s its gateway has not begun"


def test_ten_on_one_bus_each_get_their_turn_whatever_the_deadline() -> None:
    whole = rollout(*(target(f"{number:012x}") for number in range(10)))
    for now in range(5, 900, 5):
        posts: dict[tuple[str, str], Lamppost] = {}
        for number, one in enumerate(whole.targets):
            turn = now // 90
            if number < turn:
                told: dict[str, Any] = {"firmware": {"hash": NEW, "confirmed": True}}
            else:
                share = (now % 90) / 90 if number == turn else 0
                told = {"update": WAITS[1] | {"progress": share}}
            posts[one.key] = lamppost(one.node, **told)
        judge(whole, posts, now)
    assert whole.counts == {"succeeded": 9, "updating": 1}


def test_transfer_cut_by_silence_is_queued_and_goes_on_with_a_new_deadline() -> None:
    half = WAITS[1] | {"progress": 0.5}
    found = judged(target(), lamppost(update=half), 50)
    found = judged(found, lamppost(link="silent", update=half), 10**6)
    assert found.state == "queued"
    found = judged(found, lamppost(update=half), 2 * 10**6)
    assert (found.state, found.asked) == ("updating", 2 * 10**6)
    assert judged(found, lamppost(update=half), 2 * 10**6 + 101).state == "failed"


def test_trial_behind_a_gateway_that_went_offline_is_no_failure_at_its_deadline() -> None:
    trial = {"state": "trial", "rollout": "r1", "progress": 1}
    found = judged(target(), lamppost(update=trial), 50)
    assert judged(found, lamppost(online=False, update=trial), 150).state == "updating"
    found = judged(found, lamppost(online=False, update=trial), 151)
    found = judged(found, lamppost(online=False, update=trial), 10**6)
    assert found.state == "queued"
    found = judged(found, lamppost(link="silent", update=trial), 2 * 10**6)
    assert found.state == "updating"
    assert judged(found, lamppost(link="silent", update=trial), 2 * 10**6 + 101).state == "failed"


def test_release_that_is_only_not_known_is_not_taken_for_withdrawn() -> None:
    assert judged(target(), lamppost(release=None)).state == "asked"
    whole = rollout(target())
    judge(whole, {("g", "a" * 12): lamppost(release=None)}, 50, {("g", "a" * 12)})
    assert (whole.targets[0].state, whole.targets[0].reason) == ("withdrawn", "withdrawn")


def test_withdrawal_told_by_the_gateway_is_no_failure() -> None:
    update = {"state": "failed", "reason": "withdrawn", "rollout": "r1"}
    assert judged(target(), lamppost(release=None, update=update)).state == "withdrawn"


def test_one_taken_for_withdrawn_that_is_desired_after_all_is_asked() -> None:
    gone = target(state="withdrawn", reason="withdrawn")
    found = judged(gone.model_copy(), lamppost())
    assert (found.state, found.reason) == ("asked", "")
    stopped = rollout(gone)
    stopped.state = "stopped"
    judge(stopped, {("g", "a" * 12): lamppost()}, 50)
    assert stopped.targets[0].state == "withdrawn"


def test_newer_rollout_takes_the_lamppost_over() -> None:
    other = RELEASE.model_copy(update={"rollout": "r2"})
    found = judged(target(), lamppost(release=other))
    assert (found.state, found.reason) == ("withdrawn", "superseded by r2")


def test_wave_is_over_when_only_those_away_are_left() -> None:
    whole = rollout(target(state="succeeded"), target("b" * 12, state="queued"))
    assert wave_is_over(whole, 1)
    whole.targets[1].state = "asked"
    assert not wave_is_over(whole, 1)


def test_percentage_is_of_those_that_have_finished() -> None:
    states = ("succeeded", "succeeded", "succeeded", "failed", "queued", "waiting")
    whole = rollout(*(target(f"{n:012x}", state=state) for n, state in enumerate(states)))
    assert whole.success_percent == 75
    assert rollout(target(state="queued")).success_percent is None


def test_rollout_is_read_back_as_it_was_retained() -> None:
    whole = rollout(target(state="failed", reason="why"), target("b" * 12, state="waiting"))
    assert parse_rollout(whole.to_bytes(), "r1") == whole


@pytest.mark.parametrize("payload", [b"\xff", b"[]", b'{"id": "../x"}', b"{}"])
def test_what_is_no_rollout_is_told(payload: bytes) -> None:
    with pytest.raises(BadInput, match="rollout r9"):
        parse_rollout(payload, "r9")


def test_first_waves_are_of_those_that_answer() -> None:
    image = SignedImage(b"x", "ef" * 32, "1.4.0", NEW, "b", 1)
    posts = [lamppost("a" * 12, link="silent"), lamppost("b" * 12), lamppost("c" * 12)]
    made = plan(image, posts, wave_size=2, max_failures=0, deadline_s=1, now=0).rollout
    assert [(found.node[0], found.wave) for found in made.targets] == [
        ("b", 1), ("c", 1), ("a", 2),
    ]  # fmt: skip


def test_one_given_up_as_silent_that_made_it_after_all_has_succeeded() -> None:
    gone = target(state="failed", reason="no progress for 101 s after trial")
    assert judged(gone, lamppost()).state == "failed"
    found = judged(gone, lamppost(firmware={"hash": NEW, "confirmed": True}))
    assert (found.state, found.reason) == ("succeeded", "")


def test_withdrawn_transfer_is_no_failure_but_a_revert_still_is() -> None:
    update = {"state": "failed", "reason": "withdrawn", "rollout": "r1"}
    withdrawn = target(state="withdrawn")
    assert judged(withdrawn, lamppost(release=None, update=update)).state == "withdrawn"
    update = {"state": "reverted", "reason": "lamp", "rollout": "r1"}
    assert judged(withdrawn, lamppost(release=None, update=update)).state == "failed"
