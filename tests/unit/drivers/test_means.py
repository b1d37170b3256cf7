import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.samplers.air import Means

SAMPLE = st.tuples(*[st.integers(0, 1000)] * 3)


@given(st.lists(SAMPLE, min_size=1, max_size=200))
def test_means_are_right_to_a_tenth_and_extremes_exact(
    samples: list[tuple[int, int, int]],
) -> None:
    means = Means()
    for sample in samples:
        means.add(sample)
    count, *found, least, greatest = means.values()
    assert count == len(samples)
    for index, mean in enumerate(found):
        assert abs(mean - 10 * sum(one[index] for one in samples) / count) <= 0.5
    assert least == 10 * min(one[1] for one in samples)
    assert greatest == 10 * max(one[1] for one in samples)


def test_there_is_no_mean_of_nothing() -> None:
    means = Means()
    means.add((1, 2, 3))
    means.clear()
    with pytest.raises(ValueError, match="at least one"):
        means.values()
