"""The epoch of the node's log."""

from pathlib import Path

import pytest

from firmware.node.epoch import next_epoch


class Nvs:
    def __init__(self, fails: bool = False) -> None:
        self.values: dict[str, int] = {}
        self.fails = fails

    def get_i32(self, key: str) -> int:
        if key not in self.values:
            raise OSError(-4354)
        return self.values[key]

    def set_i32(self, key: str, value: int) -> None:
        if self.fails:
            raise OSError(-4357)
        self.values[key] = value

    def commit(self) -> None:
        pass


def test_each_is_one_higher(tmp_path: Path) -> None:
    path = str(tmp_path / "epoch")
    nvs = Nvs()

    assert [next_epoch(path, nvs, 0) for _ in range(3)] == [1, 2, 3]
    assert next_epoch(path, None, 0) == 4


@pytest.mark.parametrize("junk", [b"", b"\xff" * 8, b"\0" * 8, b"1234", b"\x05\0\0\0\0\0\0\0"])
def test_a_damaged_file_is_made_up_for_by_nvs(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "epoch"
    nvs = Nvs()
    next_epoch(str(path), nvs, 6)
    path.write_bytes(junk)

    assert next_epoch(str(path), nvs, 0) == 8


def test_one_place_is_enough_and_none_is_an_error(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone" / "epoch")
    nvs = Nvs()

    assert next_epoch(gone, nvs, 0) == 1
    assert next_epoch(str(tmp_path / "epoch"), Nvs(fails=True), 4) == 5
    with pytest.raises(OSError, match="No such file"):
        next_epoch(gone, Nvs(fails=True), 0)
