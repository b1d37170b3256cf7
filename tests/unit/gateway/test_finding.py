"""A port is found by what stays when an adapter gets another name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.bus.finding import find
from gateway.config import load
from gateway.errors import ConfigurationError, LinkUnavailable
from tests.unit.gateway.test_config import GOOD, write


@dataclass
class Adapter:
    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None


CONSOLE = Adapter("/dev/ttyAMA0")
FTDI = Adapter("/dev/ttyUSB0", 0x0403, 0x6001, "A10KZP45")
FTDI_TWIN = Adapter("/dev/ttyUSB1", 0x0403, 0x6001, "B20:77")
CHEAP = Adapter("/dev/ttyUSB2", 0x1A86, 0x7523)


def found(port: str, *devices: Adapter) -> str:
    return find(port, lambda: devices)


@pytest.mark.parametrize(
    ("port", "device"),
    [
        ("/dev/ttyAMA0", "/dev/ttyAMA0"),
        ("/dev/serial/by-id/usb-FTDI-if00", "/dev/serial/by-id/usb-FTDI-if00"),
        ("/dev/serial/by-path/platform-1:1.0", "/dev/serial/by-path/platform-1:1.0"),
        ("usb:1a86:7523", "/dev/ttyUSB2"),
        ("usb:1A86:7523", "/dev/ttyUSB2"),
        ("usb:0403:6001:A10KZP45", "/dev/ttyUSB0"),
        ("usb:0403:6001:B20:77", "/dev/ttyUSB1"),
        ("serial:B20:77", "/dev/ttyUSB1"),
    ],
)
def test_each_form_finds_its_device(port: str, device: str) -> None:
    assert found(port, CONSOLE, FTDI, FTDI_TWIN, CHEAP) == device


def test_an_adapter_is_found_under_its_new_name() -> None:
    moved = Adapter("/dev/ttyUSB7", FTDI.vid, FTDI.pid, FTDI.serial_number)
    assert found("serial:A10KZP45", FTDI) == "/dev/ttyUSB0"
    assert found("serial:A10KZP45", CHEAP, moved) == "/dev/ttyUSB7"


def test_one_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(LinkUnavailable, match="no adapter serial:X is plugged in") as caught:
        found("serial:X", CONSOLE, FTDI, CHEAP)
    assert "usb:0403:6001:A10KZP45 (/dev/ttyUSB0), usb:1a86:7523 (/dev/ttyUSB2)" in str(
        caught.value
    )
    with pytest.raises(LinkUnavailable, match="adapters there: none"):
        found("usb:0403:6001", CONSOLE)


def test_two_of_a_kind_have_to_be_told_apart() -> None:
    with pytest.raises(LinkUnavailable, match="found 2: /dev/ttyUSB0, /dev/ttyUSB1; name its ser"):
        found("usb:0403:6001", FTDI_TWIN, FTDI)


@pytest.mark.parametrize("port", ["usb:403:6001", "usb:0403", "usb:0403:zzzz", "usb:", "serial:"])
def test_a_form_that_can_mean_nothing_is_refused_at_start(tmp_path: Path, port: str) -> None:
    with pytest.raises(ConfigurationError, match=r"expected the path of a serial port, such as"):
        load(write(tmp_path, GOOD.replace("/dev/ttyAMA0", port)))


@pytest.mark.parametrize("port", ["usb:0403:6001:A10KZP45", "serial:A10KZP45", "/dev/a:b"])
def test_each_form_can_be_configured(tmp_path: Path, port: str) -> None:
    text = GOOD.replace("/dev/ttyAMA0", port)
    assert text != GOOD
    assert load(write(tmp_path, text))[0].bus["north"].port == port
