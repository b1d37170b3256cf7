"""Serial ports: which there are, and whether one can be used for a bus."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import stat
import struct
import termios
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import serial
import serial.rs485
from serial.tools import list_ports

from gateway.bus import finding
from gateway.cabinet import processes
from gateway.cabinet.findings import Finding, Level, fail, ok, warn
from gateway.cabinet.processes import Holder
from gateway.config import BusSection
from gateway.errors import LinkUnavailable

_BY_ID = Path("/dev/serial/by-id")
# Names that the kernel gives in the order of plugging in.
_PASSING = ("ttyUSB", "ttyACM")
_TIOCGRS485 = 0x542E
_RS485_ENABLED = 1
_SIZE = 32
# The kernel keeps 15 characters of a program's name.
_OUR_NAME = "lamplighter-gat"


@dataclass(frozen=True)
class SerialPort:
    """A port of this machine.

    Attributes:
        device: as the kernel calls it now, such as /dev/ttyUSB0.
        stable: a name that stays when others are plugged in first; the device where there is none.
        description: what it says of itself, "" when nothing.
    """

    device: Path
    stable: Path
    description: str


def find(by_id: Path = _BY_ID) -> list[SerialPort]:
    """The serial ports there are, by name."""
    links: dict[str, Path] = {}
    if by_id.is_dir():
        links = {os.path.realpath(link): link for link in sorted(by_id.iterdir())}
    found: list[SerialPort] = []
    for port in list_ports.comports():
        description = port.description if port.description not in (None, "n/a", port.name) else ""
        device = Path(port.device)
        found.append(SerialPort(device, links.get(port.device, device), description))
    return sorted(found, key=lambda port: str(port.device))


def check(name: str, bus: BusSection, gateway: int | None) -> list[Finding]:
    """Look at the port of the bus `name`. gateway: process id of the gateway that runs, if any."""
    about = f"serial {name}"
    try:
        port = Path(finding.find(bus.port))
    except LinkUnavailable as error:
        next_step = "plug the adapter in, or name another port in the configuration"
        return [fail(about, str(error), next_step)]
    try:
        mode = os.stat(port).st_mode
    except OSError as error:
        return [fail(about, f"{port}: {error.strerror}", _instead(port))]
    if not stat.S_ISCHR(mode):
        return [fail(about, f"{port} is no device", _instead(port))]
    findings = list(_named(about, port))
    holder = processes.lock_holder(port)
    there = processes.openers(port)
    others = [one for one in there if one.process != gateway]
    ours = [one for one in (holder, *there) if one is not None and one.process == gateway]
    if gateway is not None and ours:
        findings += _shared(about, port, others)
        return [ok(about, f"{port} in use by the running gateway (process {gateway})"), *findings]
    if others or holder is not None:
        return [*findings, _taken(about, port, others or [holder or Holder(0, "")])]
    if not os.access(port, os.R_OK | os.W_OK):
        return [*findings, fail(about, f"{port} may not be opened by this user", _permit(port))]
    return [*findings, try_open(about, port, bus.baud, bus.rs485)]


def check_new(name: str, port: str, baud: int, rs485: bool) -> Finding:
    """Whether `port` would do for a new bus `name`."""
    section = BusSection.model_construct(port=port, baud=baud, rs485=rs485)
    found = check(name, section, None)
    return next((one for one in found if one.level is Level.FAIL), found[-1])


def try_open(about: str, port: Path, baud: int, rs485: bool) -> Finding:
    """Open `port` as the gateway does, and close it again."""
    try:
        with serial.Serial(str(port), baud, exclusive=True) as device:
            if not rs485:
                return ok(about, f"{port} opens, {baud} baud")
            try:
                device.rs485_mode = serial.rs485.RS485Settings()
            except (OSError, ValueError) as error:
                return fail(
                    about,
                    f"{port} opens, but its driver has no RS-485 mode ({_why(error)})",
                    "set rs485 = false and use an adapter that switches by itself; on the Pi's own "
                    "UART, look that the overlay of the RS-485 board is in config.txt",
                )
            return _rs485_said(about, port, baud, device.fileno())
    except (OSError, ValueError, termios.error) as error:
        # pyserial's own error is an OSError.
        if getattr(error, "errno", None) in (errno.EACCES, errno.EPERM):
            return fail(about, f"{port} may not be opened by this user", _permit(port))
        return fail(
            about,
            f"{port} does not open ({_why(error)})",
            "unplug the adapter and plug it in again; then look at `dmesg | tail`",
        )


def _rs485_said(about: str, port: Path, baud: int, descriptor: int) -> Finding:
    said = bytearray(_SIZE)
    try:
        fcntl.ioctl(descriptor, _TIOCGRS485, said)
    except OSError as error:
        return warn(
            about, f"{port}: RS-485 mode set, but not told ({_why(error)})", "try a lamppost"
        )
    if struct.unpack_from("I", said)[0] & _RS485_ENABLED:
        return ok(about, f"{port} opens, {baud} baud, the kernel switches the driver (RS-485)")
    return fail(
        about, f"{port}: the driver takes RS-485 mode and leaves it off", "set rs485 = false"
    )


def _named(about: str, port: Path) -> Collection[Finding]:
    """A name that changes with the order of plugging in is worth a warning."""
    if not port.name.startswith(_PASSING) or port.is_symlink():
        return ()
    stable = next((p.stable for p in find() if p.device == port and p.stable != port), None)
    if stable is None:
        return ()
    return (
        warn(
            about,
            f"{port} may be another adapter after the next start",
            f'write port = "{stable}"',
        ),
    )


def _shared(about: str, port: Path, others: list[Holder]) -> list[Finding]:
    return [_taken(about, port, others)] if others else []


def _taken(about: str, port: Path, holders: list[Holder]) -> Finding:
    who = ", ".join(map(str, holders))
    names = {holder.name for holder in holders}
    if all(name.startswith(_OUR_NAME) for name in names):
        # Its data folder is for its own user alone, so this one cannot know whether it is ours.
        return warn(about, f"{port} is open in {who}", "run this as root to see whether it is ours")
    if names & {"agetty", "getty", "login"}:
        action = "turn the serial console off (raspi-config, Interface Options) and start again"
    elif "ModemManager" in names:
        action = "remove ModemManager: sudo apt purge modemmanager"
    elif any(not holder.process for holder in holders):
        action = "run this as root to see which process it is, and end it"
    else:
        action = "end that process, or use another port"
    return fail(about, f"{port} is open in {who}", action)


def _permit(port: Path) -> str:
    try:
        group = grp.getgrgid(os.stat(port).st_gid).gr_name
    except (OSError, KeyError):
        group = "dialout"
    return f"sudo usermod -aG {group} USER for the user the gateway runs as, and start it again"


def _instead(port: Path) -> str:
    there = [str(found.stable) for found in find()]
    if not there:
        return "plug the adapter in; this machine has no serial port now"
    return f"plug the adapter in, or name one of: {', '.join(there)}"


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else " ".join(str(error).split())[:120]
