"""The tests of tests/both, run by the real MicroPython in both word sizes."""

from pathlib import Path

import pytest

from simulators.tools import Interpreter

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted((REPOSITORY / "tests" / "both").glob("test_*.py"))

RUNNER = """
import sys
module = __import__("tests.both.%s", None, None, ("*",))
count = 0
for name in sorted(dir(module)):
    if name.startswith("test_"):
        print(name)
        getattr(module, name)()
        count += 1
print("passed", count)
"""


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_passes_under_micropython_too(micropython: Interpreter, file: Path) -> None:
    defined = sum(line.startswith("def test_") for line in file.read_text().splitlines())
    assert defined > 0

    output = micropython.run(RUNNER % file.stem, path=[REPOSITORY])

    assert output.splitlines()[-1] == f"passed {defined}"
