"""Programs the simulators run: the real MicroPython, 64- and 32-bit, and the mosquitto broker.

Only the standard library is used here, so that ``python3 -m simulators.tools fetch`` works before
any virtual environment exists.
"""

from simulators.tools.errors import ToolError
from simulators.tools.interpreter import Interpreter, InterpreterFailed
from simulators.tools.programs import micropython, mosquitto

__all__ = ["Interpreter", "InterpreterFailed", "ToolError", "micropython", "mosquitto"]
