"""Files that somebody else has written: what fuzzing has found, one by one."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import tomli_w
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gateway.backup.archive import BadBackup, opened
from gateway.backup.restore import restore
from gateway.cabinet import certificates
from gateway.config import load
from gateway.config.lampposts_file import read
from gateway.errors import ConfigurationError
from gateway.lan import certificates as own

MINIMAL: dict[str, Any] = {
    "gateway": {"id": "cabinet-7", "data_dir": "data"},
    "mqtt": {"host": "localhost"},
    "bus": {"north": {"port": "/dev/null"}},
}


@pytest.mark.parametrize("text", ["a=" + "[" * 5000, "a=" + "{a=" * 5000])
def test_a_file_nested_without_end_is_a_mistake_in_it_and_no_crash(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="nested"):
        load(file)
    with pytest.raises(ConfigurationError, match="nested"):
        read(file)


def test_a_key_of_a_kind_that_is_not_known_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = own.ensure(tmp_path, ["192.0.2.1"], 1_800_000_000)
    one = certificates.CertificateFile(made.broker_file, "broker", made.broker_file)
    assert certificates.expires_at(one) == made.expires_at
    odd = cast("Any", SimpleNamespace(public_key=_unknown))
    assert not certificates._belongs(cast("Any", None), odd)
    monkeypatch.setattr(x509, "load_pem_x509_certificates", _unknown)
    with pytest.raises(certificates.CertificateUnusable, match="next century"):
        certificates.expires_at(one)
    monkeypatch.setattr(x509, "load_pem_x509_certificate", _unknown)
    with pytest.raises(own.CertificateError, match=r"authority\.pem"):
        own.ensure(tmp_path, ["192.0.2.1"], 1_800_000_000)


def _unknown(*_: object) -> Any:
    raise UnsupportedAlgorithm("a curve of next century")


# ------------------------------------------------------------------------------------------ backup


def backup(folder: Path, link: str | None = None, **changes: Any) -> Path:
    """An archive of a configuration and one more file, of which `changes` is said."""
    configuration = json.loads(json.dumps(MINIMAL))
    configuration["gateway"]["data_dir"] = str(folder / "data")
    contents = {"files/0000": tomli_w.dumps(configuration).encode(), "files/0001": b"more"}
    database = b"none"
    files = [
        {
            "member": name, "role": "configuration", "path": "gateway.toml", "mode": 0o600,
            "user": 0, "group": 0, "size": len(content), "sha256": sha256(content).hexdigest(),
        }
        for name, content in contents.items()
    ]  # fmt: skip
    files[1] |= {"role": "data", "path": "trust/x", **changes}
    manifest = {
        "format": 1, "gateway": "cabinet-7", "version": "1", "made": 1, "database_size": 4,
        "database_sha256": sha256(database).hexdigest(), "database_state": {}, "data_user": 0,
        "data_group": 0, "files": files,
    }  # fmt: skip
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in {
            "manifest.json": json.dumps(manifest).encode(), "gateway.db": database, **contents
        }.items():  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name == link:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, name, 0
            tar.addfile(info, io.BytesIO(content))
    file = folder / "backup.tar.gz"
    file.write_bytes(gzip.compress(packed.getvalue()))
    return file


@pytest.mark.parametrize(
    "changes", [{"mode": 0o4755}, {"mode": 0o2600}, {"user": 1 << 32}, {"group": (1 << 32) - 1}]
)
def test_a_backup_makes_no_program_that_runs_as_another(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(BadBackup, match="cannot be used"), opened(backup(tmp_path, **changes)):
        pass


@pytest.mark.parametrize("link", ["manifest.json", "files/0000"])
def test_a_link_in_a_backup_leads_nowhere(link: str, tmp_path: Path) -> None:
    file = backup(tmp_path, link)
    with pytest.raises(BadBackup, match="it holds no file"):
        restore(file, tmp_path / "etc.toml", lambda _: None, force=True)


@pytest.mark.parametrize("path", ["", "..", "/etc/gateway.toml"])
def test_a_lampposts_file_of_another_files_name_is_none(path: str, tmp_path: Path) -> None:
    file = backup(tmp_path, role="lampposts", path=path)
    with pytest.raises(BadBackup, match="no name for a lampposts file"):
        restore(file, tmp_path / "gateway.toml", lambda _: None, force=True)
    assert not (tmp_path / "gateway.toml").exists()
