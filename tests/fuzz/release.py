"""Release metadata as a broker or a web server gives it, and the files that say whom to believe."""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from gateway.updates import metadata
from gateway.updates.images import hash_of
from gateway.updates.rootfile import check_root
from gateway.updates.trusted import TrustUnavailable
from protocol.errors import ProtocolError
from tests.fuzz.data import Data, as_json
from tests.releases import City, Served, signed_image

_OLD, _NEW = signed_image("1.0.0"), signed_image("1.1.0")
_KEYS = (
    "signed", "signatures", "_type", "version", "spec_version", "expires", "meta", "targets",
    "keys", "roles", "length", "hashes", "custom", "keyid", "sig", "x-lamplighter-signed",
)  # fmt: skip


@cache
def _city() -> tuple[dict[str, bytes], bytes, float]:
    """Metadata that verifies, its first root, and the time there."""
    with tempfile.TemporaryDirectory(prefix="lamplighter-fuzz-") as folder:
        city = City(Path(folder))
        city.publish(_OLD, _NEW)
        city.repository.rotate("root")
        return city.files(), city.root, city.now.timestamp()


class Release:
    """Each file altered in turn; what verifies then names what was signed and nothing else."""

    def feed(self, data: bytes) -> None:
        read = Data(data)
        files, root, now = _city()
        served = dict(files)
        for _ in range(1 + read.below(3)):
            name = read.pick(sorted(served))
            served[name] = self._altered(read, files[name], served)
        folder = Path(tempfile.mkdtemp(prefix="lamplighter-fuzz-"))
        try:
            found = metadata.refresh(root, folder, "served:", Served(served), now)
        except TrustUnavailable as error:
            assert len(str(error)) <= 300
        else:
            assert set(found.images) == {_OLD.digest, _NEW.digest}
            assert found.images[_NEW.digest].hash == _NEW.hash
        try:
            # What was given in between leaves nothing behind that keeps the right one out, but for
            # a newer version that was signed.
            after = metadata.refresh(root, folder, "served:", Served(files), now)
            assert set(after.images) == {_OLD.digest, _NEW.digest}
        finally:
            shutil.rmtree(folder)

    def _altered(self, data: Data, right: bytes, files: dict[str, bytes]) -> bytes:
        match data.below(6):
            case 0:
                return data.bytes(2000)
            case 1:
                return data.damaged(right)
            case 2:
                return data.pick(sorted(files.values()))
            case 3:
                return data.pick((b"[", b'{"signed":')) * data.below(60_000)
            case 4:
                return as_json(data.map(_KEYS, 4))
            case _:
                document = json.loads(right)
                self._alter(data, document)
                return as_json(document)

    def _alter(self, data: Data, inner: Any) -> None:
        for _ in range(6):
            if not isinstance(inner, dict | list) or not inner:
                return
            keys: list[Any] = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = data.pick(keys)
            if data.below(3) == 0:
                inner[key] = data.value(_KEYS)
                return
            inner = inner[key]

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {}


class Roots:
    """A root file at commissioning, and an image file."""

    def feed(self, data: bytes) -> None:
        read = Data(data)
        _, root, _ = _city()
        given = read.damaged(root) if read.chance() else read.rest()
        try:
            check_root(given)
        except ValueError as error:
            str(error)
        try:
            hash_of(read.rest())
        except ProtocolError as error:
            str(error)

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {}
