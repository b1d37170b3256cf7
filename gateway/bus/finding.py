"""Which device a configured port is at the moment.

An adapter that is plugged in again, or is found in another order after a restart, gets another name
under /dev. So a port may be named by what stays: a link in /dev/serial/by-id, which the system
keeps up to date and which is followed at each opening, or what the adapter says of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from serial.tools import list_ports

from gateway.errors import LinkUnavailable


class Device(Protocol):
    """What pyserial tells of a serial port."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None


def find(port: str, devices: Callable[[], Iterable[Device]] = list_ports.comports) -> str:
    """The path of the device that `port` stands for now.

    port: a path; `usb:<vendor>:<product>` or `usb:<vendor>:<product>:<serial number>`, the first
    two in hexadecimal; or `serial:<serial number>`. Reads sysfs, which takes milliseconds.
    Raises LinkUnavailable when no device, or more than one, is meant.
    """
    kind, colon, rest = port.partition(":")
    if not colon or kind not in ("usb", "serial"):
        return port
    known = list(devices())
    found = [device for device in known if _is_meant(device, kind, rest)]
    if len(found) == 1:
        return found[0].device
    if found:
        names = ", ".join(sorted(device.device for device in found))
        raise LinkUnavailable(
            f"expected one adapter {port}, found {len(found)}: {names};"
            " name its serial number too, or its link in /dev/serial/by-id"
        )
    there = ", ".join(sorted(map(_described, filter(lambda device: device.vid, known)))) or "none"
    raise LinkUnavailable(f"no adapter {port} is plugged in; USB adapters there: {there}")


def _is_meant(device: Device, kind: str, rest: str) -> bool:
    if kind == "serial":
        return device.serial_number == rest
    if device.vid is None or device.pid is None:
        return False
    vendor, product, *serial = rest.split(":", 2)
    return (
        f"{device.vid:04x}" == vendor.lower()
        and f"{device.pid:04x}" == product.lower()
        and (not serial or device.serial_number == serial[0])
    )


def _described(device: Device) -> str:
    serial = f":{device.serial_number}" if device.serial_number else ""
    return f"usb:{device.vid or 0:04x}:{device.pid or 0:04x}{serial} ({device.device})"
