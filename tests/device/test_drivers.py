"""Drivers and samplers under the real MicroPython."""

from pathlib import Path

from simulators.tools import Interpreter
from tests.unit.drivers import captures

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts" / "drivers"


def test_parsers_read_captured_frames_and_survive_any_bytes(
    micropython: Interpreter, tmp_path: Path
) -> None:
    frames = captures.frames("PMSx003")
    recording = tmp_path / "frames"
    recording.write_text("".join(frame.hex() + "\n" for frame in frames))

    said = micropython.run(
        SCRIPTS / "parsers.py", str(recording), path=[REPOSITORY], heap="512K"
    ).splitlines()

    known = [captures.decoded(frame) for frame in frames]
    assert said[:-2] == [
        f"{one.pm01:.0f} {one.pm25:.0f} {one.pm10:.0f} {one.raw25:.0f}" for one in known
    ]
    assert said[-2:] == [f"captured {len(frames)} 0 0", "fuzzed"]


def test_samplers_log_notice_dead_parts_and_take_them_back(micropython: Interpreter) -> None:
    said = micropython.run(SCRIPTS / "samplers.py", path=[REPOSITORY], heap="192K").splitlines()

    words = {line.split()[0]: line.split()[1:] for line in said}
    assert words["air"][3:] == ["40", "80", "120", "80", "80", "80", "0"]
    assert words["people"][1:3] == ["0", "0"]
    assert int(words["people"][3]) > 500
    assert words["energy"][2:] == ["2300", "261", "600"]
    healthy = [line.split()[1:] for line in said if line.startswith("healthy")]
    assert healthy == [["True"] * 3, ["False"] * 3, ["True"] * 3]
    assert words["lost"] == ["2", "3", "4"]
    assert words["events"] == ["6"]
