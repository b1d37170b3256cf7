"""The gateway's configuration: one TOML file.

Every field's description says what is expected; the messages of `config_errors` quote it.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretBytes,
    ValidationError,
    field_validator,
    model_validator,
)

from gateway.clock import SimulatedClock, StreetClock, SystemClock
from gateway.config_errors import describe, one
from gateway.errors import ConfigurationError
from gateway.uplink.topics import RESERVED

BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$")]
NodeId = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class GatewaySection(_Section):
    """`[gateway]`: who this gateway is and where it keeps its data."""

    id: Name = Field(
        description="a name of 1 to 48 letters, digits, '.', '_' or '-', not "
        f"{', '.join(RESERVED[:-1])} or {RESERVED[-1]}"
    )
    data_dir: Path = Field(description="a folder for the database and release images")

    @field_validator("id")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError("means something else in the topics")
        return value


class ClockSection(_Section):
    """`[clock]`: where street time comes from."""

    source: Literal["system", "simulated"] = Field("system", description="system or simulated")
    real_origin: int = Field(
        0, ge=0, description="wall time of the simulation's start, Unix nanoseconds"
    )
    street_origin: float = Field(
        0, ge=0, description="street time at the simulation's start, Unix seconds"
    )
    speed: float = Field(1, gt=0, le=100_000, description="a factor above 0, at most 100000")

    @model_validator(mode="after")
    def _origins(self) -> Self:
        if self.source == "simulated" and (self.real_origin < 10**15 or self.street_origin < 10**8):
            raise ValueError(
                "a simulated clock needs real_origin (Unix nanoseconds, as time.time_ns() gives) "
                "and street_origin (Unix seconds)"
            )
        return self

    def make(self) -> StreetClock:
        """The clock described here."""
        if self.source == "system":
            return SystemClock()
        return SimulatedClock(self.real_origin, self.street_origin, self.speed)


class BusSection(_Section):
    """`[bus.<name>]`: one RS-485 line."""

    port: Path = Field(description="the path of a serial port, such as /dev/ttyAMA0")
    baud: int = Field(115200, description=f"one of {', '.join(map(str, BAUD_RATES))}")
    rs485: bool = Field(
        False, description="true to let the kernel switch the driver (RS-485 mode), else false"
    )
    reply_timeout_ms: int = Field(
        250, ge=5, le=10_000, description="a whole number of milliseconds, 5 to 10000"
    )
    idle_poll_ms: int = Field(
        1000, ge=10, le=600_000, description="a whole number of milliseconds, 10 to 600000"
    )
    attempts: int = Field(3, ge=1, le=10, description="attempts per request, 1 to 10")
    silent_poll_max_s: float = Field(
        60,
        ge=0.1,
        le=3600,
        description="most seconds between polls of a silent lamppost, 0.1 to 3600",
    )
    uploads_at_once: int = Field(1, ge=1, le=16, description="image uploads at once, 1 to 16")

    @field_validator("baud")
    @classmethod
    def _known_baud(cls, value: int) -> int:
        if value not in BAUD_RATES:
            raise ValueError("not a supported rate")
        return value


class LamppostSection(_Section):
    """`[[lamppost]]`: one lamppost on a bus, with its key."""

    id: NodeId = Field(description="12 lower-case hexadecimal characters")
    name: str = Field(min_length=1, max_length=80, description="a text of 1 to 80 characters")
    bus: Name = Field(description="the name of a [bus.<name>] section")
    address: int = Field(ge=1, le=247, description="a bus address, 1 to 247")
    key: SecretBytes = Field(description="32 hexadecimal characters (16 bytes)")
    key_id: int = Field(ge=1, le=255, description="a key id, 1 to 255")

    @field_validator("key", mode="before")
    @classmethod
    def _hex_key(cls, value: object) -> bytes:
        if not isinstance(value, str) or len(value) != 32:
            raise ValueError("not 32 hexadecimal characters")
        return bytes.fromhex(value)

    @property
    def node(self) -> bytes:
        """The 6 bytes of the node id."""
        return bytes.fromhex(self.id)


class TlsSection(_Section):
    """`[mqtt.tls]`: a broker reached through TLS."""

    ca_file: Path | None = Field(None, description="a PEM file with the broker's authority")
    cert_file: Path | None = Field(None, description="a PEM file with this gateway's certificate")
    key_file: Path | None = Field(None, description="a PEM file with this gateway's private key")


class MqttSection(_Section):
    """`[mqtt]`: the city's broker."""

    host: str = Field(min_length=1, description="a host name or address")
    port: int = Field(1883, ge=1, le=65535, description="a TCP port, 1 to 65535")
    username: str | None = Field(None, description="a user name")
    password_file: Path | None = Field(None, description="a file that holds the password")
    tls: TlsSection | None = Field(None, description="a [mqtt.tls] section")
    keepalive: int = Field(30, ge=5, le=3600, description="seconds, 5 to 3600")
    in_flight: int = Field(20, ge=1, le=1000, description="messages on the way at once, 1 to 1000")
    report_interval_s: float = Field(
        2, ge=0.05, le=3600, description="least seconds between reports of a lamppost, 0.05 to 3600"
    )
    require_ingest: bool = Field(
        True, description="true to keep readings until an ingest is there to store them, else false"
    )


class BufferSection(_Section):
    """`[buffer]`: how much is kept while the broker is away."""

    max_bytes: int = Field(2_000_000_000, ge=10_000, description="bytes of records, at least 10000")
    max_age_days: float = Field(
        3650, gt=0, le=36_500, description="days a record is kept, above 0, at most 36500"
    )


class LogSection(_Section):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    format: Literal["text", "json"] = Field("text", description="text or json")


class UpdatesSection(_Section):
    """`[updates]`: how long the steps of an update may take, in machine time."""

    trial_timeout_s: float = Field(
        900, ge=1, le=86_400, description="seconds from reset to a confirmed image, 1 to 86400"
    )
    settle_s: float = Field(
        3, ge=0.05, le=60, description="seconds from a reset until its outcome is read, 0.05 to 60"
    )
    retry_s: float = Field(
        5, ge=0.01, le=3600, description="seconds between attempts at a failed step, 0.01 to 3600"
    )


class Configuration(_Section):
    """The whole file."""

    gateway: GatewaySection = Field(description="a [gateway] section")
    clock: ClockSection = Field(default_factory=ClockSection.model_construct)
    bus: dict[Name, BusSection] = Field(min_length=1, description="at least one [bus.<name>]")
    lamppost: list[LamppostSection] = Field(default=[], description="[[lamppost]] sections")
    mqtt: MqttSection = Field(description="a [mqtt] section")
    buffer: BufferSection = Field(default_factory=BufferSection.model_construct)
    updates: UpdatesSection = Field(default_factory=UpdatesSection.model_construct)
    log: LogSection = Field(default_factory=LogSection.model_construct)


def load(path: Path) -> tuple[Configuration, list[str]]:
    """Read and check the file at `path`; gives the configuration and warnings.

    Raises ConfigurationError with one line per problem: key, value, what was expected, what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error}); expected a TOML file in UTF-8; "
            "check the path and its permissions"
        ) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path}: is not TOML ({error}); correct the syntax at that place"
        ) from error
    try:
        configuration = Configuration.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError("\n".join(describe(path, Configuration, error, data))) from None
    problems = _across_sections(path, configuration)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return configuration, _warnings(path, configuration)


def _across_sections(path: Path, configuration: Configuration) -> list[str]:
    problems: list[str] = []
    seen: dict[tuple[str, object], int] = {}
    for index, lamppost in enumerate(configuration.lamppost):
        where = f"lamppost[{index}]"
        if lamppost.bus not in configuration.bus:
            known = ", ".join(configuration.bus)
            problems.append(
                one(
                    path,
                    f"{where}.bus",
                    lamppost.bus,
                    f"one of: {known}",
                    f"add [bus.{lamppost.bus}] or name an existing bus",
                )
            )
        unique: list[tuple[str, str, object]] = [
            ("id", "an id", lamppost.id),
            ("name", "a name", lamppost.name),
            ("address", f"an address on bus {lamppost.bus}", lamppost.address),
        ]
        for key, what, value in unique:
            first = seen.setdefault((what, value), index)
            if first != index:
                problems.append(
                    one(
                        path,
                        f"{where}.{key}",
                        value,
                        f"{what} that no other lamppost has",
                        f"lamppost[{first}] has it too: change one of them",
                    )
                )
    return problems


def _warnings(path: Path, configuration: Configuration) -> list[str]:
    secret_files = [path, configuration.mqtt.password_file]
    if configuration.mqtt.tls is not None:
        secret_files.append(configuration.mqtt.tls.key_file)
    warnings: list[str] = []
    for file in secret_files:
        if file is None:
            continue
        try:
            mode = os.stat(file).st_mode
        except OSError as error:
            warnings.append(f"{file}: cannot be read ({error.strerror}); put the file in place")
            continue
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            warnings.append(
                f"{file}: holds keys and others can read it (mode {stat.S_IMODE(mode):04o}); "
                f"run: chmod 600 {file}"
            )
    if not configuration.lamppost:
        warnings.append(f"{path}: has no [[lamppost]] section; the gateway has nothing to ask")
    return warnings
