"""A real file system that is full, filled by others, or read-only."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.buffer.small_disk import KEEP

REPOSITORY = Path(__file__).resolve().parents[3]
# A user and mount name space of its own: the disk is seen by this test alone, and root not needed.
_ALONE = ["unshare", "--user", "--map-root-user", "--mount"]


def may_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "probe", str(folder)]
    return subprocess.run([*_ALONE, *mount], check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("disk")
    if not may_mount(folder):
        pytest.skip("this user may make no name space with a disk of its own (unshare)")
    script = [sys.executable, "-m", "tests.integration.buffer.small_disk", str(folder)]
    done = subprocess.run(
        [*_ALONE, *script], capture_output=True, check=False, cwd=REPOSITORY, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return json.loads(done.stdout)


def test_a_full_disk_stores_nothing_by_half_and_goes_on_with_room(found: dict[str, Any]) -> None:
    assert "full" in found["full"]
    assert found["full_again"] != ""
    assert found["full_kept"]
    assert found["full_short"] == "free disk"
    assert found["after_full"] == ""


def test_a_disk_that_others_fill_is_given_room_by_the_oldest_telemetry(
    found: dict[str, Any],
) -> None:
    assert found["short"] == [0, 0, 0, 0], "at first only no more is read"
    disk, events = found["dropped"]
    assert disk > 0
    assert events == 0
    assert found["gone"] == disk
    assert found["events_stay"]
    assert found["newest_stay"]
    assert found["free_after"] > KEEP // 4, "the room is given back to the file system"


def test_a_disk_that_takes_no_write_is_read_from_and_no_damage(found: dict[str, Any]) -> None:
    assert found["no_write"] != ""
    assert found["no_write_reads"]
    assert found["after_no_write"] == ""
    assert found["damage"] == []
    assert found["aside"] == []
    assert found["at_the_end"]


def test_a_read_only_disk_at_the_start_is_said_in_one_line(found: dict[str, Any]) -> None:
    assert "gateway.db" in found["read_only_start"]
    assert "mounted read-only: look at the disk" in found["read_only_start"]
    assert "\n" not in found["read_only_start"]
