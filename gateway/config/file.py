"""The configuration file: read, checked as a whole, and what is doubtful about it."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

from pydantic import ValidationError

from gateway.config.model import Configuration
from gateway.config.problems import describe, one
from gateway.errors import ConfigurationError


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
