"""The gateway, with a database laid into its folder on a disk that is then filled.

python -m tests.integration.gateway.laid_out DATABASE run --config FILE
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tomllib
from pathlib import Path

from gateway import main


def lay_out(database: Path, config: Path) -> None:
    """Once only: what it has been salvaged into stays."""
    folder = Path(tomllib.loads(config.read_text())["gateway"]["data_dir"])
    shutil.copy(database, folder / "gateway.db")
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), Path(sys.argv[-1]))
    sys.argv[1:2] = []
    main.main()
