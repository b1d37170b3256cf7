"""What every test may ask for."""

import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from simulators.tools import Interpreter

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


@pytest.fixture(autouse=True)
def _logs_stay_as_they_were() -> Iterator[None]:
    """A command that sets up its logs sends them to a stream that ends with its test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
