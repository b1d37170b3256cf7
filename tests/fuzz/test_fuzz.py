"""Every harness: by hypothesis in the normal run, by atheris for minutes in the soak."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.inputs import HARNESSES, KEEPING

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = int(os.environ.get("LAMPLIGHTER_FUZZ_SECONDS", "180"))
# Of those that verify signatures or write files each time.
SLOW = {"release": 6, "backup": 15, "certificates": 15, "configuration": 15}
# What Python itself keeps for the next time: of regular expressions, small integers, and so on.
CACHES = 100_000


@pytest.mark.parametrize("name", HARNESSES)
def test_whatever_bytes_come_nothing_falls_and_nothing_is_let_in(name: str) -> None:
    make = HARNESSES[name]

    @settings(max_examples=SLOW.get(name, 40), deadline=None)
    @given(st.lists(st.binary(max_size=400), min_size=1, max_size=3))
    def holds(inputs: list[bytes]) -> None:
        harness = make()
        for data in inputs:
            harness.feed(data)
        _bounded(harness.sizes())

    holds()


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("inputs", [50, pytest.param(100_000, marks=pytest.mark.soak)])
def test_nothing_grows_with_what_is_sent(name: str, inputs: int) -> None:
    harness = HARNESSES[name]()
    chance = random.Random(name)
    if inputs >= 100_000:
        tracemalloc.start()
    try:
        held: list[int] = []
        for number in range(inputs):
            harness.feed(chance.randbytes(chance.choice((20, 100, 500))))
            if number % (inputs // 5) == 0:
                _bounded(harness.sizes())
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    _bounded(harness.sizes())
    if inputs >= 100_000:
        # What comes in the first fifth is there from then on.
        assert held[-1] - held[1] < CACHES, held


@pytest.mark.soak
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this machine")
@pytest.mark.parametrize("name", HARNESSES)
def test_atheris_finds_nothing(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(SECONDS), "--keep", tmp_path],
        cwd=REPOSITORY, capture_output=True, text=True, errors="replace", check=False,
        timeout=SECONDS * 3 + 120,
    )  # fmt: skip
    found = [path.read_bytes().hex() for path in tmp_path.iterdir()]
    assert done.returncode == 0, f"{found}\n{done.stderr[-4000:]}{done.stdout[-4000:]}"
    assert "Done " in done.stderr, "it did not run"


def test_a_find_of_atheris_is_a_failure(tmp_path: Path) -> None:
    """By the exit code, which is what the soak goes by."""
    pytest.importorskip("atheris")
    script = (
        "import tests.fuzz.__main__ as m, sys\n"
        "class Falls:\n"
        "    def feed(self, data):\n"
        "        if data[:1] == b'\\x41': raise AssertionError('found')\n"
        "m._harness = lambda name: Falls\n"
        f"sys.argv = ['x', 'falls', '--seconds', '20', '--keep', {str(tmp_path)!r}]\n"
        "m.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True,
        errors="replace", check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode not in (0, 1), done.stderr[-2000:]
    assert [path.read_bytes()[:1] for path in tmp_path.iterdir()] == [b"A"]


def _bounded(sizes: dict[str, tuple[int, int]]) -> None:
    for what, (there, most) in sizes.items():
        assert there <= most, f"{what}: {there}, at most {most}"
