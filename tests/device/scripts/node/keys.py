"""How a node's keys follow one another, and what it does on a sealed broadcast."""

import asyncio
import os

import vfs
from blocks import Blocks, FakeNvs, format_and_mount, remount
from rig import NODE_ID, Rig

from node import identity as identities
from protocol import busframe, envelope, keyring, messages, multicast, records, smp

READ = smp.OP_READ
WRITE = smp.OP_WRITE
STREET = smp.GROUP_STREET
A = bytes(range(16))
B = bytes(range(50, 66))
C = bytes(range(90, 106))
GROUP = bytes(range(120, 136))
SECRET = {1: A, 2: B, 3: C, 4: bytes(16), 200: GROUP, 201: B}


def fresh():
    try:
        vfs.umount("/f")
    except OSError:
        pass
    blocks = Blocks(48)
    format_and_mount(blocks, "/f")
    identities.store(
        "/f",
        {
            "id": NODE_ID,
            "board": "esp32s3-ref",
            "address": 9,
            "keys": {1: A, 7: bytes(range(16, 32))},
            "release_key": b"\xff" * 384,
        },
    )
    return blocks


class Node:
    """A rig whose keys can be changed, and the gateway that speaks to it."""

    def __init__(self, nvs=None):
        self.rig = Rig("/f", nvs, identities.load("/f"))
        self.changed = []
        self.rig.server.on_key = self.changed.append
        self.counters = {}

    def counter(self, key_id):
        self.counters[key_id] = self.counters.get(key_id, 0) + 1
        return self.counters[key_id]

    def ask(self, key_id, op, command, body, group=STREET, node_id=NODE_ID):
        """The body inside the reply to a request sealed with SECRET[key_id]."""
        while True:
            counter = self.counter(key_id)
            inner = smp.pack(op, group, 6, command, body)
            data = envelope.seal(SECRET[key_id], key_id, node_id, 0, counter, inner)
            message = smp.pack(WRITE, STREET, 8, messages.SEALED, messages.sealed(data))
            outer = smp.unpack(self.rig.ask(message))[4]
            if "c" not in outer:
                break
            self.counters[key_id] = outer["c"]
        if "m" not in outer:
            return outer
        return smp.unpack(envelope.open_sealed(SECRET, NODE_ID, 1, outer["m"])[0])[4]

    def install(self, under, key_id):
        return self.ask(
            under, WRITE, messages.KEYS, keyring.install_request(key_id, SECRET[key_id])
        )

    def remove(self, under, key_id):
        return self.ask(under, WRITE, messages.KEYS, keyring.remove_request(key_id))

    def works(self, key_id):
        return "v" in self.ask(key_id, READ, messages.STATUS, {})

    def kept(self):
        """Key ids on flash."""
        return sorted(identities.load("/f")["keys"])

    def tell(self, key_id, op, group, command, body, counter=None):
        """A sealed broadcast; its bytes."""
        counter = self.counter(key_id) if counter is None else counter
        inner = smp.pack(op, group, 6, command, body)
        data = envelope.seal(SECRET[key_id], key_id, envelope.BROADCAST_ID, 0, counter, inner)
        message = smp.pack(WRITE, STREET, 8, messages.SEALED, messages.sealed(data))
        self.hear(message)
        return message

    def hear(self, message):
        asyncio.run(self.rig.server.broadcast(message, "bus"))


INVALID = smp.error(STREET, smp.STREET_ERR_INVALID)
UNSEALED = smp.error(STREET, smp.STREET_ERR_SEAL)


def refused(body):
    return "err" in body and body["err"]["rc"] == smp.STREET_ERR_INVALID


def test_both_keys_work_until_the_new_one_is_used_then_it_alone():
    fresh()
    node = Node()
    reply = keyring.parse_keys_reply(node.install(1, 2))
    assert reply[0] == 2, reply
    assert node.kept() == [1, 2, 7]
    assert node.works(1)
    assert node.works(1)
    assert node.changed == []
    assert node.works(2)
    assert node.changed == [2]
    assert node.kept() == [2, 7]
    assert node.ask(1, READ, messages.STATUS, {}) == UNSEALED
    assert node.works(2)
    assert keyring.parse_keys_reply(node.rig.body(READ, STREET, messages.KEYS, {}))[0] == 0


def test_a_change_goes_on_after_a_restart_at_any_point():
    blocks = fresh()
    Node().install(1, 2)
    blocks = remount(blocks, "/f")
    node = Node()
    assert node.works(1)
    blocks = remount(blocks, "/f")
    node = Node()
    assert node.works(2)
    remount(blocks, "/f")
    node = Node()
    assert node.works(2)
    assert node.ask(1, READ, messages.STATUS, {}) == UNSEALED


def test_the_gateway_may_go_back_or_think_again():
    fresh()
    node = Node()
    node.install(1, 2)
    assert keyring.parse_keys_reply(node.remove(1, 2))[0] == 0
    assert node.ask(2, READ, messages.STATUS, {}) == UNSEALED
    assert node.works(1)
    node.install(1, 2)
    assert keyring.parse_keys_reply(node.install(1, 3))[0] == 3
    assert node.kept() == [1, 3, 7], "one that was never used makes room for the next"
    assert node.ask(2, READ, messages.STATUS, {}) == UNSEALED
    assert node.works(1)
    assert node.works(3)
    assert node.kept() == [3, 7]
    node.install(3, 1)
    assert node.works(1)
    assert node.kept() == [1, 7]


def test_a_repeated_install_changes_nothing():
    fresh()
    node = Node()
    assert node.install(1, 2) == node.rig.body(READ, STREET, messages.KEYS, {})
    assert keyring.parse_keys_reply(node.install(1, 2))[0] == 2
    assert node.kept() == [1, 2, 7]


def test_keys_are_changed_by_nobody_else():
    fresh()
    node = Node()
    body = keyring.install_request(2, B)
    node.rig.switch = True
    answer = node.rig.body(WRITE, STREET, messages.KEYS, body, "console")
    assert answer == smp.error(STREET, smp.STREET_ERR_NOT_SEALED), answer
    assert refused(node.install(1, 1)), "the key that seals the request"
    assert refused(node.remove(1, 1))
    assert refused(node.ask(1, WRITE, messages.KEYS, keyring.install_request(7, B))), "in use"
    for wrong in ({}, {"k": 2}, {"k": 0, "v": B}, {"k": 2, "v": B[:9]}, {"k": 300, "v": None}):
        assert refused(node.ask(1, WRITE, messages.KEYS, wrong)), wrong
    for key_id in range(200, 206):
        assert not refused(node.ask(1, WRITE, messages.KEYS, keyring.install_request(key_id, B)))
    assert refused(node.install(1, 2)), "eight are here"
    node.remove(1, 205)
    assert not refused(node.install(1, 2))
    node.tell(201, WRITE, STREET, messages.KEYS, keyring.install_request(3, C))
    assert 3 not in node.kept()


def test_a_flash_that_refuses_leaves_both_keys_good():
    blocks = fresh()
    node = Node()
    blocks.failing = True
    assert "rc" in node.install(1, 2)
    blocks.failing = False
    assert node.works(1)
    node.install(1, 2)
    assert node.works(1)
    # The counter of the new key is reserved first, so let it pass that and no further.
    assert keyring.parse_keys_reply(node.ask(1, READ, messages.KEYS, {}))[0] == 2
    stored = identities.store

    def fails(root, identity):
        raise OSError(28)

    identities.store = fails
    try:
        assert node.works(2), "it is accepted all the same"
    finally:
        identities.store = stored
    assert node.works(1), "and the old one stays"
    assert node.changed == []
    assert node.works(2)
    assert node.changed == [2]
    assert node.kept() == [2, 7]


def test_old_messages_stay_old_after_ten_key_changes():
    fresh()
    nvs = FakeNvs()
    node = Node(nvs)
    node.works(1)
    first = envelope.seal(
        A, 1, NODE_ID, 0, 1, smp.pack(WRITE, STREET, 6, messages.LAMP, {"l": 0, "x": 9})
    )
    under = 1
    for key_id in range(20, 32):
        SECRET[key_id] = bytes((key_id,)) * 16
        node.install(under, key_id)
        assert node.works(key_id)
        under = key_id
    node.install(under, 1)
    node = Node(nvs)
    assert node.works(1), "the very first key again"
    node = Node(nvs)
    message = smp.pack(WRITE, STREET, 8, messages.SEALED, messages.sealed(first))
    answer = smp.unpack(node.rig.ask(message))[4]
    assert answer["err"]["rc"] == smp.STREET_ERR_REPLAY, answer
    assert node.rig.lamp.calls == []
    assert os.stat("/f/counters.cbor")[6] <= 128


def with_group():
    fresh()
    node = Node()
    node.install(1, 200)
    assert node.changed == [200], "a group key is in force at once"
    return node


def test_a_broadcast_under_a_group_key_is_carried_out_and_not_answered():
    node = with_group()
    node.tell(200, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60, "g": 0xFFFF})
    assert node.rig.lamp.calls == [("override", 30, 60)]
    node.tell(200, WRITE, 0, smp.OS_DATETIME, {"datetime": "2027-01-01T00:00:00Z"})
    assert len(node.rig.rtc.sets) == 1
    sha = bytes(range(32))
    node.tell(200, WRITE, STREET, messages.MULTICAST, multicast.start_request(sha, 5000, 512))
    assert node.rig.manager.calls == [("multicast", sha, 5000, 512)]
    assert node.rig.server.proven == len(node.counters) - 1, "nobody proved to be able to ask us"


def test_what_is_for_one_lamppost_is_not_taken_from_a_broadcast():
    node = with_group()
    before = node.rig.touched()
    for group, command, body in (
        (0, smp.OS_RESET, {}),
        (1, smp.IMAGE_STATE, {"hash": bytes(32), "confirm": True}),
        (1, smp.IMAGE_ERASE, {}),
        (3, smp.SETTINGS_COMMIT, {}),
        (STREET, messages.IDENTIFY, {"d": 5}),
        (STREET, messages.ACKNOWLEDGE, {"e": 1, "s": 0}),
        (STREET, messages.KEYS, keyring.remove_request(7)),
        (STREET, messages.SEALED, {"m": b""}),
        (99, 0, {}),
    ):
        node.tell(200, WRITE, group, command, body)
    node.tell(200, READ, STREET, messages.LAMP, {})
    assert node.rig.touched() == before
    assert node.kept() == [1, 7, 200]
    assert node.rig.server.faults == 0, node.rig.server.last_fault


def test_group_keys_and_own_keys_do_not_stand_in_for_one_another():
    node = with_group()
    body = {"l": 30, "x": 60, "g": 0xFFFF}
    assert node.ask(200, WRITE, messages.LAMP, body) == UNSEALED, "a group key to one lamppost"
    assert node.ask(200, WRITE, messages.LAMP, body, node_id=envelope.BROADCAST_ID) == UNSEALED
    node.tell(1, WRITE, STREET, messages.LAMP, body)
    inner = smp.pack(WRITE, STREET, 6, messages.LAMP, body)
    own = envelope.seal(A, 1, NODE_ID, 0, 999, inner)
    node.hear(smp.pack(WRITE, STREET, 8, messages.SEALED, messages.sealed(own)))
    node.hear(inner)
    node.hear(b"")
    node.hear(bytes(range(40)))
    assert node.rig.lamp.calls == []


def test_a_broadcast_takes_effect_once_also_across_restarts():
    node = with_group()
    body = {"l": 30, "x": 60, "g": 0xFFFF}
    told = []
    node.rig.server.on_replay = told.append
    message = node.tell(200, WRITE, STREET, messages.LAMP, body)
    for _ in range(5):
        node.hear(message)
    assert len(node.rig.lamp.calls) == 1
    assert told == [], "gateways say things twice"
    again = Node()
    again.hear(message)
    assert again.rig.lamp.calls == []
    _, lowest = keyring.parse_keys_reply(again.rig.body(READ, STREET, messages.KEYS, {}))
    assert lowest[200] > 1, "what the gateway has to pass is told to who asks"
    again.tell(200, WRITE, STREET, messages.LAMP, body, lowest[200])
    assert len(again.rig.lamp.calls) == 1


def test_chunks_of_an_image_need_no_seal_and_its_beginning_does():
    node = with_group()
    chunk = multicast.chunk_request(b"abcd", 3, b"data")
    node.hear(smp.pack(WRITE, STREET, 1, messages.MULTICAST, chunk))
    assert node.rig.body(WRITE, STREET, messages.MULTICAST, chunk) == {}
    assert node.rig.manager.chunks == [(b"abcd", 3, b"data")] * 2
    start = multicast.start_request(bytes(32), 5000, 512)
    node.hear(smp.pack(WRITE, STREET, 1, messages.MULTICAST, start))
    assert (
        node.rig.body(WRITE, STREET, messages.MULTICAST, start)["rc"] == smp.MGMT_ERR_EACCESSDENIED
    )
    assert node.rig.manager.calls == []
    assert node.ask(1, WRITE, messages.MULTICAST, start) == {}
    assert node.ask(1, WRITE, messages.MULTICAST, multicast.stop_request()) == {}
    assert [call[0] for call in node.rig.manager.calls] == ["multicast", "multicast stop"]
    assert node.rig.body(READ, STREET, messages.MULTICAST, multicast.state_request(b"abcd")) == {
        "s": 0
    }


assert busframe.BROADCAST_ADDRESS == 255
assert records.EVENT_KEY_CHANGED
count = 0
for name, value in sorted(globals().items(), key=lambda item: item[0]):
    if name.startswith("test_"):
        print(name)
        value()
        count += 1
print("passed", count)
