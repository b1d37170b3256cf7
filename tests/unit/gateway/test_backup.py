"""Backups: taken beside a running gateway, brought back so that nothing is used twice or lost."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from pathlib import Path

import pytest

from gateway import data_dir
from gateway.backup.archive import BadBackup
from gateway.backup.restore import Newer, restore
from gateway.backup.save import save
from gateway.buffer import copies
from gateway.buffer import database as db
from gateway.buffer.records import Position
from gateway.config import load
from gateway.errors import ConfigurationError, DataFolderInUse, GatewayError
from gateway.logs import get
from gateway.main import run_program
from tests.unit.gateway.test_buffer import NODE, batch
from tests.unit.gateway.test_buffer import opened as buffer

CONFIGURATION = """
[gateway]
id = "cabinet-7"
data_dir = "{folder}/data"

[bus.north]
port = "/dev/ttyUSB0"

[[lamppost]]
id = "a0b1c2d3e4f5"
name = "high-street-12"
bus = "north"
address = 12
key = "000102030405060708090a0b0c0d0e0f"
key_id = 1

[mqtt]
host = "localhost"
username = "cabinet-7"
password_file = "{folder}/password"
"""


class Cabinet:
    """A gateway's files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "gateway.toml"
        self.database = folder / "data" / data_dir.DATABASE
        self.password = folder / "password"
        self.archive = folder.with_name("backup.tar.gz")
        self.said: list[str] = []

    def install(self) -> None:
        (self.folder / "data" / "trust").mkdir(parents=True)
        (self.folder / "data" / "trust" / "root.json").write_text("{}")
        (self.folder / "data" / data_dir.RELEASES).mkdir()
        (self.folder / "data" / data_dir.RELEASES / "1.bin").write_bytes(b"fetched again")
        self.file.write_text(CONFIGURATION.format(folder=self.folder))
        self.file.chmod(0o640)
        self.password.write_text("secret")
        self.password.chmod(0o600)

    def back_up(self) -> None:
        self.archive.unlink(missing_ok=True)
        save(self.file, load(self.file)[0], self.archive, "1.2.3")

    def die(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def restore(self, *, force: bool = False) -> None:
        restore(self.archive, self.file, self.said.append, force=force)


@pytest.fixture
def cabinet(tmp_path: Path) -> Cabinet:
    made = Cabinet(tmp_path / "cabinet")
    made.install()
    return made


async def numbers(path: Path) -> list[int]:
    async with buffer(path) as (records, _, _, _):
        return [row.seq for row in await records.begin(0, None, 10**6)]


async def test_all_of_a_gateway_comes_back_on_a_new_card(cabinet: Cabinet) -> None:
    async with buffer(cabinet.database) as (records, state, _, _):
        await records.add(batch(0, 30))
        await state.reserve_counters(NODE, 0, 100)
        cabinet.back_up()  # while it runs
        await records.add(batch(30, 1, start=30))
    assert cabinet.archive.stat().st_mode & 0o777 == 0o600
    cabinet.die()
    cabinet.restore()
    assert load(cabinet.file)[0].gateway.id == "cabinet-7"
    assert cabinet.file.stat().st_mode & 0o777 == 0o640
    assert cabinet.password.read_text() == "secret"
    assert cabinet.password.stat().st_mode & 0o777 == 0o600
    assert (cabinet.folder / "data" / "trust" / "root.json").exists()
    assert not (cabinet.folder / "data" / data_dir.RELEASES).exists()
    async with buffer(cabinet.database) as (records, _, _, positions):
        assert positions == {NODE: Position(1, 30)}
        rows = await records.begin(0, None, 100)
        assert [row.seq for row in rows] == list(range(30))
        await records.add(batch(30, 1, start=30))
        last = (await records.begin(0, None, 100))[-1]
        assert last.id > rows[-1].id


async def test_no_sealing_counter_is_used_twice_whatever_was_used_since(cabinet: Cabinet) -> None:
    async with buffer(cabinet.database) as (_, state, _, _):
        await state.reserve_counters(NODE, 0, 100)
        cabinet.back_up()
        used = 0
        # A transfer takes hundreds of thousands; a year of them is far below what is stepped over.
        for _ in range(50):
            _, used = await state.reserve_counters(NODE, 0, 1 << 24)
    cabinet.die()
    cabinet.restore()
    async with buffer(cabinet.database) as (_, state, _, _):
        first, _ = await state.reserve_counters(NODE, 0, 1)
    assert first > used
    assert first < 1 << 40


async def test_keys_of_groups_are_made_anew(cabinet: Cabinet) -> None:
    async with buffer(cabinet.database) as (_, _, writer, _):
        await writer.submit(
            lambda d: (
                d.execute("INSERT INTO group_key VALUES ('north', 200, ?, 5)", [b"k" * 16]) and 0
            )
        )
    cabinet.back_up()
    cabinet.restore(force=True)
    with contextlib.closing(sqlite3.connect(cabinet.database)) as raw:
        assert raw.execute("SELECT count(*) FROM group_key").fetchone() == (0,)


async def test_over_the_same_gateway_gone_on_nothing_is_sent_again_and_nothing_lost(
    cabinet: Cabinet,
) -> None:
    async with buffer(cabinet.database) as (records, _, _, _):
        await records.add(batch(0, 10))
    cabinet.back_up()
    async with buffer(cabinet.database) as (records, state, _, _):
        # 0 to 9 go up; 10 to 19 are read and acknowledged, and wait.
        await records.accept(await records.begin(0, None, 100))
        await records.add(batch(10, 10, start=10))
        _, used = await state.reserve_counters(NODE, 0, 100)
    with pytest.raises(Newer, match="holds 10 records"):
        cabinet.restore()
    assert await numbers(cabinet.database) == list(range(10, 20)), "nothing was changed"
    cabinet.restore(force=True)
    async with buffer(cabinet.database) as (records, state, _, positions):
        assert positions == {NODE: Position(1, 20)}
        assert [row.seq for row in await records.begin(0, None, 99)] == list(range(10, 20))
        assert (await state.reserve_counters(NODE, 0, 1))[0] > used
        counters = await records.counters()
        assert (counters["added"], counters["sent"]) == (20, 10)
    aside = list(cabinet.database.parent.glob("gateway.db.replaced-*"))
    assert len(aside) == 1
    assert await numbers(aside[0]) == list(range(10, 20)), "what was there stays beside"


async def test_over_another_database_the_records_of_both_are_kept(cabinet: Cabinet) -> None:
    async with buffer(cabinet.database) as (records, _, _, _):
        await records.add(batch(0, 10))
    cabinet.back_up()
    # The card dies; the gateway began anew on another, and has read what the lamppost still had.
    cabinet.database.unlink()
    async with buffer(cabinet.database) as (records, _, _, _):
        await records.add(batch(5, 10))
    cabinet.restore(force=True)
    async with buffer(cabinet.database) as (records, _, _, positions):
        assert positions == {NODE: Position(1, 15)}
        found = [row.seq for row in await records.begin(0, None, 99)]
        assert sorted(found) == list(range(15)), "each once, whatever was sent before"


async def test_over_an_older_copy_of_itself_nothing_is_lost(cabinet: Cabinet) -> None:
    async with buffer(cabinet.database) as (records, _, _, _):
        await records.add(batch(0, 5))
    older = cabinet.folder / "older.db"
    shutil.copy(cabinet.database, older)
    async with buffer(cabinet.database) as (records, _, _, _):
        await records.add(batch(5, 5, start=5))
    cabinet.back_up()
    shutil.copy(older, cabinet.database)
    cabinet.restore(force=True)
    assert await numbers(cabinet.database) == list(range(10))


async def test_it_refuses_a_running_gateway_even_with_force(cabinet: Cabinet) -> None:
    async with buffer(cabinet.database):
        pass
    cabinet.back_up()
    with (
        data_dir.held(cabinet.database.parent, "cabinet-7"),
        pytest.raises(DataFolderInUse, match="in use by gateway cabinet-7"),
    ):
        cabinet.restore(force=True)


async def test_another_configuration_is_replaced_only_by_force_and_kept(cabinet: Cabinet) -> None:
    async with buffer(cabinet.database):
        pass
    cabinet.back_up()
    changed = cabinet.file.read_text().replace("high-street-12", "low-street-1")
    cabinet.file.write_text(changed)
    with pytest.raises(Newer, match="differs from what is in the backup"):
        cabinet.restore()
    assert cabinet.file.read_text() == changed
    cabinet.restore(force=True)
    assert "high-street-12" in cabinet.file.read_text()
    kept = list(cabinet.folder.glob("gateway.toml.replaced-*"))
    assert [file.read_text() for file in kept] == [changed]


async def test_certificates_made_anew_meanwhile_give_way_but_newer_trust_stays(
    cabinet: Cabinet,
) -> None:
    async with buffer(cabinet.database):
        pass
    authority = cabinet.database.parent / "lan" / "authority.pem"
    authority.parent.mkdir()
    authority.write_text("believed by the lampposts")
    trust = cabinet.database.parent / "trust" / "root.json"
    cabinet.back_up()
    cabinet.die()
    # Started on the new card before the backup was brought back.
    authority.parent.mkdir(parents=True)
    authority.write_text("new, believed by nobody")
    trust.parent.mkdir()
    trust.write_text("newer")
    with pytest.raises(Newer, match=r"authority.pem: differs"):
        cabinet.restore()
    cabinet.restore(force=True)
    assert authority.read_text() == "believed by the lampposts"
    assert trust.read_text() == "newer"


async def test_a_damaged_database_that_is_there_is_put_aside_by_force(cabinet: Cabinet) -> None:
    async with buffer(cabinet.database) as (records, _, _, _):
        await records.add(batch(0, 3))
    cabinet.back_up()
    cabinet.database.write_bytes(b"\xa5" * 8192)
    with pytest.raises(Newer, match="cannot be read"):
        cabinet.restore()
    cabinet.restore(force=True)
    assert await numbers(cabinet.database) == [0, 1, 2]
    assert not db.set_aside(cabinet.database), "this is no damage found by the gateway"


async def test_interrupted_it_is_taken_up_by_the_next_start(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    async with buffer(cabinet.database) as (records, _, _, _):
        await records.add(batch(0, 3))
    cabinet.back_up()
    rename, steps = Path.rename, 0
    for moment in range(1, 20):
        shutil.rmtree(cabinet.database.parent)
        cabinet.database.parent.mkdir()
        async with buffer(cabinet.database) as (records, _, _, _):
            await records.add(batch(3, 3))
        steps = 0

        def step(one: Path, other: Path, moment: int = moment) -> Path:
            nonlocal steps
            steps += 1
            if steps == moment:
                raise Killed
            return rename(one, other)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", step)
            with contextlib.suppress(Killed):
                cabinet.restore(force=True)
        assert sorted(await numbers(cabinet.database)) in ([3, 4, 5], [0, 1, 2, 3, 4, 5])
        if steps < moment:
            break
    assert steps >= 2


def test_what_is_no_backup_or_is_damaged_changes_nothing(cabinet: Cabinet) -> None:
    db.open_checked(cabinet.database, get()).conn.close()
    cabinet.back_up()
    good = cabinet.archive.read_bytes()
    cabinet.die()
    spoilt = bytearray(good)
    spoilt[len(good) // 2] ^= 0xFF
    cut = [good[: len(good) * part // 20] for part in range(1, 20)]
    for bad in (b"", b"\x00" * 100, *cut, bytes(spoilt)):
        cabinet.archive.write_bytes(bad)
        with pytest.raises(BadBackup, match="damaged"):
            cabinet.restore()
        assert list(cabinet.folder.rglob("*.db")) == []
        assert not cabinet.file.exists()


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "trust/../../outside", ""])
def test_a_path_of_a_forged_backup_leads_nowhere_else(
    cabinet: Cabinet, path: str, tmp_path: Path
) -> None:
    db.open_checked(cabinet.database, get()).conn.close()
    cabinet.back_up()
    forge(cabinet.archive, "data", path)
    cabinet.die()
    with pytest.raises(BadBackup, match="no place in the data folder"):
        cabinet.restore()
    assert not (tmp_path / "outside").exists()
    assert not cabinet.database.exists()


def test_a_file_that_the_configuration_does_not_name_is_left_out(
    cabinet: Cabinet, tmp_path: Path
) -> None:
    db.open_checked(cabinet.database, get()).conn.close()
    cabinet.back_up()
    forge(cabinet.archive, "named", str(tmp_path / "authorized_keys"))
    cabinet.die()
    cabinet.restore()
    assert not (tmp_path / "authorized_keys").exists()
    assert any("left out" in line for line in cabinet.said)
    assert cabinet.database.exists()


def forge(archive: Path, role: str, path: str) -> None:
    """Change where the first file of a role goes."""
    with tarfile.open(archive) as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar.getmembers()]  # type: ignore[union-attr]
    manifest = json.loads(members[0][1])
    next(file for file in manifest["files"] if file["role"] == role)["path"] = path
    members[0] = ("manifest.json", json.dumps(manifest).encode())
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_a_backup_does_not_replace_a_file_or_leave_half_of_one(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.open_checked(cabinet.database, get()).conn.close()
    cabinet.archive.write_text("precious")
    with pytest.raises(GatewayError, match="is there already"):
        save(cabinet.file, load(cabinet.file)[0], cabinet.archive, "1")
    assert cabinet.archive.read_text() == "precious"
    cabinet.archive.unlink()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(cabinet.file, load(cabinet.file)[0], cabinet.archive, "1")
    assert [file.name for file in cabinet.archive.parent.iterdir()] == ["cabinet"]


def test_a_configuration_this_program_cannot_use_changes_nothing(cabinet: Cabinet) -> None:
    db.open_checked(cabinet.database, get()).conn.close()
    content = cabinet.file.read_text()
    configuration = load(cabinet.file)[0]
    cabinet.file.write_text(content + "\n[future]\nx = 1\n")
    with pytest.raises(ConfigurationError):
        load(cabinet.file)
    save(cabinet.file, configuration, cabinet.archive, "9")
    cabinet.die()
    with pytest.raises(GatewayError, match="cannot be used here"):
        cabinet.restore()
    assert list(cabinet.folder.iterdir()) == []


def test_the_commands_say_what_they_do_and_end_with_1_otherwise(
    cabinet: Cabinet, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(cabinet.file)]
    assert run_program(["backup", str(cabinet.archive), *config]) == 1
    assert "there is no database yet" in capsys.readouterr().err
    db.open_checked(cabinet.database, get()).conn.close()
    assert run_program(["backup", str(cabinet.archive), *config]) == 0
    assert "keys among them" in capsys.readouterr().out
    cabinet.die()
    assert run_program(["restore", str(cabinet.archive), *config]) == 0
    assert f"{cabinet.database}: restored" in capsys.readouterr().out
    assert run_program(["restore", str(cabinet.file), *config]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no backup of a gateway" in error
    assert run_program(["restore", "nowhere.tar.gz", *config]) == 1
    assert "nowhere.tar.gz: is not there; name a file" in capsys.readouterr().err
    cabinet.database.unlink()
    assert run_program(["nodes", *config]) == 1
    assert f"{cabinet.database} is not there" in capsys.readouterr().err


def test_a_copy_says_how_far_it_is(cabinet: Cabinet, tmp_path: Path) -> None:
    db.open_checked(cabinet.database, get()).conn.close()
    state = copies.take(cabinet.database, tmp_path / "copy.db")
    assert state == copies.state(cabinet.database)
    assert not (tmp_path / "copy.db-wal").exists(), "one file"
