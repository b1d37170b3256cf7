"""`python -m firmware.build`: a signed release image from the sources beside this package."""

import argparse
import sys
from pathlib import Path

from firmware.build.errors import BuildError
from firmware.build.image import DEFAULT_BOARD, build_unsigned, inspect, sign
from firmware.build.keys import generate_key, load_key


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; exit code 0 done, 1 the release could not be made, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m firmware.build", description=__doc__)
    parser.add_argument("--version", required=True, help="version of the release, such as 1.2.3")
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
    options = parser.parse_args(arguments)
    try:
        key = generate_key(options.key) if options.generate_key else load_key(options.key)
        unsigned = build_unsigned(
            options.version, options.board, options.security_counter, options.overlay
        )
        image = sign(unsigned, key)
        options.out.write_bytes(image)
    except (BuildError, OSError) as error:
        print(f"firmware.build: {error}", file=sys.stderr)
        return 1
    info = inspect(image, key)
    print(
        f"{options.out}: version {info.version} for {info.board}, security counter "
        f"{info.security_counter}, {info.size} bytes, hash {info.image_hash.hex()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
