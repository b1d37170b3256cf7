"""What the demo can be asked for, and its command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NoReturn

FEWEST_LAMPPOSTS = 2
"""One takes the release that fails; the others show that it does not concern them."""

MOST_LAMPPOSTS = 60
SHORTEST_SECONDS = 30

_EVENING = time(15, 30, tzinfo=UTC)
_MORNING = time(8, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Options:
    """One run of the demo.

    Attributes:
        lampposts: how many.
        seconds: machine time in which the night is to pass.
        speed: street seconds in one machine second; None to have the night pass in ``seconds``.
        keep: leave everything running after the night.
        report: folder for the report; what an earlier run left there is replaced.
        seed: of identities and the world.
        evening: the date it begins on.
        plain: progress lines even in a terminal.
    """

    lampposts: int = 10
    seconds: float = 180.0
    speed: float | None = None
    keep: bool = False
    report: Path = Path("demo-report")
    seed: int = 1
    evening: date = date(2026, 10, 16)
    plain: bool = False

    @property
    def start(self) -> float:
        """When the lampposts are powered on, UTC epoch seconds."""
        return datetime.combine(self.evening, _EVENING).timestamp()

    @property
    def end(self) -> float:
        """When the night ends, UTC epoch seconds."""
        return datetime.combine(self.evening + timedelta(days=1), _MORNING).timestamp()

    @property
    def street_speed(self) -> float:
        """Street seconds in one machine second."""
        return self.speed or (self.end - self.start) / self.seconds

    def problems(self) -> list[str]:
        """What cannot be done, one line each: what was expected and what came."""
        said: list[str] = []
        if not FEWEST_LAMPPOSTS <= self.lampposts <= MOST_LAMPPOSTS:
            said.append(
                f"--nodes: expected {FEWEST_LAMPPOSTS} to {MOST_LAMPPOSTS}, got {self.lampposts}"
            )
        if self.speed is None and self.seconds < SHORTEST_SECONDS:
            said.append(f"--seconds: expected at least {SHORTEST_SECONDS}, got {self.seconds:g}")
        if self.speed is not None and not 1 <= self.speed <= 2000:
            said.append(f"--speed: expected auto or 1 to 2000, got {self.speed:g}")
        if self.report.exists() and not self.report.is_dir():
            said.append(f"--report: expected a folder, got the file {self.report}")
        return said


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}. See: {self.prog} --help\n")


def parse(arguments: Sequence[str]) -> Options:
    """Options out of the words after ``lamplighter-sim demo``.

    Raises:
        SystemExit: with 2 for wrong usage, with 0 after ``--help``.
    """
    parser = _Parser(
        prog="lamplighter-sim demo",
        description="Play one night on one street: real node firmware on MicroPython, a real "
        "gateway, broker and ingest; only the physical world is simulated. Things are done to it "
        "through the night, and at its end every record that a lamppost logged has to be in the "
        "city store, once and unchanged.",
        epilog="Exit codes: 0 every step passed and no record was lost, doubled or altered; "
        "1 otherwise, saying why; 2 wrong usage; 130 ended with Ctrl-C.",
    )
    default = Options()
    parser.add_argument(
        "--nodes", type=int, default=default.lampposts, help="lampposts (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=default.seconds,
        help="in which the night is to pass (default: %(default)g); on a slow machine the script "
        "may take longer, and the street then lives on into the morning",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=None,
        help="street seconds in one second, or auto to fit --seconds (default: auto)",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave all running after the night, until Ctrl-C"
    )
    parser.add_argument(
        "--report",
        type=Path,
        default=default.report,
        help="folder for report and logs, replaced (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=default.seed, help="of the world (default: %(default)s)"
    )
    parser.add_argument(
        "--date",
        type=date.fromisoformat,
        default=default.evening,
        help="of the evening, in London (default: %(default)s)",
    )
    parser.add_argument(
        "--plain", action="store_true", help="progress lines even where there is a terminal"
    )
    given = parser.parse_args(list(arguments))
    options = Options(
        lampposts=given.nodes,
        seconds=given.seconds,
        speed=given.speed,
        keep=given.keep,
        report=given.report,
        seed=given.seed,
        evening=given.date,
        plain=given.plain,
    )
    problems = options.problems()
    if problems:
        parser.error("; ".join(problems))
    return options


def _speed(text: str) -> float | None:
    return None if text == "auto" else float(text)
