"""The power goes at every write of a key change: some key works always, and no request twice.

argv: "clean" or "torn". Prints how many cuts there were.
"""

import sys

import vfs
from blocks import Blocks, Cut, FakeNvs, format_and_mount, remount
from rig import NODE_ID, Rig

from node import identity as identities
from protocol import envelope, keyring, messages, smp

TORN = sys.argv[1] == "torn"
OLD, NEW, GROUP = 1, 2, 200
SECRET = {OLD: bytes(range(16)), NEW: bytes(range(50, 66)), GROUP: bytes(range(90, 106))}
# The change goes over each link in turn: begun over one, proved over another.
LINKS = ("bus", "lan", "ble")


class Nvs(FakeNvs):
    """NVS whose writes can meet the cut as well; its pages are written whole or not at all."""

    def __init__(self, blocks, values):
        super().__init__()
        self.values = values
        self.blocks = blocks

    def set_blob(self, key, value):
        if self.blocks._cut():
            raise Cut()
        super().set_blob(key, value)


class Gateway:
    """What it knows: the highest counter it used of each key, and the bytes of all it sent."""

    def __init__(self):
        self.counters = {OLD: 0, NEW: 0, GROUP: 0}
        self.accepted = []
        self.turn = 0

    def ask(self, rig, key_id, command, body, op=smp.OP_WRITE):
        """The body inside the reply, None when the key is not known, as often as it takes."""
        while True:
            self.counters[key_id] += 1
            inner = smp.pack(op, smp.GROUP_STREET, 6, command, body)
            counter = self.counters[key_id]
            data = envelope.seal(SECRET[key_id], key_id, NODE_ID, 0, counter, inner)
            message = smp.pack(2, smp.GROUP_STREET, 8, messages.SEALED, messages.sealed(data))
            self.turn += 1
            outer = smp.unpack(rig.ask(message, LINKS[self.turn % len(LINKS)]))[4]
            if "m" in outer:
                self.accepted.append(message)
                opened = envelope.open_sealed(SECRET, NODE_ID, envelope.FROM_NODE, outer["m"])
                return smp.unpack(opened[0])[4]
            if "c" not in outer:
                assert outer == smp.error(smp.GROUP_STREET, smp.STREET_ERR_SEAL), outer
                return None
            self.counters[key_id] = outer["c"]

    def works(self, rig, key_id):
        body = self.ask(rig, key_id, messages.STATUS, {}, smp.OP_READ)
        return body is not None and "v" in body

    def change(self, rig):
        """Bring the new key and use it; whichever step was done before is done again."""
        if not self.works(rig, OLD):
            assert self.counters[NEW], "the old key is gone, and the new one was never used"
        else:
            for key_id in (GROUP, NEW):
                body = keyring.install_request(key_id, SECRET[key_id])
                answer = self.ask(rig, OLD, messages.KEYS, body)
                keyring.parse_keys_reply(answer)
                assert self.works(rig, OLD)
        assert self.works(rig, NEW)
        assert not self.works(rig, OLD)


def node(blocks, values):
    nvs = Nvs(blocks, values)
    identities._nvs = lambda: nvs
    return Rig("/f", nvs, identities.load("/f"))


def prepared():
    blocks = Blocks(24)
    format_and_mount(blocks, "/f")
    identity = {"id": NODE_ID, "board": "esp32s3-ref", "address": 9, "keys": {OLD: SECRET[OLD]}}
    identity["release_key"] = b"\xff" * 384
    identities._nvs = lambda: None
    identities.store("/f", identity)
    vfs.umount("/f")
    return blocks.data


def attempt(base, left, again):
    """One change that is cut at write `left`, and if `again` the recovery at its first write."""
    blocks = Blocks(24, base)
    vfs.mount(vfs.VfsLfs2(blocks), "/f")
    values = {}
    gateway = Gateway()
    blocks.torn = TORN
    blocks.left = left
    cut = False
    for _ in range(2):
        try:
            gateway.change(node(blocks, values))
            break
        except Cut:
            cut = True
        blocks = remount(blocks, "/f")
        blocks.torn = TORN
        blocks.left = 0 if again else -1
        again = False
    blocks = remount(blocks, "/f")
    rig = node(blocks, values)
    # Nothing that was accepted in any life is accepted in this one.
    for message in gateway.accepted:
        body = smp.unpack(rig.ask(message, "lan"))[4]
        assert "err" in body, body
        assert body["err"]["rc"] in (smp.STREET_ERR_REPLAY, smp.STREET_ERR_SEAL), body
    gateway.change(rig)
    assert sorted(identities.load("/f")["keys"]) == [NEW, GROUP]
    vfs.umount("/f")
    return cut


base = prepared()
cuts = 0
for again in (False, True):
    left = 0
    while attempt(base, left, again):
        left += 1
    cuts += left
print("cut points", cuts)
