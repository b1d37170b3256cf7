"""The gateway, which on SIGUSR1 writes down what it holds.

    python -m tests.integration.gateway.counted FILE run --config FILE

tasks: of its loop. threads: alive. traced: bytes that Python code has allocated and not given back.
number: how often it was asked.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import threading
import tracemalloc
from pathlib import Path

from gateway import main


def count_into(file: Path) -> None:
    """Write to `file` at each SIGUSR1."""
    tracemalloc.start()
    asked = 0

    def write(*_: object) -> None:
        nonlocal asked
        asked += 1
        gc.collect()
        held = {
            "number": asked,
            # The handler runs in the loop's thread, while the loop does.
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "traced": tracemalloc.get_traced_memory()[0],
        }
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(held))
        fresh.rename(file)

    signal.signal(signal.SIGUSR1, write)


if __name__ == "__main__":
    count_into(Path(sys.argv.pop(1)))
    main.main()
