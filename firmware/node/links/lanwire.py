"""A TCP connection, with TLS or without, that never waits; names by a resolver that does not.

MicroPython's own `getaddrinfo` holds up the whole interpreter while it asks for a name, on an ESP32
for seconds when nobody answers. It is asked for literal addresses alone, which it only converts.

One thing cannot be divided: a step of the TLS handshake computes as long as it computes, on an
ESP32 some tenths of a second for the key exchange. So it is begun while the lamp does not ramp.
"""

import asyncio
import errno
import os
import select
import socket
import time

from .mqtt import Lost

_CONNECT_MS = 10_000
_POLL_MS = 10
# A question is asked so often, so far apart; the answer must fit.
_QUESTIONS = 3
_ANSWER_MS = 1000
_MAX_ANSWER = 512
# mDNS answers who asks from another port than 5353 directly (RFC 6762, section 6.7).
_MDNS = "224.0.0.251"
_MDNS_PORT = 5353


def is_literal(host) -> bool:
    """Whether `host` is an IPv4 address, and so no name."""
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)


def question(number, name) -> bytes:
    """A DNS question for the IPv4 address of `name` (RFC 1035, section 4), `number` its id.

    Raises ValueError for a name that cannot be one.
    """
    out = bytearray(number.to_bytes(2, "big"))
    out.extend(b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    for label in name.rstrip(".").split("."):
        if not 0 < len(label) < 64:
            raise ValueError("no name: %s" % name)
        out.append(len(label))
        out.extend(label.encode())
    out.extend(b"\x00\x00\x01\x00\x01")
    return bytes(out)


def answer(data, number):
    """The first IPv4 address in an answer to question `number`, None when it is no answer to it.

    Raises ValueError when it says that there is none; IndexError for one that is cut short.
    """
    if len(data) < 12 or data[0] << 8 | data[1] != number or not data[2] & 0x80:
        return None
    if data[3] & 0x0F:
        raise ValueError("the name server answers with error %d" % (data[3] & 0x0F))
    at = 12
    for _ in range(data[4] << 8 | data[5]):
        at = _past_name(data, at) + 4
    for _ in range(data[6] << 8 | data[7]):
        at = _past_name(data, at)
        kind = data[at] << 8 | data[at + 1]
        size = data[at + 8] << 8 | data[at + 9]
        at += 10
        if kind == 1 and size == 4 and at + 4 <= len(data):
            return "%d.%d.%d.%d" % (data[at], data[at + 1], data[at + 2], data[at + 3])
        at += size
    raise ValueError("the name has no IPv4 address")


def _past_name(data, at):
    """Index behind the name at `at`; a pointer ends it and is not followed."""
    while True:
        size = data[at]
        if size >= 0xC0:
            return at + 2
        at += 1 + size
        if not size:
            return at


async def resolve(name, server, port=53) -> str:
    """The IPv4 address of `name`, asked of the name server `server`. Raises Lost.

    A name that ends in .local is asked of everybody on the network instead, who knows his own.
    """
    if name.endswith(".local"):
        server, port = _MDNS, _MDNS_PORT
    if not is_literal(server):
        raise Lost("no name server to ask for %s" % name)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        to = socket.getaddrinfo(server, port)[0][-1]
        for _ in range(_QUESTIONS):
            number = int.from_bytes(os.urandom(2), "big")
            udp.sendto(question(number, name), to)
            end = time.ticks_add(time.ticks_ms(), _ANSWER_MS)
            while time.ticks_diff(end, time.ticks_ms()) > 0:
                await asyncio.sleep_ms(_POLL_MS)
                found = _read_answer(udp, number)
                if found:
                    return found
    except (OSError, ValueError) as error:
        raise Lost("%s: %s" % (name, error)) from None
    except IndexError:
        raise Lost("%s: the answer is cut short" % name) from None
    finally:
        udp.close()
    raise Lost("nobody answers what the address of %s is" % name)


def _read_answer(udp, number):
    try:
        data = udp.recv(_MAX_ANSWER)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return None
        raise
    return answer(data, number)


def authority(certificate):
    """A TLS context that believes what the authority with this certificate (DER) has signed."""
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # pyright: ignore - the stubs have it read only
    context.load_verify_locations(certificate)
    return context


class Wire:
    """One connection. `read` and `write` move what can be moved now."""

    def __init__(self):
        self._socket = None
        self._stream = None
        # Bytes of the last write that was not taken: TLS has them in a record already, and wants
        # to be offered the very same again.
        self._offered = 0

    async def open(self, address, port, context=None, name=""):
        """Connect to an IPv4 address. Raises Lost.

        context: of `authority` for TLS, `name` what the certificate must say. The handshake takes
        place in the first `write` and `read`, a step in each.
        """
        connecting = socket.socket()
        self._socket = connecting
        self._offered = 0
        connecting.setblocking(False)
        try:
            connecting.connect(socket.getaddrinfo(address, port)[0][-1])
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise Lost("%s port %d: %s" % (address, port, error)) from None
        poll = select.poll()
        poll.register(connecting, select.POLLOUT)
        end = time.ticks_add(time.ticks_ms(), _CONNECT_MS)
        while True:
            ready = poll.poll(0)
            if ready and ready[0][1] & (select.POLLERR | select.POLLHUP):
                raise Lost("%s port %d: refused or unreachable" % (address, port))
            if ready:
                break
            if time.ticks_diff(end, time.ticks_ms()) <= 0:
                raise Lost("%s port %d: no answer" % (address, port))
            await asyncio.sleep_ms(_POLL_MS)
        self._stream = connecting
        if context is not None:
            self._stream = context.wrap_socket(
                connecting, server_hostname=name, do_handshake_on_connect=False
            )

    def write(self, view) -> int:
        """How many bytes of `view` were taken. Raises OSError or ValueError, as TLS does."""
        if self._offered:
            view = view[: self._offered]
        count = self._stream.write(view)  # pyright: ignore - only asked between open and close
        if count is None:
            self._offered = len(view)
            return 0
        self._offered = 0
        return count

    def read(self, view) -> int:
        """How many bytes came into `view`. Raises Lost at the end, OSError or ValueError."""
        count = self._stream.readinto(view)  # pyright: ignore - as above
        if count is None:
            return 0
        if not count:
            raise Lost("the broker closed the connection")
        return count

    def close(self):
        """Let go of the connection; may be called at any time."""
        stream, self._stream = self._stream, None
        plain, self._socket = self._socket, None
        for one in (stream, plain):
            if one is not None:
                try:
                    one.close()
                except OSError:
                    continue  # it is gone already, which is what was asked for
