"""Where the broker and the store are: options before environment before `lamplighter.toml`.

The command line gives options and environment in one (`lamplighter --help` names the variables);
this module reads the file and lays the two over each other.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, cast

from fleet_cli.clock import SYSTEM_CLOCK, StreetClock
from fleet_cli.errors import BadInput, reason_of

FILE_NAME: Final = "lamplighter.toml"
DEFAULT_STORE: Final = "sqlite:///lamplighter.db"


@dataclass(frozen=True)
class BrokerSettings:
    """How to reach the city's MQTT 5 broker.

    Attributes:
        host: name or address.
        port: 1..65535; 8883 when TLS is on and none is given.
        username: None for a broker that asks for none.
        password_file: its first line is the password; the password itself is never an option,
            where other users of the machine would see it.
        tls: speak TLS; implied by any of the three files.
        ca_file: certificates to trust instead of the system's.
        cert_file: our certificate, for a broker that asks for one.
        key_file: its key.
        timeout: for the connection and each acknowledgement, s.
    """

    host: str = "localhost"
    port: int | None = None
    username: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    timeout: float = 10.0

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is made with TLS."""
        return self.tls or any((self.ca_file, self.cert_file, self.key_file))

    @property
    def effective_port(self) -> int:
        """The port to connect to: the one given, else the registered one for MQTT."""
        return self.port or (8883 if self.uses_tls else 1883)

    def password(self) -> str | None:
        """The password, None when no file was named.

        Raises:
            BadInput: the file cannot be read, or others than its owner may read it.
        """
        if self.password_file is None:
            return None
        try:
            with self.password_file.open() as file:
                mode = os.fstat(file.fileno()).st_mode
                password = file.readline().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                f"password file {self.password_file}: cannot be read: {reason_of(error)}"
            ) from error
        if mode & 0o007:
            raise BadInput(
                f"password file {self.password_file}: everyone on this machine may read it; "
                f"run: chmod o= {self.password_file}"
            )
        return password


@dataclass(frozen=True)
class Settings:
    """Everything that is the same for all commands."""

    broker: BrokerSettings = field(default_factory=BrokerSettings)
    store: str = DEFAULT_STORE
    clock: StreetClock = SYSTEM_CLOCK


_SECTIONS: Final[dict[str, dict[str, type[Any]]]] = {
    "broker": {
        "host": str,
        "port": int,
        "username": str,
        "password_file": Path,
        "tls": bool,
        "ca_file": Path,
        "cert_file": Path,
        "key_file": Path,
        "timeout": float,
    },
    "store": {"url": str},
    "clock": {"source": str, "real_origin": int, "street_origin": float, "speed": float},
}
_WORDS: Final[dict[Any, str]] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
}


def find_file(named: Path | None) -> Path | None:
    """The settings file: the one named, else ./lamplighter.toml, else the user's, else None."""
    if named is not None:
        return named
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = [Path(FILE_NAME), home / "lamplighter" / FILE_NAME]
    return next((place for place in places if place.is_file()), None)


def load(file: Path | None, given: Mapping[str, Any]) -> Settings:
    """Settings from `file` with what was `given` as options (None: not given) laid over them.

    Args:
        file: a TOML file with [broker], [store] and [clock], or None for none.
        given: the attributes of `BrokerSettings` and `store`.

    Raises:
        BadInput: the file cannot be read, or names something unknown or of another type.
    """
    sections = _read(file) if file else {}
    said = {key: value for key, value in given.items() if value is not None}
    store = said.pop("store", None) or sections.get("store", {}).get("url", DEFAULT_STORE)
    known = {item.name for item in fields(BrokerSettings)}
    broker = replace(
        BrokerSettings(),
        **{
            key: value
            for key, value in {**sections.get("broker", {}), **said}.items()
            if key in known
        },
    )
    if broker.port is not None and not 1 <= broker.port <= 65535:
        raise BadInput(f"broker port: expected 1 to 65535, got {broker.port}")
    return Settings(broker, store, _clock(file, sections.get("clock", {})))


def _clock(file: Path | None, section: dict[str, Any]) -> StreetClock:
    source = section.pop("source", "system")
    if source == "system":
        return SYSTEM_CLOCK
    if source != "simulated":
        raise BadInput(f'{file}: clock.source: expected "system" or "simulated", got {source!r}')
    clock = StreetClock(**section)
    if clock.speed <= 0:
        raise BadInput(f"{file}: clock.speed: expected more than 0, got {clock.speed}")
    return clock


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"settings {file}: cannot be read: {reason_of(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"settings {file}: not TOML: {error}") from error
    sections: dict[str, dict[str, Any]] = {}
    for name, section in document.items():
        if name not in _SECTIONS or not isinstance(section, dict):
            expected = ", ".join(f"[{known}]" for known in _SECTIONS)
            raise BadInput(f"settings {file}: {name}: expected one of the sections {expected}")
        entries = cast(dict[str, Any], section)
        sections[name] = {key: _typed(file, name, key, value) for key, value in entries.items()}
    return sections


def _typed(file: Path, section: str, key: str, value: Any) -> Any:
    kinds = _SECTIONS[section]
    if key not in kinds:
        raise BadInput(
            f"settings {file}: {section}.{key}: unknown; expected one of {', '.join(kinds)}"
        )
    kind = kinds[key]
    if kind is Path and isinstance(value, str):
        # Beside the file that names it, wherever the command is run from.
        return file.parent / value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is Path or type(value) is not kind:
        raise BadInput(
            f"settings {file}: {section}.{key}: expected {_WORDS.get(kind, 'a path')}, "
            f"got {value!r}"
        )
    return value
