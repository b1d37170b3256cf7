"""Answers of `init`, each looked at by itself: whether it can be one, and whether it would work."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gateway import data_dir as folder_of
from gateway.cabinet import interfaces, serial_ports
from gateway.cabinet.findings import Finding, fail, ok
from gateway.cabinet.new_configuration import BusAnswer
from gateway.config import GatewaySection
from gateway.config.base import Name
from gateway.config.bus import BAUD_RATES

# What cannot be written into a file at all, as `Finding.about`.
MALFORMED = "answer"
_NAME = TypeAdapter[str](Name)
_BUS_NAMES = ("north", "south", "east", "west")


def _is_name(text: str) -> bool:
    try:
        _NAME.validate_python(text)
    except ValidationError:
        return False
    return True


def check_id(answer: str) -> Finding:
    """Whether it can be a gateway's id."""
    try:
        GatewaySection(id=answer, data_dir=Path("/"))  # pyright: ignore[reportCallIssue]
    except ValidationError:
        said = GatewaySection.model_fields["id"].description
        return fail(MALFORMED, f"{answer!r} is no id", f"give {said}")
    return ok("gateway", answer)


def check_folder(answer: Path) -> Finding:
    """Whether it can be the data folder."""
    if not answer.is_absolute() or not str(answer).isprintable():
        return fail(
            MALFORMED, f"{str(answer)!r} is no absolute path", "give one that begins with /"
        )
    why = folder_of.problem(answer)
    if why is not None:
        return fail("data folder", f"{answer}: {why}", "give another, or run this as root")
    return ok("data folder", f"{answer} can be {'written' if answer.exists() else 'made'}")


def check_bus(answer: str) -> Finding:
    """Whether it is a bus, NAME=PORT[,BAUD][,rs485], whose port opens."""
    try:
        bus = bus_of(answer)
    except ValueError as error:
        return fail(MALFORMED, str(error), "give NAME=PORT[,BAUD][,rs485]")
    return serial_ports.check_new(bus.name, bus.port, bus.baud, bus.rs485)


def bus_of(answer: str) -> BusAnswer:
    """The bus that NAME=PORT[,BAUD][,rs485] describes. Raises ValueError."""
    name, equals, rest = answer.partition("=")
    port, *flags = rest.split(",")
    if not equals or not _is_name(name) or not port or not port.isprintable():
        raise ValueError(f"{answer!r} is no bus")
    rs485 = "rs485" in flags
    bauds = [flag for flag in flags if flag != "rs485"] or ["115200"]
    if len(bauds) > 1 or not bauds[0].isdecimal() or int(bauds[0]) not in BAUD_RATES:
        raise ValueError(f"{','.join(bauds)} is no rate of {', '.join(map(str, BAUD_RATES))}")
    return BusAnswer(name, port, int(bauds[0]), rs485)


def check_broker(answer: str) -> Finding:
    """Whether it is HOST or HOST:PORT; no connection is tried."""
    try:
        host, port = broker_of(answer)
    except ValueError as error:
        return fail(MALFORMED, str(error), "give HOST or HOST:PORT")
    return ok("broker", host if port is None else f"{host}, port {port}")


def broker_of(answer: str) -> tuple[str, int | None]:
    """(host, port or None) of HOST or HOST:PORT. Raises ValueError."""
    host, colon, port = answer.strip().rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = answer.strip(), ""
    host = host.removeprefix("[").removesuffix("]")
    if not host or not host.isprintable() or " " in host:
        raise ValueError(f"{answer!r} is no host")
    if not port:
        return host, None
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{port!r} is no TCP port")
    return host, int(port)


def check_file(file: Path) -> Finding:
    """Whether it can be read."""
    try:
        with file.open("rb") as stream:
            stream.read(1)
    except OSError as error:
        return fail("file", f"{file}: {error.strerror}", "give the path of a file that is there")
    return ok("file", f"{file} can be read")


def hostname() -> str:
    """This machine's name, as far as it can be an id."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:48].strip("-._")
    return name or "gateway-1"


def port_by_number(answer: str) -> str:
    """The port that a number of the list of ports stands for, or the answer itself."""
    ports = serial_ports.find()
    if answer.isdecimal() and 1 <= int(answer) <= len(ports):
        return str(ports[int(answer) - 1].stable)
    return answer


def free_name(buses: Sequence[BusAnswer]) -> str:
    """A name that none of `buses` has."""
    taken = {bus.name for bus in buses}
    return next((name for name in _BUS_NAMES if name not in taken), f"bus{len(buses) + 1}")


def check_lan(answer: str) -> Finding:
    """Whether it is an IPv4 address, and one of this machine."""
    try:
        address = str(IPv4Address(answer))
    except ValueError:
        return fail(MALFORMED, f"{answer!r} is no IPv4 address", "give one such as 192.168.4.1")
    there = {one.address: one.name for one in interfaces.find() if one.address}
    if address in there:
        return ok("local network", f"{address} is on {there[address]}")
    known = ", ".join(there) or "none"
    return fail("local network", f"no interface has {address}", f"there is {known}")
