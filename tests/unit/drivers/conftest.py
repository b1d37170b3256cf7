from collections.abc import Iterator

import pytest

from tests.unit.drivers.bench import Bench, virtual


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Samplers and models in virtual time at the speed of real life."""
    yield from virtual(Bench())


@pytest.fixture
def fast_bench() -> Iterator[Bench]:
    """The same in a street whose time runs 340 times as fast."""
    yield from virtual(Bench(340.0))


@pytest.fixture(scope="module")
def hostile_bench() -> Iterator[Bench]:
    """Virtual time for tests with many examples, in each of which it goes on."""
    yield from virtual(Bench())
