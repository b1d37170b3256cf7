"""The network interfaces of this machine."""

from __future__ import annotations

import fcntl
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

_NET = Path("/sys/class/net")
_SIOCGIFADDR = 0x8915
_IFNAMSIZ = 16


@dataclass(frozen=True)
class Interface:
    """An interface.

    Attributes:
        name: such as eth0.
        address: its IPv4 address, "" when it has none.
        state: up, down, unknown, ..., as the kernel says.
    """

    name: str
    address: str
    state: str


def find(net: Path = _NET) -> list[Interface]:
    """The interfaces there are, but loopback."""
    found: list[Interface] = []
    for _, name in socket.if_nameindex():
        if name == "lo":
            continue
        try:
            state = (net / name / "operstate").read_text(encoding="ascii").strip()
        except OSError:
            state = "unknown"
        found.append(Interface(name, _address(name), state))
    return sorted(found, key=lambda one: one.name)


def _address(name: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack(f"{_IFNAMSIZ}s24x", name.encode()[: _IFNAMSIZ - 1])
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, request)
        except OSError:
            return ""  # it has none
    return socket.inet_ntoa(answer[20:24])
