"""A configuration file made from answers: its text, checked as `load` does, put in place once."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from gateway.config import load
from gateway.errors import GatewayError
from gateway.files import PRIVATE

USER = "lamplighter"
_FOLDER_MODE = 0o700


class AlreadyThere(GatewayError):
    """The file exists and was not to be replaced."""


@dataclass(frozen=True)
class BusAnswer:
    """A bus: see `[bus.<name>]`."""

    name: str
    port: str
    baud: int = 115200
    rs485: bool = False


@dataclass(frozen=True)
class BrokerAnswer:
    """The city's broker: see `[mqtt]`. Files are None where there are none."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True)
class Answers:
    """All that `init` asks.

    Attributes:
        id: of the gateway.
        data_dir: its folder.
        broker: the city's.
        buses: RS-485 lines.
        adapters: Bluetooth adapters to use.
        lan_address: IPv4 address on the lampposts' network, None without one.
    """

    id: str
    data_dir: Path
    broker: BrokerAnswer
    buses: Sequence[BusAnswer] = field(default_factory=list[BusAnswer])
    adapters: Sequence[str] = ()
    lan_address: str | None = None


def text(answers: Answers) -> str:
    """The file, with comments."""
    broker = answers.broker
    parts = [
        "# This gateway's configuration. It holds keys: keep it readable by its user alone "
        "(chmod 600).\n"
        "# Check it with: lamplighter-gateway check-config FILE\n"
        "# What changes here is taken up by: sudo systemctl reload lamplighter-gateway\n",
        "# Who this gateway is, at the broker and at the desk.\n"
        + _section("gateway", {"id": answers.id, "data_dir": str(answers.data_dir)}),
        "# The city's broker.\n"
        + _section(
            "mqtt",
            {
                "host": broker.host,
                "port": broker.port,
                "username": broker.username,
                "password_file": _path(broker.password_file),
            },
        ),
    ]
    if broker.tls:
        parts.append(
            "# Without ca_file this machine's own authorities are believed.\n"
            + _section(
                "mqtt.tls",
                {
                    "ca_file": _path(broker.ca_file),
                    "cert_file": _path(broker.cert_file),
                    "key_file": _path(broker.key_file),
                },
            )
        )
    for bus in answers.buses:
        parts.append(
            "# An RS-485 line. rs485 = true: the kernel switches the line driver.\n"
            + _section(f"bus.{bus.name}", {"port": bus.port, "baud": bus.baud, "rs485": bus.rs485})
        )
    if answers.adapters:
        parts.append(
            "# Lampposts within Bluetooth range.\n"
            + _section("ble", {"adapters": list(answers.adapters)})
        )
    if answers.lan_address is not None:
        parts.append(
            "# Lampposts on the local network, through the mosquitto of this machine.\n"
            + _section("lan", {"address": answers.lan_address})
        )
    parts += [
        "# How much is kept while the broker is away. When it is full, lampposts keep their "
        "records.\n" + _section("buffer", {"max_bytes": 2_000_000_000, "max_age_days": 3650}),
        "# Metrics and health, for this machine alone.\n"
        + _section("metrics", {"listen": "127.0.0.1:9477"}),
        _section("log", {"level": "info"}),
        "# Lampposts are added by commissioning, in lampposts.toml beside this file, or here:\n"
        "# [[lamppost]]\n"
        '# id = "a0b1c2d3e4f5"   # printed on the node\n'
        '# name = "high-street-1"\n'
        '# bus = "north"\n'
        "# address = 1\n"
        '# key = "..."           # 32 hexadecimal characters, from its flash\n'
        "# key_id = 1\n",
    ]
    return "\n".join(parts)


def put(path: Path, answers: Answers, *, replace: bool) -> list[str]:
    """Write the file at `path`, readable by the gateway's user alone; gives `load`'s warnings.

    Raises AlreadyThere, ConfigurationError when the answers make no configuration, and OSError;
    what was there is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), PRIVATE)
            file.write(text(answers))
            file.flush()
            os.fsync(file.fileno())
        warnings = [line.replace(str(made), str(path)) for line in load(made)[1]]
        give_to_service(made)
        if replace:
            os.replace(made, path)
        else:
            # Fails where something is: between a look and a rename it could have come.
            os.link(made, path)
    except FileExistsError:
        raise AlreadyThere(
            f"{path}: is there already and is not overwritten; --force does"
        ) from None
    finally:
        made.unlink(missing_ok=True)
    _sync(path.parent)
    return warnings


def make_folder(folder: Path) -> bool:
    """Make the data folder, for the gateway's user alone; False: it is there. Raises OSError."""
    if folder.exists():
        return False
    folder.mkdir(parents=True, mode=_FOLDER_MODE)
    give_to_service(folder)
    return True


def give_to_service(path: Path) -> None:
    """Where root makes it, it is the service's user who has to read it. Raises OSError."""
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return  # no service yet: install-service makes the user, and gives it the folder
    os.chown(path, user.pw_uid, user.pw_gid)


def _section(name: str, values: dict[str, object]) -> str:
    known = {key: value for key, value in values.items() if value is not None}
    return f"[{name}]\n" + tomli_w.dumps(known)


def _path(file: Path | None) -> str | None:
    return None if file is None else str(file)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
