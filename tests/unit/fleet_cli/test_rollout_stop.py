"""A stopped rollout asks nobody any more, whatever this desk knew when it was stopped."""

from typing import Any, cast

from aiomqtt import Client

from fleet_cli import topics
from fleet_cli.fleet import Fleet, Lamppost
from fleet_cli.fleet.messages import DesiredRelease, Reported
from fleet_cli.rollout import Rollout, Runner, Target
from fleet_cli.rollout.state import parse_rollout

NEW = "ab" * 32
RELEASE = DesiredRelease(rollout="r1", version="1.4.0", hash=NEW, image="ef" * 32, size=9)
NODES = [f"{number:012x}" for number in range(4)]
DOCUMENT = topics.rollout("r1")


class Broker:
    """Takes what is published, in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    async def publish(self, topic: str, payload: bytes, **_: Any) -> None:
        self.sent.append((topic, payload))

    @property
    def withdrawn(self) -> list[str]:
        found = [topics.split_lamppost(topic) for topic, payload in self.sent if not payload]
        return [place[1] for place in found if place and place[2] == "desired/release"]


def rollout(*states: str) -> Rollout:
    targets = [
        Target.model_validate(
            {
                "gateway": "g",
                "node": node,
                "wave": 2 if state == "waiting" else 1,
                "state": state,
                "asked": None if state == "waiting" else 0,
            }
        )
        for node, state in zip(NODES, states, strict=False)
    ]
    return Rollout(
        id="r1", created=0, image="ef" * 32, version="1.4.0", hash=NEW, board="b", size=9,
        max_failures=0, deadline_s=100, targets=targets,
    )  # fmt: skip


def fleet(*releases: DesiredRelease | None) -> Fleet:
    state = Reported.model_validate({"link": {"state": "up"}})
    posts = [
        Lamppost("g", node, state, release=release, gateway_online=True)
        for node, release in zip(NODES, releases, strict=False)
    ]
    return Fleet(lampposts={post.key: post for post in posts})


def runner(known: Fleet, whole: Rollout, now: int = 20) -> tuple[Runner, Broker]:
    broker = Broker()
    return Runner(cast(Client, broker), known, whole, now=lambda: now), broker


async def test_withdraws_from_all_asked_but_those_that_succeeded_or_have_another_release() -> None:
    other = RELEASE.model_copy(update={"rollout": "r2"})
    whole = rollout("failed", "asked", "succeeded", "updating")
    driving, broker = runner(fleet(RELEASE, RELEASE, RELEASE, other), whole)
    await driving.stop("lamps flicker")
    assert broker.withdrawn == NODES[:2]
    assert [one.state for one in whole.targets] == ["failed", "withdrawn", "succeeded", "withdrawn"]


async def test_withdraws_what_has_not_been_read_yet() -> None:
    whole = rollout("asked", "failed", "waiting")
    whole.targets[1].superseded_by = "r2"
    driving, broker = runner(Fleet(complete=False), whole)
    await driving.stop("lamps flicker")
    assert broker.withdrawn == NODES[:1]


async def test_one_given_up_at_its_deadline_is_withdrawn_with_the_rest() -> None:
    driving, broker = runner(fleet(RELEASE, None), rollout("asked", "waiting"), now=101)
    assert await driving.step()
    assert driving.rollout.state == "stopped"
    assert broker.withdrawn == NODES[:1]


async def test_desks_that_wait_hear_of_it_before_the_first_withdrawal() -> None:
    driving, broker = runner(fleet(RELEASE, RELEASE), rollout("asked", "asked"))
    await driving.stop("lamps flicker")
    topic, payload = broker.sent[0]
    assert topic == DOCUMENT
    told = parse_rollout(payload, "r1")
    assert (told.state, told.counts) == ("stopped", {"withdrawn": 2})


async def test_stop_that_was_cut_short_can_be_repeated() -> None:
    whole = rollout("withdrawn", "failed")
    whole.state, whole.reason = "stopped", "lamps flicker"
    driving, broker = runner(Fleet(complete=False), whole)
    await driving.stop("again")
    assert (broker.withdrawn, whole.reason) == (NODES[:2], "lamps flicker")


async def test_desk_that_asked_while_another_was_stopping_takes_it_back() -> None:
    driving, broker = runner(fleet(RELEASE, None), rollout("asked", "waiting"))
    other = rollout("withdrawn", "withdrawn")
    other.state = "stopped"
    driving.heed(other.to_bytes())
    assert await driving.step()
    assert broker.withdrawn == NODES[:1]


async def test_resume_goes_on_when_desired_releases_come_late() -> None:
    late = fleet(None, None)
    driving, broker = runner(late, rollout("asked", "asked"))
    assert not await driving.step()
    for node in NODES[:2]:
        late.absorb(
            topics.lamppost("g", node, "desired/release"), RELEASE.model_dump_json().encode()
        )
    assert not await driving.step()
    assert driving.rollout.counts == {"asked": 2}
    late.absorb(topics.lamppost("g", NODES[0], "desired/release"), b"")
    assert not await driving.step()
    assert [one.state for one in driving.rollout.targets] == ["withdrawn", "asked"]
    assert broker.withdrawn == []
