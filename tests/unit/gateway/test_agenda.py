"""Whose visit is next, on a bus of 128 in a time of its own: seconds of line time, as they pass."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest

from gateway.lampposts.agenda import DOUBTFUL_SHARE, Agenda
from gateway.lampposts.lamppost import Lamppost
from gateway.logs import get

IDLE_S = 1.0
POLL_S = 0.0135  # line time of a poll without records, 115200 baud
WINDOW_S = 0.42  # of four polls with 1 KiB of records each
TIMEOUT_S = 0.25
SILENT_MOST_S = 60.0


class Bus:
    """Visits who is next, as the poller does; a lamppost in `dead` answers nothing."""

    def __init__(self, count: int) -> None:
        self.now = 1000.0
        self.agenda = Agenda()
        self.posts = [lamppost(number) for number in range(count)]
        self.dead: set[Lamppost] = set()
        self.flooding: set[Lamppost] = set()
        self.asked: dict[Lamppost, list[float]] = {post: [] for post in self.posts}
        self.on_silence = 0.0
        self.answering = True
        for post in self.posts:
            self.agenda.put(post, 0.0)

    def run(self, seconds: float, during: Callable[[], None] = lambda: None) -> None:
        until = self.now + seconds
        while self.now < until:
            during()
            found = self.agenda.take(self.now)
            if found is None:
                self.now += self.agenda.wait(self.now)
                continue
            post, kind = found
            self.asked[post].append(self.now)
            took = self._visit(post)
            self.now += took
            self.agenda.visited(post, kind, took, self.now)
            self.agenda.put(post, post.next_due)

    def _visit(self, post: Lamppost) -> float:
        if post in self.dead:
            attempts = 2 if self.answering and post.link == "up" and not post.failures else 1
            self.answering = False
            post.failures += 1
            if post.failures >= 3:
                post.link = "silent"
            pause = min(SILENT_MOST_S, 0.2 * 2 ** min(post.failures - 1, 20))
            took = attempts * TIMEOUT_S
            post.next_due = self.now + took + pause
            self.on_silence += took
            return took
        self.answering = True
        post.link, post.failures = "up", 0
        if post in self.flooding:
            post.next_due = 0.0
            return WINDOW_S
        post.next_due = self.now + POLL_S + IDLE_S
        return POLL_S

    def longest_pause(self, post: Lamppost, since: float) -> float:
        times = [max(since, when) for when in self.asked[post]] + [self.now]
        return max(later - earlier for earlier, later in pairwise(times))

    def forget(self) -> float:
        for times in self.asked.values():
            times.clear()
        self.on_silence = 0.0
        return self.now


def lamppost(number: int) -> Lamppost:
    node = number.to_bytes(6, "big")
    return Lamppost(node, "", cast("Any", None), get())


def test_all_idle_are_visited_in_turn_as_fast_as_the_line_allows() -> None:
    bus = Bus(128)
    bus.run(30)
    since = bus.forget()
    bus.run(60)
    for post in bus.posts:
        assert bus.longest_pause(post, since) <= 128 * POLL_S * 1.01


def test_one_that_floods_gets_half_and_starves_nobody() -> None:
    bus = Bus(128)
    bus.run(30)
    flooding = bus.posts[7]
    bus.flooding.add(flooding)
    since = bus.forget()
    bus.run(120)
    assert len(bus.asked[flooding]) * WINDOW_S / 120 == pytest.approx(0.5, abs=0.05)
    for post in bus.posts:
        assert bus.longest_pause(post, since) <= 2 * 128 * POLL_S + 3 * WINDOW_S


def test_all_that_flood_share_alike() -> None:
    bus = Bus(128)
    bus.flooding.update(bus.posts)
    bus.run(120)
    bus.forget()
    bus.run(600)
    counts = {len(times) for times in bus.asked.values()}
    assert max(counts) - min(counts) <= 1


def test_a_hundred_dead_from_the_start_delay_the_living_little() -> None:
    bus = Bus(128)
    bus.dead.update(bus.posts[28:])
    began = bus.now
    bus.run(60)
    for post in bus.posts[:28]:
        assert bus.asked[post][0] - began < 40
        assert bus.longest_pause(post, began + 40) < 3
    since = bus.forget()
    bus.run(300)
    assert bus.on_silence / 300 <= DOUBTFUL_SHARE * 1.2
    for post in bus.posts[:28]:
        # Its own pause, its queue, and at most one silent lamppost before it.
        assert bus.longest_pause(post, since) <= IDLE_S + 28 * POLL_S + 2 * TIMEOUT_S


def test_a_hundred_that_die_at_once_are_found_out_while_the_living_are_served() -> None:
    bus = Bus(128)
    bus.run(30)
    bus.dead.update(bus.posts[28:])
    since = bus.forget()
    bus.run(300)
    assert all(post.link == "silent" for post in bus.posts[28:])
    for post in bus.posts[:28]:
        assert bus.longest_pause(post, since) < 60
        assert bus.longest_pause(post, since + 75) <= IDLE_S + 28 * POLL_S + 2 * TIMEOUT_S


def test_the_dead_that_return_are_found_within_a_round_of_the_doubtful() -> None:
    bus = Bus(128)
    bus.dead.update(bus.posts[28:])
    bus.run(300)
    bus.dead.clear()
    bus.run(SILENT_MOST_S + 5)
    assert all(post.link == "up" for post in bus.posts)


def test_when_nobody_is_up_all_the_time_goes_to_finding_somebody() -> None:
    bus = Bus(128)
    bus.dead.update(bus.posts)
    bus.run(120)
    assert bus.on_silence / 120 > 0.9


def test_one_put_forward_is_next_once_and_one_dropped_never() -> None:
    bus = Bus(3)
    bus.run(5)
    first, second, third = bus.posts
    bus.agenda.put(second, 0.0)
    bus.agenda.put(second, 0.0)
    bus.agenda.drop(third)
    bus.forget()
    bus.run(0.9)
    assert len(bus.asked[second]) <= 2
    assert bus.asked[second][0] <= min([*bus.asked[first], bus.now])
    assert bus.asked[third] == []
    bus.agenda.drop(first)
    bus.agenda.drop(second)
    assert bus.agenda.take(bus.now + 1000) is None
    assert bus.agenda.wait(bus.now + 1000) == 60.0
