"""The serial port: what is given up is not sent later, and it comes back from wherever it went."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pty
import select
import termios
import threading
import tty
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import TracebackType

import pytest
import serial
from serial.tools.list_ports_common import ListPortInfo

from gateway.bus import port as port_module
from gateway.bus.finding import find
from gateway.bus.port import Port
from gateway.bus.transaction import Line
from gateway.errors import LinkUnavailable, NoReply
from gateway.logs import get
from protocol import busframe


@contextlib.asynccontextmanager
async def opened() -> AsyncGenerator[tuple[Port, int]]:
    """A running port on a pty, and the far side of it, which nobody reads."""
    far, near = pty.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    port = Port(Path(os.ttyname(near)), 115_200, False, get())
    task = asyncio.create_task(port.run())
    try:
        await asyncio.wait_for(port.opened.wait(), 30)
        yield port, far
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.close(far)
        os.close(near)


async def arrivals(far: int) -> bytes:
    """All that comes until the line has been quiet for a while."""
    data, quiet = b"", 0
    while quiet < 20:
        await asyncio.sleep(0.01)
        try:
            data += os.read(far, 65536)
            quiet = 0
        except BlockingIOError:
            quiet += 1
    return data


async def test_a_request_given_up_on_a_stalled_line_is_not_sent_when_it_recovers() -> None:
    async with opened() as (port, far):
        line = Line(port, 0.01)
        port.send(bytes(100_000))  # more than the line takes while nobody reads
        with pytest.raises(NoReply):
            await line.transact(1, 1, b"switch off the light")
        given_up = busframe.encode(1, busframe.REQUEST, 1, b"switch off the light")
        assert given_up not in await arrivals(far)

        for _ in range(3000):
            if port.reopened and port.opened.is_set():
                break
            await asyncio.sleep(0.01)
        with pytest.raises(NoReply):
            await line.transact(1, 2, b"again")
        assert busframe.encode(1, busframe.REQUEST, 2, b"again") in await arrivals(far)


async def test_silence_on_a_line_that_takes_everything_keeps_the_port_open() -> None:
    async with opened() as (port, far):
        with pytest.raises(NoReply):
            await Line(port, 0.01).transact(1, 1, b"hello")
        assert b"hello" in await arrivals(far)
        assert port.opened.is_set()
        assert port.reopened == 0


async def test_a_device_that_goes_while_it_is_set_up_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = 0
    real = serial.Serial.reset_input_buffer

    def reset(device: serial.Serial) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise termios.error(5, "Input/output error")
        real(device)

    monkeypatch.setattr(serial.Serial, "reset_input_buffer", reset)
    async with opened():
        assert tries == 2


class Adapter:
    """A pty that can be pulled out."""

    def __init__(self) -> None:
        self.far, self._near = pty.openpty()
        tty.setraw(self._near)
        os.set_blocking(self.far, False)
        self.path = os.ttyname(self._near)

    def pull(self) -> None:
        if self.far >= 0:
            os.close(self.far)
            os.close(self._near)
        self.far = -1

    def __enter__(self) -> Adapter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pull()


@contextlib.asynccontextmanager
async def running(port: Port) -> AsyncGenerator[Port]:
    task = asyncio.create_task(port.run())
    try:
        yield port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def happens(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a port has no event for each of these
            await asyncio.sleep(0.005)


REPLY = busframe.encode(1, busframe.RESPONSE, 1, b"x" * 600)

# What has gone over the line when the adapter is pulled.
STATES: dict[str, Callable[[Adapter], object]] = {
    "nothing of the reply": lambda adapter: None,
    "its first byte": lambda adapter: os.write(adapter.far, REPLY[:1]),
    "half of it": lambda adapter: os.write(adapter.far, REPLY[:300]),
    "all but its end": lambda adapter: os.write(adapter.far, REPLY[:-1]),
    "all of it and half of another": lambda adapter: os.write(adapter.far, REPLY + REPLY[:300]),
}


@pytest.mark.parametrize("state", STATES)
async def test_an_adapter_pulled_while_a_reply_is_waited_for_ends_the_wait_and_is_found_again(
    tmp_path: Path, state: str
) -> None:
    link = tmp_path / "by-id"
    with Adapter() as first, Adapter() as second:
        link.symlink_to(first.path)
        async with running(Port(link, 115_200, False, get())) as port:
            line = Line(port, 60)
            await happens(port.opened.is_set)
            asking = asyncio.create_task(line.transact(1, 1, b"who"))
            await happens(lambda: line.requests)
            STATES[state](first)
            await asyncio.sleep(0)
            first.pull()
            # Long before a reply could have been missed.
            result = (await asyncio.wait_for(asyncio.gather(asking, return_exceptions=True), 30))[0]
            assert isinstance(result, LinkUnavailable) or result == b"x" * 600
            link.unlink()
            link.symlink_to(second.path)
            await happens(port.opened.is_set)
            again = asyncio.create_task(line.transact(1, 1, b"who"))
            await happens(lambda: select.select([second.far], [], [], 0)[0])
            os.write(second.far, REPLY)
            # Nothing of what came before is in the way.
            assert await asyncio.wait_for(again, 30) == b"x" * 600
            assert port.reopened == 1


async def test_an_adapter_pulled_while_a_request_goes_out_or_nothing_does_is_found_again(
    tmp_path: Path,
) -> None:
    link = tmp_path / "by-id"
    with Adapter() as first, Adapter() as second, Adapter() as third:
        link.symlink_to(first.path)
        async with running(Port(link, 115_200, False, get())) as port:
            line = Line(port, 0.01)
            await happens(port.opened.is_set)
            port.send(bytes(100_000))  # more than the line takes while nobody reads
            first.pull()
            await happens(lambda: not port.opened.is_set())
            with pytest.raises(LinkUnavailable):
                await line.transact(1, 1, b"who")
            link.unlink()
            link.symlink_to(second.path)
            await happens(port.opened.is_set)
            second.pull()  # between frames
            await happens(lambda: not port.opened.is_set())
            link.unlink()
            link.symlink_to(third.path)
            await happens(port.opened.is_set)
            with pytest.raises(NoReply):
                await line.transact(1, 2, b"who")
            assert await arrivals(third.far) == busframe.encode(1, busframe.REQUEST, 2, b"who")


async def test_an_adapter_that_returns_under_another_name_is_found_by_its_serial_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there: list[ListPortInfo] = []
    monkeypatch.setattr(port_module, "find", lambda name: find(name, lambda: there))
    with Adapter() as first, Adapter() as second:
        async with running(Port("serial:A10KZP45", 115_200, False, get())) as port:
            await happens(lambda: "no adapter serial:A10KZP45" in port.trouble)
            there.append(info(first.path))
            await happens(port.opened.is_set)
            assert port.trouble == ""
            there.clear()
            first.pull()
            await happens(lambda: not port.opened.is_set())
            there.append(info(second.path))
            await happens(port.opened.is_set)
            port.send(b"hello")
            assert await arrivals(second.far) == b"hello"


def info(path: str) -> ListPortInfo:
    device = ListPortInfo(path, skip_link_detection=True)
    device.vid, device.pid, device.serial_number = 0x0403, 0x6001, "A10KZP45"
    return device


async def test_an_adapter_that_hangs_while_it_is_opened_stops_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()
    real = serial.Serial.reset_input_buffer
    devices: list[serial.Serial] = []

    def reset(device: serial.Serial) -> None:
        devices.append(device)
        hangs.set()
        goes_on.wait(30)
        real(device)

    monkeypatch.setattr(serial.Serial, "reset_input_buffer", reset)
    with Adapter() as adapter:
        async with running(Port(adapter.path, 115_200, False, get())) as port:
            await happens(hangs.is_set)
            assert not port.opened.is_set()
            with pytest.raises(LinkUnavailable):
                port.send(b"hello")
        # Stopped meanwhile: what the thread opens after all is closed again.
        goes_on.set()
        await happens(lambda: not devices[0].is_open)


async def test_a_port_whose_driver_has_no_rs485_mode_is_used_without_and_says_so() -> None:
    with Adapter() as adapter:
        async with running(Port(adapter.path, 115_200, True, get())) as port:
            await happens(port.opened.is_set)  # a pty has none
            assert port.rs485_refused
            port.send(b"hello")
            assert await arrivals(adapter.far) == b"hello"


async def test_a_driver_that_has_rs485_mode_is_put_into_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[tuple[int, list[int]]] = []

    def ioctl(descriptor: int, request: int, buffer: object, *rest: object) -> int:
        if request in (0x542E, 0x542F):  # TIOCGRS485, TIOCSRS485
            said.append((request, list(buffer)))  # type: ignore[call-overload]
            return 0
        return real(descriptor, request, buffer, *rest)  # type: ignore[arg-type]

    real = serial.serialposix.fcntl.ioctl  # type: ignore[attr-defined]
    monkeypatch.setattr(serial.serialposix.fcntl, "ioctl", ioctl)  # type: ignore[attr-defined]
    with Adapter() as adapter:
        async with running(Port(adapter.path, 115_200, True, get())) as port:
            await happens(port.opened.is_set)
            assert not port.rs485_refused
    written = [values for request, values in said if request == 0x542F]
    # SER_RS485_ENABLED and RTS_ON_SEND; neither RTS_AFTER_SEND nor our own words heard back.
    assert {values[0] & 0b10111 for values in written} == {0b00011}


def test_why_a_port_cannot_be_used_is_said_once_with_what_to_do() -> None:
    missing = serial.SerialException(errno.ENOENT, "could not open port X: [Errno 2] No such file")
    assert port_module._reason(missing) == (
        "No such file or directory; is the adapter plugged in, and is this its name?"
    )
    assert port_module._reason(ValueError("not a baud rate")) == "not a baud rate"
