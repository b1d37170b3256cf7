"""The machine with the real BlueZ: its file system, and where it cannot be had."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path

import pytest

from simulators.tools import bluez_guest, debian, initramfs
from simulators.tools.errors import ToolError


def _unpacked(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """(mode, data) by name, read as Linux's buffer-format.rst has it."""
    data, at = gzip.decompress(archive), 0
    found: dict[str, tuple[int, bytes]] = {}
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        body = at + 110 + name_size
        body += -body % 4
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, data[body : body + size])
        at = body + size
        at += -at % 4


def test_files_folders_and_links_are_packed_as_linux_reads_them(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/busybox").write_bytes(b"\x7fELF" + bytes(range(251)))
    (tmp_path / "bin/busybox").chmod(0o755)
    (tmp_path / "bin/sh").symlink_to("/bin/busybox")
    (tmp_path / "empty").touch(0o600)
    found = _unpacked(initramfs.pack(tmp_path))
    assert list(found) == ["bin", "bin/busybox", "bin/sh", "empty"]
    assert stat.S_ISDIR(found["bin"][0])
    assert found["bin/busybox"] == (stat.S_IFREG | 0o755, b"\x7fELF" + bytes(range(251)))
    assert stat.S_ISLNK(found["bin/sh"][0])
    assert found["bin/sh"][1] == b"/bin/busybox"
    assert found["empty"] == (stat.S_IFREG | 0o600, b"")


def test_on_another_processor_it_is_said_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "host_architecture", lambda: "riscv64")
    with pytest.raises(ToolError, match=r"expected a machine of amd64 .*, got riscv64"):
        bluez_guest.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_there_asks_nothing_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / f"bluez-guest-amd64-{bluez_guest.RECIPE}"
    there.mkdir()
    monkeypatch.setattr(debian, "host_architecture", None)
    assert bluez_guest.fetch(tmp_path) == there
