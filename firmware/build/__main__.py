"""`python -m firmware.build`: a signed release image from the sources beside this package.

With --delta-from also the delta from an older release to it; with --to as well, that delta alone,
to a release that was made before.
"""

import sys
from pathlib import Path

from firmware.build.commandline import Parser, read_image
from firmware.build.delta import build_delta
from firmware.build.errors import BuildError
from firmware.build.image import DEFAULT_BOARD, build_unsigned, inspect, sign
from firmware.build.keys import generate_key, load_key
from firmware.node.update import selftest


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; exit code 0 done, 1 the release could not be made, 2 wrong usage."""
    parser = Parser(prog="python -m firmware.build", description=__doc__)
    parser.add_argument("--version", help="version of the release, such as 1.2.3")
    parser.add_argument("--key", required=True, type=Path, help="RSA-3072 release key, a PEM file")
    parser.add_argument(
        "--generate-key", action="store_true", help="make the key, in a file that is not there yet"
    )
    parser.add_argument("--out", required=True, type=Path, help="file to write the image to")
    parser.add_argument(
        "--board", default=DEFAULT_BOARD, help="board id it is for (default: %(default)s)"
    )
    parser.add_argument(
        "--security-counter",
        type=int,
        default=1,
        metavar="N",
        help="nodes that confirm this release refuse lower ones from then on (default: 1)",
    )
    parser.add_argument(
        "--overlay",
        type=Path,
        metavar="DIR",
        help="folder with node/ or protocol/ whose files replace or add to the sources",
    )
    parser.add_argument(
        "--self-test",
        default=selftest.DEFAULT,
        metavar="CHECKS",
        help=f"what has to be well before a node keeps the release, of "
        f"{', '.join(selftest.CHECKS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--delta-from",
        type=Path,
        metavar="OLD.img",
        help="also make the delta that nodes take which run this release",
    )
    parser.add_argument(
        "--delta-out",
        type=Path,
        metavar="FILE",
        help="file to write it to (default: OUT with -from-VERSION in its name)",
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="NEW.img",
        help="with --delta-from: build nothing, write the delta to this release to OUT",
    )
    options = parser.parse_args(arguments)
    if options.to is not None and options.delta_from is None:
        parser.error("--to needs --delta-from")
    if (options.to is None) == (options.version is None):
        parser.error("expected one of --version and --to")
    try:
        base = None if options.delta_from is None else read_image(options.delta_from)
        key = None if options.generate_key else load_key(options.key)
        if base is not None and options.to is not None:
            result = read_image(options.to)
            delta = sign(build_delta(base, result), key or generate_key(options.key))
            _write_delta(base, result, delta, options.out)
            return 0
        unsigned = build_unsigned(
            options.version,
            options.board,
            options.security_counter,
            options.overlay,
            options.self_test,
        )
        key = key or generate_key(options.key)
        image = sign(unsigned, key)
        # Made before anything is written: half of what was asked for looks like all of it.
        delta = None if base is None else sign(build_delta(base, image), key)
        options.out.write_bytes(image)
        info = inspect(image, key)
        print(
            f"{options.out}: version {info.version} for {info.board}, security counter "
            f"{info.security_counter}, {info.size} bytes, hash {info.image_hash.hex()}"
        )
        if base is not None and delta is not None:
            name = f"{options.out.stem}-from-{inspect(base).version}{options.out.suffix}"
            _write_delta(base, image, delta, options.delta_out or options.out.with_name(name))
    except (BuildError, OSError) as error:
        print(f"firmware.build: {error}", file=sys.stderr)
        return 1
    return 0


def _write_delta(base: bytes, result: bytes, delta: bytes, out: Path) -> None:
    out.write_bytes(delta)
    print(
        f"{out}: delta from version {inspect(base).version} to {inspect(result).version}, "
        f"{len(delta)} bytes, {100 * len(delta) / len(result):.1f} % of the whole release"
    )


if __name__ == "__main__":
    sys.exit(main())
