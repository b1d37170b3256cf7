"""A release repository as a desk keeps it: what is signed, by whom, and what is refused."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware.build import PrivateKey, generate_key, load_key, sign
from fleet_cli import main
from fleet_cli.errors import BadInput
from fleet_cli.release.repository import Repository
from fleet_cli.release.rolekeys import ROLES, RoleKeys
from tests.releases import City, release_files, signed_image

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "release.pem"
    generate_key(path)
    return path


@pytest.fixture
def key(key_file: Path) -> PrivateKey:
    return load_key(key_file)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`lamplighter release ...` in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")

    def release(*arguments: str) -> tuple[int, str, str]:
        code = main.run(["release", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return release


def roles_in(out: str) -> dict[str, Any]:
    return {role: facts["version"] for role, facts in json.loads(out)["roles"].items()}


def test_deltas_lead_to_a_release_from_those_before(
    run: Run, key: PrivateKey, key_file: Path, tmp_path: Path
) -> None:
    one, two, three, four = release_files(tmp_path, key, "1.0.0", "1.1.0", "1.2.0", "1.10.0")
    files = map(str, (three, one, two, four))  # in no order
    code, out, error = run(
        "publish", *files, "--key", str(key_file), "--deltas", "2", "--no-send", "--json"
    )
    assert code == 0, error
    assert [delta["path"].partition("/")[2] for delta in json.loads(out)["deltas"]] == [
        "1.1.0.from-1.0.0.delta",
        "1.2.0.from-1.0.0.delta", "1.2.0.from-1.1.0.delta",
        "1.10.0.from-1.1.0.delta", "1.10.0.from-1.2.0.delta",
    ]  # fmt: skip
    code, out, error = run("publish", str(four), "--no-send", "--keep", "1", "--json")
    assert (code, "is there already" in error) == (0, True)
    files_left = [path.name for path in (tmp_path / "releases" / "targets").rglob("*.*")]
    assert [name.partition(".")[2] for name in files_left] == ["1.10.0.bin"]


def test_a_machine_with_the_online_keys_refreshes_and_names_what_it_cannot(
    run: Run, key: PrivateKey, tmp_path: Path
) -> None:
    (path,) = release_files(tmp_path, key, "1.0.0")
    assert run("publish", str(path), "--no-send", "--targets-expires", "1d")[0] == 0
    online = tmp_path / "online"
    online.mkdir()
    for file in (tmp_path / "release-keys").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        if file.name.startswith(("snapshot", "timestamp")):
            file.rename(online / file.name)
    code, out, error = run("refresh", "--keys", "online", "--no-send", "--json")
    assert code == 0, error
    assert "targets expires at" in error
    assert roles_in(out) == {"root": 1, "targets": 2, "snapshot": 2, "timestamp": 3}
    code, out, error = run("refresh", "--no-send")
    assert (code, "the key of the role snapshot is not there" in error) == (2, True)


def test_mistakes_are_told_and_change_nothing(run: Run, key: PrivateKey, tmp_path: Path) -> None:
    one, two = release_files(tmp_path, key, "1.0.0", "1.1.0")
    code, _, error = run("refresh", "--no-send")
    assert (code, "there is no repository" in error) == (2, True)
    assert not (tmp_path / "releases").exists()
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    encrypted = ("--passphrase-file", "passphrase", "--no-send")
    code, _, error = run("publish", str(one), *encrypted)
    assert (code, "not encrypted" in error) == (0, False)
    timestamp = tmp_path / "releases" / "metadata" / "timestamp.json"
    before = timestamp.read_bytes()
    # Signed anew it is another file: one version may not become two releases.
    one.write_bytes(sign(one.read_bytes(), key))
    wrong = tmp_path / "wrong"
    wrong.write_text("battery staple\n")
    wrong.chmod(0o600)
    cases = [
        (["publish", str(two), "--no-send"], "is encrypted; give --passphrase-file"),
        (["publish", str(two), "--no-send", "--passphrase-file", "wrong"], "passphrase is another"),
        (["publish", str(two), *encrypted, "--repository", "elsewhere"], "has keys of one"),
        (["publish", str(one), *encrypted], "is there already with other contents"),
        (["publish", str(two), *encrypted, "--timestamp-expires", "soon"], "expected a time such"),
        (["rotate", "mirrors", "--no-send"], "expected one of root, targets"),
        (["refresh", *encrypted, "--keys", "nowhere"], "the key of the role timestamp is not"),
    ]
    for arguments, said in cases:
        code, out, error = run(*arguments)
        assert (code, out, said in error, error.count("\n")) == (2, "", True, 1), error
        assert timestamp.read_bytes() == before
    assert run("publish", str(one), *encrypted, "--force")[0] == 0
    secret.chmod(0o644)
    code, _, error = run("refresh", *encrypted)
    assert (code, "run: chmod 600" in error) == (2, True)


def test_a_folder_that_somebody_has_changed_is_not_signed_anew(tmp_path: Path) -> None:
    city = City(tmp_path)
    city.publish(signed_image("1.0.0"))
    metadata = city.folder / "metadata"
    for name in ("2.targets.json", "2.snapshot.json", "timestamp.json", "1.root.json"):
        right = (metadata / name).read_bytes()
        (metadata / name).write_bytes(right.replace(b'"version":', b'"version":1'))
        with pytest.raises(BadInput, match=r"does not verify|cannot be read"):
            Repository(city.folder, RoleKeys(tmp_path / "keys")).load()
        (metadata / name).write_bytes(right)
    Repository(city.folder, RoleKeys(tmp_path / "keys")).load()
    target = next((city.folder / "targets").rglob("*.bin"))
    target.write_bytes(b"another")
    with pytest.raises(BadInput, match="is not what the metadata says"):
        city.catalogue.files()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("written", [1, 2, 3])
def test_a_rotation_cut_short_is_finished_by_the_next_command(
    tmp_path: Path, role: str, written: int
) -> None:
    """Power goes after `written` files: the folder still loads, and is whole again after."""
    city = City(tmp_path)
    city.publish(signed_image("1.0.0"))
    files = city.repository.files
    write, left = files.write, written

    def cut(role: str, version: int, data: bytes) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        write(role, version, data)

    files.write = cut
    with contextlib.suppress(KeyboardInterrupt):
        city.repository.rotate(role)
    again = Repository(city.folder, RoleKeys(tmp_path / "keys"), now=lambda: city.now)
    again.load()
    again.renew(again.due())
    whole = Repository(city.folder, RoleKeys(tmp_path / "keys"), now=lambda: city.now)
    whole.load()
    assert whole.due() == []
    assert whole.root.version == 2


def test_only_one_command_changes_a_repository_at_a_time(tmp_path: Path) -> None:
    city = City(tmp_path)
    other = Repository(city.folder, RoleKeys(tmp_path / "keys"))
    with city.repository.held(), pytest.raises(BadInput, match="wait for it"), other.held():
        pass


def test_metadata_of_long_ago_is_removed_and_roots_are_kept(tmp_path: Path) -> None:
    city = City(tmp_path)
    city.repository.rotate("root")
    for _ in range(30):
        city.repository.renew({"targets"})
    names = {path.name for path in (city.folder / "metadata").iterdir()}
    assert {"1.root.json", "2.root.json", "31.targets.json"} <= names
    assert len(names) <= 2 + 2 * 10 + 1


def test_keys_that_others_can_read_are_not_used(tmp_path: Path) -> None:
    city = City(tmp_path)
    for file in (tmp_path / "keys").iterdir():
        file.chmod(0o640)
    with pytest.raises(BadInput, match="run: chmod 600"):
        city.repository.renew({"timestamp"})
    shutil.rmtree(tmp_path / "keys")
    with pytest.raises(BadInput, match="the key of the role timestamp"):
        city.repository.renew({"timestamp"})
