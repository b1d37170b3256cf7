"""The configuration file: read, checked as a whole, and what is doubtful about it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from gateway.config import lampposts_file
from gateway.config.lamppost import LamppostSection
from gateway.config.model import Configuration
from gateway.config.problems import describe, one
from gateway.errors import ConfigurationError


def load(path: Path) -> tuple[Configuration, list[str]]:
    """Read and check the file at `path`, and the lampposts file it names, relative to its folder.

    Gives the configuration, with the lampposts of both, and warnings.
    Raises ConfigurationError with one line per problem: key, value, what was expected, what to do.
    """
    written = _read(path)
    kept = lampposts_file.read(path.parent / written.gateway.lampposts_file)
    return _merged(path, written, kept)


def load_with(
    path: Path, change: Callable[[list[LamppostSection]], list[LamppostSection]]
) -> tuple[Configuration, list[LamppostSection]]:
    """As `load`, with what `change` makes of the sections in the lampposts file; these as well.

    Nothing is written. Raises ConfigurationError when they would not do.
    """
    written = _read(path)
    kept = change(lampposts_file.read(path.parent / written.gateway.lampposts_file))
    return _merged(path, written, kept)[0], kept


def _read(path: Path) -> Configuration:
    data = lampposts_file.read_toml(path)
    try:
        return Configuration.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError("\n".join(describe(path, Configuration, error, data))) from None


def _merged(
    path: Path, written: Configuration, kept: list[LamppostSection]
) -> tuple[Configuration, list[str]]:
    kept_in = path.parent / written.gateway.lampposts_file
    gone = lampposts_file.replaced(kept)
    stays = [(at, own) for at, own in enumerate(written.lamppost) if own.id not in gone]
    configuration = written.model_copy(
        update={
            "gateway": written.gateway.model_copy(update={"lampposts_file": kept_in}),
            "lamppost": [own for _, own in stays] + kept,
        }
    )
    origins = [(path, f"lamppost[{at}]") for at, _ in stays]
    origins += [(kept_in, f"lamppost[{at}]") for at in range(len(kept))]
    problems = _across_sections(path, configuration, origins)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return configuration, _warnings(path, configuration, len(written.lamppost) - len(stays))


def _across_sections(
    path: Path, configuration: Configuration, origins: list[tuple[Path, str]]
) -> list[str]:
    problems: list[str] = []
    problems += _root_file(path, configuration)
    if not configuration.bus and configuration.lan is None and configuration.ble is None:
        problems.append(f"{path}: bus is missing: expected a [bus.<name>], [lan] or [ble]; add it")
    seen: dict[tuple[str, object], int] = {}
    for index, lamppost in enumerate(configuration.lamppost):
        file, where = origins[index]
        if lamppost.bus is not None and lamppost.bus not in configuration.bus:
            known = ", ".join(configuration.bus)
            problems.append(
                one(
                    file,
                    f"{where}.bus",
                    lamppost.bus,
                    f"one of: {known}",
                    f"add [bus.{lamppost.bus}] or name an existing bus",
                )
            )
        if lamppost.lan and configuration.lan is None:
            problems.append(
                one(file, f"{where}.lan", True, "a [lan] section", "add it, or remove lan here")
            )
        if lamppost.ble and configuration.ble is None:
            problems.append(
                one(file, f"{where}.ble", True, "a [ble] section", "add it, or remove ble here")
            )
        unique: list[tuple[str, str, object]] = [
            ("id", "an id", lamppost.id),
            ("name", "a name", lamppost.name),
            ("pole", "a pole", lamppost.place),
            ("address", f"an address on bus {lamppost.bus}", lamppost.address),
            ("ble_address", "a Bluetooth address", lamppost.ble_address),
        ]
        for key, what, value in unique:
            if value is None:
                continue
            first = seen.setdefault((what, value), index)
            if first == index or (key == "pole" and lamppost.pole is None):
                continue  # two of one name are told so already
            other, its = origins[first]
            its = its if other == file else f"{its} of {other}"
            problems.append(
                one(
                    file,
                    f"{where}.{key}",
                    value,
                    f"{what} that no other lamppost has",
                    f"{its} has it too: change one of them",
                )
            )
    return problems


def _root_file(path: Path, configuration: Configuration) -> list[str]:
    root_file = configuration.updates.root_file
    if root_file is None:
        return []
    # Not at the top: python-tuf takes 5 MB, which a gateway without a root file need not have.
    from gateway.updates.rootfile import read_root

    try:
        read_root(root_file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return [
            one(
                path,
                "updates.root_file",
                str(root_file),
                f"root metadata (TUF), but {why}",
                "put metadata/1.root.json of the release repository there",
            )
        ]
    return []


def _warnings(path: Path, configuration: Configuration, replaced: int) -> list[str]:
    secret_files = [path, configuration.mqtt.password_file]
    kept_in = configuration.gateway.lampposts_file
    if kept_in.exists():
        secret_files.append(kept_in)
    if configuration.lan is not None:
        secret_files.append(configuration.lan.passphrase_file)
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
    if replaced:
        warnings.append(
            f"{path}: {replaced} of its [[lamppost]] sections were replaced, as {kept_in} says; "
            "remove them"
        )
    if not configuration.lamppost:
        warnings.append(f"{path}: has no [[lamppost]] section; commission lampposts")
    return warnings
