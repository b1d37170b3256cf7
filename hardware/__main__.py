"""`python -m hardware check|generate`: look boards over, and make what derives from them."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from hardware import check, generate, model

ROOT = Path(__file__).resolve().parents[1]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"hardware: {' '.join(message.split())}. See: {self.prog} --help\n")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 for sound boards, 1 for problems, 2 for wrong usage."""
    parser = _Parser(prog="python -m hardware", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    looking = commands.add_parser("check", help="look for mistakes in boards")
    looking.add_argument("board", nargs="*", help="ids or TOML files (default: all)")
    commands.add_parser("generate", help="write pins, pages and wiring; prints what changed")
    given = parser.parse_args(arguments)
    try:
        parts = model.parts()
        if given.command == "check":
            return _check(given.board or model.board_ids(), parts)
        for path in generate.write(ROOT, parts):
            print(path)
    except model.HardwareError as error:
        print(f"hardware: {error}", file=sys.stderr)
        return 1
    return 0


def _check(names: list[str], parts: dict[str, model.Part]) -> int:
    failed = 0
    for name in names:
        path = Path(name)
        board = model.read_board(path) if path.suffix == ".toml" else model.board(name)
        found = check.problems(board, parts)
        for problem in found:
            print(f"{board.id}: {problem}")
        print(f"{board.id}: {len(board.pins)} pins, {len(found)} problems")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
