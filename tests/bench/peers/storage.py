"""ThingsBoard gateway's sqlite storage alone: messages put until stored, packs read and done."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

from simulators.tools.environments import environment
from tests.bench.peers.thingsboard import REQUIREMENT

_TIMEOUT_S = 120

# Runs in the peer's own environment. `put` answers before anything is written, so what counts is
# when all of it is in the file.
_SCRIPT = """
import json, logging, sqlite3, sys, threading, time
from thingsboard_gateway.storage.sqlite.sqlite_event_storage import SQLiteEventStorage
logging.Logger.trace = lambda self, *a, **k: None
folder, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
storage = SQLiteEventStorage(
    {"data_file_path": folder + "/", "max_read_records_count": 1000}, logging.getLogger("bench"),
    threading.Event())
message = json.dumps({"r": "x" * size})
look = sqlite3.connect(folder + "/data.db")
began = time.perf_counter()
for _ in range(count):
    storage.put(message)
while look.execute("SELECT count(*) FROM messages").fetchone()[0] < count:
    time.sleep(0.005)
stored = time.perf_counter() - began
began, seen = time.perf_counter(), 0
while seen < count:
    pack = storage.get_event_pack()
    if pack:
        seen += len(pack)
        storage.event_pack_processing_done()
    else:
        time.sleep(0.001)
print(json.dumps([count / stored, count / (time.perf_counter() - began)]))
import os
os._exit(0)
"""


class Rates(NamedTuple):
    """Messages a second: put until in the file; read and acknowledged."""

    put: float
    read: float


def measure(folder: Path, messages: int, size: int) -> Rates:
    """`messages` of about `size` bytes through the storage in `folder`.

    Raises ToolError, subprocess.SubprocessError.
    """
    python = environment("thingsboard-gateway", REQUIREMENT)
    folder.mkdir(parents=True)
    done = subprocess.run(
        [str(python), "-c", _SCRIPT, str(folder), str(messages), str(size)],
        check=True, capture_output=True, text=True, timeout=_TIMEOUT_S,
    )  # fmt: skip
    return Rates(*json.loads(done.stdout.strip().splitlines()[-1]))
