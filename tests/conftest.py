"""What every test may ask for."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from simulators.tools import Interpreter

_TESTS = Path(__file__).parent

# No test is about speed: on a busy machine any example may take long.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# A shell starts what it puts in the background with SIGINT ignored, and so would be the programs
# that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", params=[64, 32], ids=["64-bit", "32-bit"])
def micropython(request: pytest.FixtureRequest) -> Interpreter:
    """The real MicroPython in both word sizes: a test that asks for it runs twice.

    ``micropython.run(script, path=[...], env={...})`` returns what the script printed and raises
    :class:`InterpreterFailed`, with its traceback shown, when it does not end in exit code 0.
    """
    return Interpreter(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix the kinds: a worker gets a stretch of the list, and each is to wait and work in turns.

    Tests under tests/unit keep a core busy; those of the other folders mostly wait for a street.
    Modules stay whole, for what their tests share, and in order within their kind. The longest
    of all tests, a whole night, is in tests/e2e and comes first.
    """
    kinds = {item.path: item.path.relative_to(_TESTS).parts[0] for item in items}
    many = Counter(kinds[item.path] for item in items)
    begun: Counter[str] = Counter()
    place: dict[Path, float] = {}
    for item in items:
        kind = kinds[item.path]
        place.setdefault(item.path, begun[kind] / many[kind])
        begun[kind] += 1
    items.sort(key=lambda item: (place[item.path], kinds[item.path] != "e2e"))


@pytest.fixture(autouse=True)
def _logs_stay_as_they_were() -> Iterator[None]:
    """A command that sets up its logs sends them to a stream that ends with its test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
