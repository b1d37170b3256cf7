"""The configuration on the device: its digest, and what it costs to take the fullest one."""

from pathlib import Path

from protocol import configuration
from simulators.tools import Interpreter

REPOSITORY = Path(__file__).resolve().parents[2]

VALUES = (
    '{"lamp/program": [[5, 0, 100], [0, 1380, 50], [6, 0, 0]],'
    ' "lamp/programs": [[[1, -180, 100], [2, 180, 0]]],'
    ' "lamp/calendar": [[96, 1224, 106, 1], [127, 20270101, 20271231, 0]], "site/dst": 1}'
)


def test_the_digest_there_is_the_digest_here(micropython: Interpreter) -> None:
    said = micropython.run(
        "from protocol import configuration\n"
        f"for values in ({{}}, {VALUES}):\n"
        "    print(configuration.digest(values).hex(), configuration.validate(values))\n"
        "    print(configuration.parse_document(configuration.document(1, values))[0])",
        path=[REPOSITORY],
        heap="1M",
    )
    expected: list[str] = []
    for values in ({}, eval(VALUES)):  # noqa: S307
        expected += [configuration.digest(values).hex() + " []", "1"]
    assert said.splitlines() == expected
