"""A server with everything behind it real but the lamp, the update manager and the chip."""

import asyncio

from node.clock import Clock
from node.groups.image import ImageGroup
from node.groups.os import OsGroup
from node.groups.settings import SettingsGroup
from node.groups.street import StreetGroup
from node.log import NodeLog
from node.sealing import Sealing
from node.server import Server
from node.settings import Settings
from node.status import Status
from protocol import envelope, messages, smp

NODE_ID = bytes.fromhex("a0b1c2d3e4f5")
KEYS = {1: bytes(range(16)), 7: bytes(range(16, 32))}
IDENTITY = {"id": NODE_ID, "board": "esp32s3-ref", "address": 9, "keys": KEYS}


class FakeRtc:
    def __init__(self):
        self.sets = []

    def datetime(self, when):
        self.sets.append(when)


class FakeLamp:
    def __init__(self):
        self.level = self.told = 60
        self.wanted = 60
        self.reason = 1
        self.calls = []

    groups = 4
    sightings = 0
    why = 0
    override_left = 0

    def override(self, level, seconds, why=0):
        self.calls.append(("override", level, seconds))

    def near(self, seconds):
        self.calls.append(("near", seconds))

    def identify(self, seconds):
        self.calls.append(("identify", seconds))


class FakeBoot:
    slot = 0
    trial = False
    safe = 0
    reset_cause = 1
    reverted = ""

    def slots(self):
        return [{"version": "1.2.3", "hash": bytes(32), "security_counter": 4}, None]

    def security_counter(self):
        return 4


class FakeManager:
    reason = ""
    offset = 0
    state = 0

    def __init__(self):
        self.calls = []
        self.chunks = []

    def image_state(self):
        return {"images": []}

    async def set_state(self, image_hash, confirm):
        self.calls.append(("set_state", image_hash, confirm))
        return {"images": []}

    async def upload(self, body, ours, certain):
        self.calls.append(("upload", body.get("off")))
        self.ours = ours
        self.certain = certain
        return {"off": 0}

    async def erase(self):
        self.calls.append(("erase",))
        return {}

    def reception(self):
        return FakeReception(self)


class FakeReception:
    def __init__(self, manager):
        self.manager = manager

    async def start(self, sha, length, chunk):
        self.manager.calls.append(("multicast", sha, length, chunk))
        return {}

    async def stop(self):
        self.manager.calls.append(("multicast stop",))
        return {}

    async def chunk(self, name, index, data):
        self.manager.chunks.append((name, index, data))
        return {}

    def state(self, name, first):
        return {"s": 0}


class FakeSupervisor:
    restarts = 0


class Rig:
    """root: a mounted folder. identity: whose keys can be changed, None for IDENTITY's."""

    def __init__(self, root, nvs=None, identity=None):
        self.keys = identity["keys"] if identity is not None else KEYS
        self.rtc = FakeRtc()
        self.clock = Clock(self.rtc)
        self.lamp = FakeLamp()
        self.manager = FakeManager()
        self.resets = []
        self.switch = False
        self.settings = Settings(root + "/configuration.cbor")
        self.log = NodeLog(root + "/log", self.clock, nvs)
        status = Status(
            IDENTITY,
            FakeBoot(),
            self.clock,
            self.log,
            self.lamp,
            self.settings,
            self.manager,
            FakeSupervisor(),
        )
        self.street = StreetGroup(self.log, self.lamp, self.clock, status)
        self.sealing = Sealing(root + "/counters.cbor", NODE_ID, self.keys, nvs)
        self.server = Server(
            {
                smp.GROUP_OS: OsGroup(self.clock, self.resets.append, {"s": "MicroPython"}),
                smp.GROUP_IMAGE: ImageGroup(self.manager),
                smp.GROUP_SETTINGS: SettingsGroup(self.settings),
                smp.GROUP_STREET: self.street,
            },
            self.sealing,
            lambda: self.switch,
            None,
            identity,
            root,
        )

    def ask(self, message, link="bus"):
        """The reply's bytes, or None."""
        return asyncio.run(self.server.handle(message, link))

    def body(self, op, group, command, body, link="bus", version=1):
        """The body of the reply to an unsealed request."""
        reply = smp.unpack(self.ask(smp.pack(op, group, 5, command, body, version), link))
        assert reply[:4] == (op + 1, group, 5, command), reply
        return reply[4]

    def sealed(self, counter, op, group, command, body, key_id=1, link="bus"):
        """The body inside the reply to a sealed request, or that of the refusal around it."""
        return self.opened(self.ask(sealed(counter, op, group, command, body, key_id), link))

    def opened(self, reply):
        outer = smp.unpack(reply)[4]
        if "m" not in outer:
            return outer
        inner = envelope.open_sealed(self.keys, NODE_ID, envelope.FROM_NODE, outer["m"])[0]
        return smp.unpack(inner)[4]

    def touched(self):
        """Everything that a request may have changed."""
        return (
            len(self.rtc.sets),
            self.lamp.calls,
            [call for call in self.manager.calls if call[0] != "upload"],
            self.resets,
            self.settings.version,
            self.settings.values,
            self.log.read(0, 0, 1024),
        )


def sealed(counter, op, group, command, body, key_id=1):
    """The bytes of a sealed request."""
    inner = smp.pack(op, group, 6, command, body)
    message = envelope.seal(KEYS[key_id], key_id, NODE_ID, envelope.TO_NODE, counter, inner)
    return smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 8, messages.SEALED, messages.sealed(message))
