"""What every test may ask for."""

import pytest

from simulators.tools import Interpreter


@pytest.fixture(scope="session", params=[64, 32], ids=["64-bit", "32-bit"])
def micropython(request: pytest.FixtureRequest) -> Interpreter:
    """The real MicroPython in both word sizes: a test that asks for it runs twice.

    ``micropython.run(script, path=[...], env={...})`` returns what the script printed and raises
    :class:`InterpreterFailed`, with its traceback shown, when it does not end in exit code 0.
    """
    return Interpreter(request.param)
