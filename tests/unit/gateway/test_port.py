"""The serial port: what is given up is not sent later, and trouble while opening is survived."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import termios
import tty
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import serial

from gateway.bus.port import Port
from gateway.bus.transaction import Line
from gateway.errors import NoReply
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
