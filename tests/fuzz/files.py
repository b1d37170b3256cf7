"""Files that somebody else has written: configuration, lampposts, certificates, backups, labels."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import tomli_w
from cryptography import x509

from gateway.adoption import label
from gateway.backup import archive
from gateway.backup.restore import restore
from gateway.cabinet import certificates
from gateway.clock import EARLIEST_PLAUSIBLE
from gateway.config import load
from gateway.config.lampposts_file import read, write
from gateway.errors import ConfigurationError, GatewayError
from gateway.lan import certificates as own
from tests.fuzz.data import Data, as_json
from tests.fuzz.harness import GATEWAY, NODE, NOW

_ADDRESS = "192.0.2.1"
_CONFIGURATION: dict[str, Any] = {
    "gateway": {"id": GATEWAY, "data_dir": "data"},
    "mqtt": {"host": "localhost"},
    "bus": {"north": {"port": "/dev/null", "baud": 115200}},
    "outlet": {"ha": {"kind": "home-assistant", "host": "h"}},
    "lan": {"address": _ADDRESS},
    "lamppost": [
        {"id": NODE.hex(), "name": "1", "bus": "north", "address": 1, "key": "0" * 32, "key_id": 1}
    ],
}
_LABEL = f"LAMPLIGHTER:1:{NODE.hex()}:1:{'0' * 32}"


class _Folder:
    """A folder of its own for each input; what is left in it is gone afterwards."""

    def feed(self, data: bytes) -> None:
        folder = Path(tempfile.mkdtemp(prefix="lamplighter-fuzz-", dir=_memory()))
        try:
            self._feed(Data(data), folder)
        finally:
            shutil.rmtree(folder)

    def _feed(self, data: Data, folder: Path) -> None:
        raise NotImplementedError

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {}


class ConfigurationFiles(_Folder):
    """The configuration and the lampposts file beside it; and labels."""

    def _feed(self, data: Data, folder: Path) -> None:
        file = folder / "gateway.toml"
        file.write_bytes(self._toml(data))
        (folder / "lampposts.toml").write_bytes(self._toml(data))
        try:
            configuration = load(file)[0]
        except ConfigurationError as error:
            assert all(len(line) < 4000 for line in str(error).splitlines())
        else:
            assert all(len(post.key.get_secret_value()) == 16 for post in configuration.lamppost)
        try:
            kept = read(folder / "lampposts.toml")
        except ConfigurationError:
            pass
        else:
            write(folder / "again.toml", kept)
            assert read(folder / "again.toml") == kept
        for parse in (label.parse, label.parse_key):
            try:
                parse(data.damaged(_LABEL.encode()).decode("latin-1"))
            except label.BadLabel as error:
                assert "0" * 20 not in str(error)

    def _toml(self, data: Data) -> bytes:
        match data.below(6):
            case 0:
                return data.bytes(2000)
            case 1:
                return b"a=" + data.pick((b"[", b"{a=")) * data.below(30_000)
            case 2:
                return data.damaged(tomli_w.dumps(_CONFIGURATION).encode())
            case _:
                document = json.loads(json.dumps(_CONFIGURATION))
                _alter(data, document)
                return _as_toml(document)


class Certificates(_Folder):
    """PEM files: the broker's own, and those that somebody has issued."""

    def _feed(self, data: Data, folder: Path) -> None:
        authority, broker = _pair()
        for name, right in ((own.AUTHORITY, authority), (own.BROKER, broker)):
            given = data.pick((right, data.damaged(right), _pem(data, right), data.bytes(2000)))
            (folder / name).write_bytes(given)
        try:
            made = own.ensure(folder, [_ADDRESS], NOW)
        except own.CertificateError as error:
            assert own.AUTHORITY in str(error)
        else:
            x509.load_der_x509_certificate(made.authority)
            assert not own.ensure(folder, [_ADDRESS], NOW).renewed
        for key in (None, folder / own.AUTHORITY, folder / own.BROKER):
            one = certificates.CertificateFile(folder / own.BROKER, "x", key)
            try:
                assert certificates.expires_at(one) > EARLIEST_PLAUSIBLE - (1 << 40)
            except certificates.CertificateUnusable as error:
                str(error)


class Backups(_Folder):
    """A backup that somebody else has made: it writes where a gateway's files are, or nowhere."""

    def _feed(self, data: Data, folder: Path) -> None:
        (folder / "etc").mkdir()
        (folder / "elsewhere").write_bytes(b"as it was")
        file = folder / "backup.tar.gz"
        file.write_bytes(self._archive(data, folder))
        try:
            restore(file, folder / "etc" / "gateway.toml", lambda _: None, force=data.chance())
        except (GatewayError, OSError) as error:
            str(error)
        assert (folder / "elsewhere").read_bytes() == b"as it was"
        allowed = {"etc", "data", "elsewhere", "backup.tar.gz"}
        assert {path.name for path in folder.iterdir()} <= allowed
        names = {path.name.partition(".replaced-")[0] for path in (folder / "etc").iterdir()}
        assert names <= {"gateway.toml", "lampposts.toml"}, names
        for path in folder.rglob("*"):
            assert path.is_symlink() is False
            assert not path.stat().st_mode & 0o7000, "set-user-id"

    def _archive(self, data: Data, folder: Path) -> bytes:
        if data.below(8) == 0:
            return data.bytes(4000)
        configuration = json.loads(json.dumps(_CONFIGURATION))
        configuration["gateway"]["data_dir"] = str(folder / "data")
        content = _as_toml(configuration)
        contents = [content, b"", data.bytes(80)]
        roles = ["configuration", data.pick(("lampposts", "data", "named", "x")), "data"]
        paths = ["gateway.toml", self._path(data, folder), self._path(data, folder)]
        database = b"SQLite format 3\0" + data.bytes(100)
        manifest: Any = {
            "format": 1, "gateway": GATEWAY, "version": "1", "made": 1,
            "database_size": len(database), "database_sha256": sha256(database).hexdigest(),
            "database_state": {}, "data_user": 0, "data_group": 0,
            "files": [
                {
                    "member": f"files/{number:04}", "role": roles[number], "path": paths[number],
                    "mode": data.pick((0o600, 0o600, 0o644, 0o4755)), "user": data.pick((0, 0, 1)),
                    "group": 0, "size": len(contents[number]),
                    "sha256": sha256(contents[number]).hexdigest(),
                }
                for number in range(3)
            ],
        }  # fmt: skip
        if data.below(3) == 0:
            _alter(data, manifest)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in (
                (archive.MANIFEST, as_json(manifest)), (archive.DATABASE, database),
                *((f"files/{number:04}", content) for number, content in enumerate(contents)),
            ):  # fmt: skip
                info = tarfile.TarInfo(name)
                if data.below(24) == 0:
                    info.type = data.pick((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE))
                    info.linkname = data.pick((name, archive.MANIFEST, "/etc/passwd", "../x"))
                    content = b""
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        raw = packed.getvalue()
        raw = data.damaged(raw) if data.below(4) == 0 else raw
        zipped = gzip.compress(raw, 1, mtime=0)
        return data.damaged(zipped) if data.below(6) == 0 else zipped

    def _path(self, data: Data, folder: Path) -> str:
        return data.pick(
            (
                "lampposts.toml", "trust/1.root.json", "releases/x", "../elsewhere", "..", ".", "",
                str(folder / "elsewhere"), "a/../../elsewhere", "etc/gateway.toml", "gateway.db",
                "/etc/x/other.toml", "gateway.lock", data.text(),
            )
        )  # fmt: skip


def _alter(data: Data, inner: Any) -> None:
    """Change something somewhere in a document."""
    for _ in range(5):
        if not isinstance(inner, dict | list) or not inner:
            return
        keys: list[Any] = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = data.pick(keys)
        match data.below(4):
            case 0:
                inner[key] = data.value(("kind", "id", "key", "host", "port"))
                return
            case 1 if isinstance(inner, dict):
                del inner[key]
                return
            case 2 if isinstance(inner, dict):
                inner[data.text()] = data.value()
                return
            case _:
                inner = inner[key]


def _as_toml(document: dict[str, Any]) -> bytes:
    try:
        return tomli_w.dumps(document).encode()
    except (TypeError, ValueError, AttributeError):
        return b"\xff"  # TOML has no null


@cache
def _pair() -> tuple[bytes, bytes]:
    folder = Path(tempfile.mkdtemp(prefix="lamplighter-fuzz-"))
    try:
        own.ensure(folder, [_ADDRESS], NOW)
        return (folder / own.AUTHORITY).read_bytes(), (folder / own.BROKER).read_bytes()
    finally:
        shutil.rmtree(folder)


def _pem(data: Data, right: bytes) -> bytes:
    """A PEM file that is one, with other bytes inside."""
    import base64

    found = b""
    for block in right.split(b"-----BEGIN ")[1:]:
        kind, _, rest = block.partition(b"-----")
        inside = base64.b64decode(rest.partition(b"-----END")[0])
        encoded = base64.encodebytes(data.damaged(inside))
        found += b"-----BEGIN " + kind + b"-----\n" + encoded + b"-----END " + kind + b"-----\n"
    return found


@cache
def _memory() -> str | None:
    """A file system in memory, where there is one: nothing here is to be kept."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
