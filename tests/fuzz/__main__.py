"""`python -m tests.fuzz NAME --seconds 60`: one harness under atheris; exit code 1 for a find.

The input that was found is shown and kept under `--keep`. `--input FILE` gives it again.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.harness import Harness

_RSS_MB = 700
_TIMEOUT_S = 10
_LONGEST = 8192


def main() -> None:
    """Does not come back from fuzzing: libFuzzer ends the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name", nargs="?", help="a harness; without one their names are shown")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="a folder to go on from and to add to")
    parser.add_argument("--keep", type=Path, default=Path(), help="where finds are put")
    parser.add_argument("--input", type=Path, help="give this file's bytes alone")
    given = parser.parse_args()
    if given.input is not None:
        _harness(given.name)().feed(given.input.read_bytes())
        return
    if given.name is None:
        from tests.fuzz.inputs import HARNESSES

        print("\n".join(HARNESSES))
        return
    with tempfile.TemporaryDirectory(prefix="lamplighter-corpus-") as folder:
        _fuzz(given.name, given.seconds, given.corpus or Path(folder), given.keep)


def _fuzz(name: str, seconds: int, corpus: Path, keep: Path) -> None:
    # By name: it is not there on every machine.
    atheris: Any = importlib.import_module("atheris")

    with atheris.instrument_imports(include=["gateway", "protocol"]):
        make = _harness(name)
    left = [0]
    harness = make()

    def one(data: bytes) -> None:
        nonlocal harness
        # What is kept between inputs is part of what is tried, but not without end: a find has to
        # be found again.
        if not left[0]:
            harness, left[0] = make(), 16
        left[0] -= 1
        try:
            harness.feed(data)
        except BaseException:
            # By this input alone?
            make().feed(data)
            raise

    options = (
        f"-max_total_time={seconds}", f"-rss_limit_mb={_RSS_MB}", f"-timeout={_TIMEOUT_S}",
        f"-max_len={_LONGEST}", f"-artifact_prefix={keep}/", "-len_control=20",
        "-print_final_stats=1",
    )  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def _harness(name: str) -> Callable[[], Harness]:
    from tests.fuzz.inputs import HARNESSES

    if name not in HARNESSES:
        sys.exit(f"{name}: expected one of {', '.join(HARNESSES)}")
    return HARNESSES[name]


if __name__ == "__main__":
    main()
