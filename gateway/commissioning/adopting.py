"""From what a person typed or scanned to a lamppost that is ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from gateway.adoption import label
from gateway.adoption.adoption import NotAdopted
from gateway.adoption.label import Label
from gateway.adoption.unknown import UnknownLamppost
from gateway.bus.identities import Found
from gateway.commissioning.jobs import Job
from gateway.config import LamppostSection, lampposts_file
from gateway.config.file import load_with
from gateway.errors import LinkUnavailable
from protocol.busframe import FIRST_ADDRESS, LAST_ADDRESS

_Text = Annotated[str, Field(min_length=1, max_length=80)]
BUS: Final = "bus:"


class Wanted(BaseModel):
    """A lamppost to adopt: by the text of its label, or by node id, key id and key.

    Where no link is named, the ones it was met by are used.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    label: SecretStr | None = None
    id: Annotated[str, Field(max_length=20)] | None = None
    key: SecretStr | None = None
    key_id: Annotated[int, Field(ge=1, le=255)] = 1
    name: _Text | None = None
    pole: _Text | None = None
    street: _Text | None = None
    position_m: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    bus: Annotated[str, Field(max_length=48)] | None = None
    address: Annotated[int, Field(ge=FIRST_ADDRESS, le=LAST_ADDRESS)] | None = None
    lan: bool = False
    ble: bool = False
    replace: bool = False

    def proven_by(self) -> Label:
        """Node id and key. Raises NotAdopted, BadLabel."""
        if self.label is not None and self.label.get_secret_value().strip():
            return label.parse(self.label.get_secret_value())
        if not self.id or self.key is None:
            raise NotAdopted("expected the text of the label, or node id and key")
        node = self.id.strip().lower().replace(":", "")
        if len(node) != 12 or any(digit not in "0123456789abcdef" for digit in node):
            raise NotAdopted("expected the 12 hexadecimal digits of the node id")
        return Label(bytes.fromhex(node), self.key_id, label.parse_key(self.key.get_secret_value()))


class Searchable(Protocol):
    """A bus on which free addresses can be asked."""

    @property
    def identities(self) -> Asks:
        """Who is where."""
        ...


class Asks(Protocol):
    """Asks who is at an address."""

    expected: dict[int, bytes]

    async def ask(self, address: int, times: int = 1) -> Found:
        """Who answers at `address`. Raises LinkUnavailable."""
        ...


class Notes(Protocol):
    """Where those who answer are noted."""

    def seen(self, node: bytes, link: str, address: int | str | None = None) -> None:
        """The lamppost `node` was met."""
        ...


def problems(error: ValidationError) -> str:
    """What is wrong, in one line that never shows a value: a key may be among them."""
    said: list[str] = []
    for one in error.errors(include_input=False, include_url=False)[:5]:
        where = ".".join(str(part) for part in one["loc"])
        said.append(f"{where}: {one['msg']}" if where else one["msg"])
    return "; ".join(said)


def section(wanted: Wanted, proof: Label, met: Iterable[UnknownLamppost]) -> LamppostSection:
    """The section that `wanted` makes. Raises NotAdopted."""
    node = proof.node.hex()
    document: dict[str, Any] = {
        "id": node,
        "name": wanted.name or node,
        "key": proof.key.hex(),
        "key_id": proof.key_id,
        "lan": wanted.lan,
        "ble": wanted.ble,
        "bus": wanted.bus,
        "address": wanted.address,
    }
    for name in ("pole", "street", "position_m"):
        if getattr(wanted, name) is not None:
            document[name] = getattr(wanted, name)
    for one in met:
        if one.node != proof.node:
            continue
        if one.link.startswith(BUS) and wanted.bus in (None, one.link[len(BUS) :]):
            document["bus"] = one.link[len(BUS) :]
            document["address"] = wanted.address or one.address
        if not wanted.bus and one.link in ("lan", "ble"):
            document[one.link] = True
    if not document["bus"] and not document["lan"] and not document["ble"]:
        raise NotAdopted(
            f"{node} was not met by any link; search for it, or name its bus and address"
        )
    try:
        return LamppostSection.model_validate(document)
    except ValidationError as error:
        raise NotAdopted(problems(error)) from None


def rename(config_file: Path, node: str, name: str) -> None:
    """Call the adopted lamppost `node` (12 hexadecimal characters) `name`.

    Raises NotAdopted when it stands in a file that a person keeps, ConfigurationError when the name
    is another's, and OSError.
    """

    def renamed(kept: list[LamppostSection]) -> list[LamppostSection]:
        if all(one.id != node for one in kept):
            raise NotAdopted(
                f"{node} stands in {config_file}, which is a person's own; change its name there"
            )
        # What it was called stays the name of its place.
        return [
            one.model_copy(update={"name": name, "pole": one.place}) if one.id == node else one
            for one in kept
        ]

    try:
        Wanted(name=name)
    except ValidationError as error:
        raise NotAdopted(problems(error)) from None
    configuration, kept = load_with(config_file, renamed)
    lampposts_file.write(configuration.gateway.lampposts_file, kept)


async def search(buses: Mapping[str, Searchable], notes: Notes, job: Job) -> None:
    """Ask every free address of every bus who is there; a bus that is away is passed over.

    At a reply timeout of 250 ms a bus takes a minute.
    """
    met: set[bytes] = set()
    unreached: list[str] = []
    # A reload may bring or take one meanwhile.
    for name, bus in list(buses.items()):
        for address in range(FIRST_ADDRESS, LAST_ADDRESS + 1):
            job.text = f"bus {name}, address {address} of {LAST_ADDRESS}: {len(met)} met"
            if address in bus.identities.expected:
                continue
            try:
                found = await bus.identities.ask(address)
            except LinkUnavailable as error:
                unreached.append(f"bus {name}: {error}")
                break
            for node in found.nodes:
                notes.seen(node, f"{BUS}{name}", address)
                met.add(node)
    job.text = "; ".join([f"{len(met)} met", *unreached])
