"""Which file brings a lamppost to a release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import NodeRefused
from gateway.updates.choice import Choice, asks_for_the_whole_image, choose
from gateway.updates.trusted import Delta, NotTrusted, TrustedImage

BASE, OTHER = "11" * 32, "22" * 32
SMALL, LARGE, ELSEWHERE = Delta(BASE, "a1", 100), Delta(BASE, "a2", 300), Delta(OTHER, "b1", 50)
IMAGE = TrustedImage("ff", 1000, "ee" * 32, "board", "2.0.0", 1, (SMALL, LARGE, ELSEWHERE))
WHOLE = Choice("ff", 1000)


def test_the_smallest_delta_whose_base_runs_is_chosen() -> None:
    assert choose(IMAGE, "board", BASE) == Choice("a1", 100, SMALL)
    assert choose(IMAGE, "board", OTHER) == Choice("b1", 50, ELSEWHERE)


def test_the_whole_image_where_no_base_is_known_to_run() -> None:
    assert choose(IMAGE, "board", "33" * 32) == WHOLE
    assert choose(IMAGE, "board", None) == WHOLE
    assert choose(replace(IMAGE, deltas=()), "board", BASE) == WHOLE


def test_a_delta_that_was_refused_is_not_chosen_again() -> None:
    assert choose(IMAGE, "board", BASE, {"a1"}) == Choice("a2", 300, LARGE)
    assert choose(IMAGE, "board", BASE, {"a1", "a2"}) == WHOLE


def test_a_delta_that_is_no_smaller_is_not_chosen() -> None:
    image = replace(IMAGE, size=300, deltas=(LARGE,))
    assert choose(image, "board", BASE) == Choice("ff", 300)


def test_a_release_for_another_board_is_refused_and_an_unknown_board_left_to_the_lamppost() -> None:
    with pytest.raises(NotTrusted, match="is for board board, the lamppost's is other"):
        choose(IMAGE, "other", BASE)
    assert choose(IMAGE, None, BASE) == Choice("a1", 100, SMALL)


def test_which_refusals_ask_for_the_whole_image() -> None:
    assert asks_for_the_whole_image(NodeRefused(1, 3))
    assert not asks_for_the_whole_image(NodeRefused(1, 24))
    assert not asks_for_the_whole_image(NodeRefused(None, 3))
