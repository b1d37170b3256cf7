"""The pictures of the README, from a demo's report: ``python -m simulators.demo.picture``.

``docs/demo.svg`` is the live view in the middle of the night, ``docs/demo.png`` the top of the
report as a browser shows it. Needs Chromium on PATH for the second.
"""

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from simulators.demo.snapshot import Snapshot
from simulators.demo.view import StreetView

_COLUMNS, _LINES = 104, 30
_WIDTH, _HEIGHT = 1000, 1500
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_BROWSER_SECONDS = 120
_FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)


def save_view(snapshot: Snapshot, file: Path) -> None:
    """Write the live view of ``snapshot`` as an SVG image."""
    console = Console(
        record=True,
        width=_COLUMNS,
        height=_LINES,
        file=io.StringIO(),
        color_system="truecolor",
        force_terminal=True,
    )
    console.print(StreetView(snapshot))
    image = console.export_svg(title="lamplighter-sim demo")
    # The image is to need nothing from the network: a font that is here will do.
    file.write_text(_FONT_FACE.sub("", image), encoding="utf-8")


def screenshot(page: Path, file: Path) -> str:
    """Take a picture of the top of ``page``; returns why not, empty when it was taken."""
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        return f"expected one of {', '.join(_BROWSERS)} on PATH, got none; install chromium"
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={profile}", f"--window-size={_WIDTH},{_HEIGHT}",
            f"--screenshot={file.absolute()}", page.absolute().as_uri(),
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_BROWSER_SECONDS, check=False
        )
    return "" if done.returncode == 0 and file.exists() else f"{browser}: {done.stderr.strip()}"


def main(arguments: list[str] | None = None) -> int:
    """Make both pictures; exit code 0 made, 1 not, saying why."""
    parser = argparse.ArgumentParser(prog="python -m simulators.demo.picture", description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("demo-report"), help="of a demo")
    parser.add_argument("--to", type=Path, default=Path("docs"), help="folder for the pictures")
    given = parser.parse_args(arguments)
    page, view = given.report / "index.html", given.report / "street.svg"
    if not page.exists() or not view.exists():
        print(f"expected a report in {given.report}, got none; run: make demo", file=sys.stderr)
        return 1
    given.to.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(view, given.to / "demo.svg")
    problem = screenshot(page, given.to / "demo.png")
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
