"""The wires of one simulated chip: its connections to the street, and how its process ends.

Each peripheral is a connection of its own to the street's unix socket and says what it is in one
JSON line. The ``control`` connection carries what has no bytes of its own: pins, the watchdog, the
ledger of logged records, the reason of a reset.

Environment: LAMPLIGHTER_SIM_SOCKET, LAMPLIGHTER_SIM_NODE (12 hexadecimal digits).
"""

import errno
import json
import os
import socket
import struct
import sys

import ffi
from micropython import const

# How the process ends tells the street what happened; simulators/node_process.py reads them.
EXIT_RESET = const(64)  # machine.reset()
EXIT_SOFT_RESET = const(65)  # machine.soft_reset()
EXIT_ENDED = const(66)  # the application returned or raised: the chip starts again
EXIT_DEAD = const(70)  # not even the boot stage could be started: on the street, a brick
EXIT_STREET_GONE = const(71)  # the simulator that this chip is part of went away

_MSG_DONTWAIT = const(0x40)
_SIGKILL = const(9)

_libc = ffi.open(None)
_leave = _libc.func("v", "_exit", "i")
_kill = _libc.func("i", "kill", "ii")
_getpid = _libc.func("i", "getpid", "")

NODE = os.getenv("LAMPLIGHTER_SIM_NODE") or ""


def leave(code):
    """End at once, as a chip does: no handler runs, nothing is unwound."""
    _leave(code)


def lose_power():
    """Die between two instructions, as at a power cut."""
    _kill(_getpid(), _SIGKILL)


def connect(device, **details):
    """A connected socket for ``device``, after its line of introduction has been sent."""
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = os.getenv("LAMPLIGHTER_SIM_SOCKET") or ""
    try:
        wire.connect(struct.pack("H", socket.AF_UNIX) + path.encode() + b"\0")
        details["node"] = NODE
        details["device"] = device
        send(wire, json.dumps(details).encode() + b"\n")
    except OSError as error:
        print("no street at", path, error, file=sys.stderr)
        leave(EXIT_STREET_GONE)
    return wire


def send(wire, data):
    """Send all of ``data`` on a blocking socket; the street going away ends the process."""
    view = memoryview(data)
    try:
        while len(view):
            view = view[wire.send(view) :]
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.ECONNRESET, errno.EBADF):
            leave(EXIT_STREET_GONE)
        raise


class Control:
    """Lines to the street, and the input pins the street sets."""

    def __init__(self):
        # What edges make of a pin's changes, told by `_edges`; nobody listens before.
        self.on_edges = self.on_level = lambda *_: None
        self.inputs = {}
        self._answers = {}
        self._wire = connect("control")
        self._rest = b""
        while b"\n" not in self._rest:  # the first line says how the inputs stand at power-up
            self._take(self._wire.recv(512))
        self._digest()

    def say(self, line):
        """Send one line (bytes, JSON, without its end)."""
        send(self._wire, line + b"\n")

    def input(self, number):
        """The level the street puts on input pin ``number``; None when it is not wired."""
        self.listen()
        return self.inputs.get(number)

    def listen(self):
        """Take what the street has said."""
        try:
            while True:
                self._take(self._wire.recv(512, _MSG_DONTWAIT))
                self._digest()
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise

    def ask(self, line, key):
        """Send one line and wait for the street's answer ``key``."""
        self._answers.pop(key, None)
        self.say(line)
        while key not in self._answers:
            self._take(self._wire.recv(512))
            self._digest()
        return self._answers[key]

    def _take(self, data):
        if not data:
            leave(EXIT_STREET_GONE)
        self._rest += data

    def _digest(self):
        while b"\n" in self._rest:
            line, self._rest = self._rest.split(b"\n", 1)
            for key, value in json.loads(line).items():
                if key == "pins":
                    self._level(value)
                elif key == "edges":
                    self.on_edges(*value)
                else:
                    self._answers[key] = value

    def _level(self, levels):
        for number, level in levels.items():
            number = int(number)
            before = self.inputs.get(number)
            self.inputs[number] = level
            if before is not None and before != level:
                self.on_level(number, level)


control = Control()
