"""A TUF repository in a folder: what may run in the city's lampposts, signed and dated.

    metadata/1.root.json ... N.root.json, N.targets.json, N.snapshot.json, timestamp.json
    targets/BOARD/SHA256.NAME

Consistent snapshots: but for timestamp.json no file ever becomes another one under the same name,
and timestamp.json is replaced last. So any web server may serve the folder at any moment, and a
change that is cut short leaves what was published before.

The format, and who vouches for what: The Update Framework Specification 1.0, sections 4 and 6.
"""

# python-tuf documents these names here, and does not mark them as exported.
# pyright: reportPrivateImportUsage=false
import fcntl
import os
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from securesystemslib.signer import Signature
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from fleet_cli.errors import BadInput, reason_of
from fleet_cli.release.metadata_files import MetadataFiles, name_of
from fleet_cli.release.rolekeys import ROLES, RoleKeys

SIGNED_AT: Final = "x-lamplighter-signed"
"""A field of the timestamp metadata: when it was signed, Unix seconds. A gateway whose clock shows
less knows that its clock is wrong."""


@dataclass(frozen=True)
class Lifetimes:
    """For how long metadata holds from when it is signed, s."""

    root: int = 365 * 86_400
    targets: int = 90 * 86_400
    snapshot: int = 7 * 86_400
    timestamp: int = 86_400

    def of(self, role: str) -> timedelta:
        """That of `role`."""
        return timedelta(seconds=int(getattr(self, role)))


class Repository:
    """The repository in `folder`.

    Args:
        folder: where it is.
        keys: those of the roles; only the ones of what changes have to be there.
        lifetimes: of what is signed from now on.
        now: the time, UTC.
    """

    def __init__(
        self,
        folder: Path,
        keys: RoleKeys,
        lifetimes: Lifetimes | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.folder = folder
        self.files = MetadataFiles(folder / "metadata")
        self.keys = keys
        self._lifetimes = lifetimes or Lifetimes()
        self._now = now
        self._roles: dict[str, Metadata[Any]] = {}
        self._unfinished: set[str] = set()

    @property
    def root(self) -> Root:
        """Whose keys count for which role."""
        return cast(Root, self._roles["root"].signed)

    @property
    def targets(self) -> Targets:
        """The files that may run; what is changed in it counts from the next `renew`."""
        return cast(Targets, self._roles["targets"].signed)

    @property
    def versions(self) -> dict[str, int]:
        """The version of each role's metadata."""
        return {role: self._roles[role].signed.version for role in ROLES}

    @property
    def expires(self) -> dict[str, datetime]:
        """When each role's metadata expires, UTC."""
        return {role: self._roles[role].signed.expires for role in ROLES}

    @contextmanager
    def held(self) -> Generator[None]:
        """Nobody else changes the folder meanwhile.

        Raises:
            BadInput: somebody else does, or it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise BadInput(f"{self.folder}: cannot be written: {reason_of(error)}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BadInput(
                    f"{self.folder}: another command is changing this repository; wait for it"
                ) from error
            yield
        finally:
            os.close(lock)

    def create(self) -> None:
        """New keys for every role, and metadata that names no file.

        Raises:
            Failed: a file could not be written.
        """
        root = Root(consistent_snapshot=True)
        for role in ROLES:
            root.add_key(self.keys.generate(role).public_key, role)
        made: dict[str, Metadata[Any]] = {
            "root": Metadata(root),
            "targets": Metadata(Targets()),
            "snapshot": Metadata(Snapshot()),
            "timestamp": Metadata(Timestamp()),
        }
        for role, metadata in made.items():
            metadata.signed.version = 0  # `renew` makes it 1
            self._roles[role] = metadata
        self.renew(ROLES)

    def load(self) -> None:
        """Read what the folder holds, and believe it only if its signatures hold.

        Expired metadata is taken: it is here to be renewed.

        Raises:
            BadInput: there is no repository, or it does not verify: somebody has changed it.
        """
        try:
            self._roles = self.files.load()
            for role in ROLES:
                self._verify(role)
        except (RepositoryError, ValueError, KeyError) as error:
            raise BadInput(
                f"{self.folder}: the metadata does not verify ({error}); "
                "bring the folder back from a copy you trust"
            ) from error

    def _verify(self, role: str) -> None:
        metadata = self._roles[role]
        try:
            self.root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except UnsignedMetadataError:
            if role == "root" or self.root.version == 1:
                raise
            # A rotation that was cut short, between the new root and what it has signed anew.
            name = name_of("root", self.root.version - 1)
            before = Metadata[Root].from_bytes(self.files.read(name)).signed
            before.verify_delegate("root", *_signatures(self._roles["root"]))
            before.verify_delegate(role, *_signatures(metadata))
            self._unfinished.add(role)

    def can_sign(self, role: str) -> bool:
        """Whether enough keys of `role` are here."""
        wanted = self.root.get_delegated_role(role)
        return len(self.keys.signers(role, wanted.keyids)) >= wanted.threshold

    def due(self) -> list[str]:
        """The roles whose metadata has less than half of its lifetime left, or a key too old."""
        now = self._now()
        return [
            role
            for role in ROLES
            if self.expires[role] - now < self._lifetimes.of(role) / 2 or role in self._unfinished
        ]

    def renew(self, roles: Collection[str], signing_for_root: Root | None = None) -> list[str]:
        """Sign a new version of `roles` and of what has to name it; gives those signed.

        Args:
            roles: which; timestamp always is.
            signing_for_root: the root metadata before, whose keys a new one has to be signed by
                as well.

        Raises:
            BadInput: a key is not there.
            Failed: a file could not be written.
        """
        wanted = {*roles, *self._unfinished, "timestamp"}
        if "targets" in wanted:
            wanted.add("snapshot")
        signed = [role for role in ROLES if role in wanted]
        for role in signed:
            self._need_key(role)
        for role in signed:
            self._sign(role, signing_for_root)
        self._unfinished.clear()
        self.files.forget_old(self.versions)
        return signed

    def rotate(self, role: str) -> None:
        """A new key for `role` in place of those it has; what it has signed is signed anew.

        Raises:
            BadInput: the key of root or of what is to be signed is not there.
            Failed: a file could not be written.
        """
        for needed in ("root", "timestamp", *(["snapshot"] if role == "targets" else [])):
            self._need_key(needed)
        before = deepcopy(self.root)
        for keyid in list(self.root.get_delegated_role(role).keyids):
            self.root.revoke_key(keyid, role)
        self.root.add_key(self.keys.generate(role).public_key, role)
        self.root.get_delegated_role(role).threshold = 1
        self.renew({"root", role}, before)

    def _need_key(self, role: str) -> None:
        if not self.can_sign(role):
            raise BadInput(
                f"{self.keys.folder}: the key of the role {role} is not there; "
                "give the folder that holds it with --keys"
            )

    def _sign(self, role: str, before: Root | None) -> None:
        metadata = self._roles[role]
        signed = metadata.signed
        now = self._now().replace(microsecond=0)
        signed.version += 1
        signed.expires = now + self._lifetimes.of(role)
        if role == "snapshot":
            cast(Snapshot, signed).meta["targets.json"] = self._described("targets")
        elif role == "timestamp":
            cast(Timestamp, signed).snapshot_meta = self._described("snapshot")
            signed.unrecognized_fields[SIGNED_AT] = int(now.timestamp())
        metadata.signatures.clear()
        roots = [self.root, *([before] if role == "root" and before else [])]
        for root in roots:
            for signer in self.keys.signers(role, root.get_delegated_role(role).keyids):
                metadata.sign(signer, append=True)
        self.files.write(role, signed.version, metadata.to_bytes())

    def _described(self, role: str) -> MetaFile:
        version = self._roles[role].signed.version
        data = self.files.read(name_of(role, version))
        return MetaFile.from_data(version, data, ["sha256"])


def _signatures(metadata: Metadata[Any]) -> tuple[bytes, dict[str, Signature]]:
    return metadata.signed_bytes, metadata.signatures
