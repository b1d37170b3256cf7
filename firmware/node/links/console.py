"""The console: SMP as standard clients speak it over a serial port, beside the text printed.

Whoever talks here stands at the open door of the lamppost.
"""

import asyncio
import select

from protocol import console
from protocol.errors import ProtocolError

from ..groups import CONSOLE

_QUIET_MS = 3000
# Bytes taken in one go; `read` waits for as many as it is asked for, so it is asked for one.
_GULP = 256
# A port that has room has room for so many bytes.
_PIECE = 64
_PATIENCE_MS = 500
_POLL_MS = 5


class ConsoleLink:
    """stdin, stdout: binary streams (`sys.stdin.buffer`, `sys.stdout.buffer`). server: Server.

    answered: requests replied to. dropped: replies given up because nobody took them.
    """

    def __init__(self, stdin, stdout, server):
        self._stdin = stdin
        self._stdout = stdout
        self._server = server
        self._reader = asyncio.StreamReader(stdin)
        self._waiting_in = select.poll()
        self._waiting_in.register(stdin, select.POLLIN)
        self._room_out = select.poll()
        self._room_out.register(stdout, select.POLLOUT)
        self._deframer = console.Deframer()
        self.answered = 0
        self.dropped = 0

    @property
    def rejected(self) -> int:
        """Frames that were garbled, incomplete or too long."""
        return self._deframer.rejected

    async def run(self, check_in):
        """Answer every SMP message; text is passed over."""
        while True:
            check_in()
            try:
                data = await asyncio.wait_for_ms(self._reader.read(1), _QUIET_MS)
            except asyncio.TimeoutError:  # noqa: UP041 - MicroPython has no other
                continue
            if not data:
                # Ended or unplugged: look again now and then.
                await asyncio.sleep_ms(1000)
                continue
            for message in self._deframer.feed(self._more(data)):
                check_in()
                reply = await self._server.handle(message, CONSOLE)
                if reply is not None:
                    await self._send(reply)
            # A flood of bytes must not keep the other tasks waiting.
            await asyncio.sleep_ms(0)

    def _more(self, first):
        data = bytearray(first)
        while len(data) < _GULP and self._waiting_in.poll(0):
            byte = self._stdin.read(1)
            if not byte:
                break
            data.extend(byte)
        return data

    async def _send(self, reply):
        try:
            lines = memoryview(console.encode(reply))
        except ProtocolError:
            self.dropped += 1
            return
        waited = 0
        while lines:
            if not any(event & select.POLLOUT for _, event in self._room_out.poll(0)):
                if waited >= _PATIENCE_MS:
                    self.dropped += 1
                    return
                waited += _POLL_MS
                await asyncio.sleep_ms(_POLL_MS)
                continue
            try:
                count = self._stdout.write(lines[:_PIECE])
            except OSError:
                self.dropped += 1
                return
            lines = lines[count or 0 :]
        self.answered += 1
