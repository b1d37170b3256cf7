"""``python -m simulators.tools fetch`` and ``python -m simulators.tools path <program>``."""

import argparse
import shlex
import sys

from simulators.tools.errors import ToolError
from simulators.tools.programs import PROGRAMS, command, fetch_absent


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 a program could not be obtained."""
    parser = argparse.ArgumentParser(
        prog="python -m simulators.tools", description="Obtain the programs the simulators run."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="obtain what is absent and say where each program is")
    path = commands.add_parser("path", help="print the command that starts a program")
    path.add_argument("program", choices=sorted(PROGRAMS))
    options = parser.parse_args(arguments)
    names: list[str] = sorted(PROGRAMS) if options.command == "fetch" else [options.program]
    try:
        fetch_absent(PROGRAMS[name] for name in names)
        for name in names:
            program = PROGRAMS[name]
            words = command(program)
            if options.command == "fetch":
                print(f"{name} {program.probe(words)}: {shlex.join(words)}")
            else:
                print(shlex.join(words))
    except ToolError as error:
        print(f"simulators.tools: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
