"""The power goes at each write of a node's life, cleanly or halfway, and again while it recovers.

A life: it starts, logs, is given a configuration, a new key and a new release, which it tries and
keeps or gives up. It is lived once, and each write that it made is noted, with what was promised to
others by then. Then for each write the flash is put together as it was when the power went at it.
From there the node starts: the lamp burns, a whole slot runs, nothing promised is missing, and life
goes on to its goal. That is the recovery, and from there the power goes once more: at each write of
its start, and of what follows.

Arguments: folder, slots ("folders" or "halves"), goal ("confirm", "revert", "delta" or
"multicast"), "clean" or "torn", every how many writes to cut, of those every how many to cut again,
and in what follows a start every how many writes. Prints how many writes and cut points there were.
"""

import gc
import sys
from hashlib import sha256

import esp32
from bench import NVS, Lamppost, read, run, send, tell
from rom import ROM

from firmware.node import identity
from firmware.node.log import NodeLog
from firmware.node.sealing import Sealing
from firmware.node.server import Server
from firmware.node.settings import Settings
from protocol import configuration, envelope, keyring, messages, multicast, records, smp

folder, slots, goal, how = sys.argv[1:5]
stride, again, further = map(int, sys.argv[5:8])
V1 = "1.0.0"
V2 = "2.0.0"
PROMISE = -2
CHUNK = 512
image = read(folder + ("/delta.img" if goal == "delta" else "/v2.img"))
factory = read(folder + "/flash.bin"), None
if slots == "halves":
    factory = read(folder + "/halves.bin"), read(folder + "/romfs.bin")
NODE_ID = bytes.fromhex("a0b1c2d3e4f5")
SECRETS = {1: bytes(range(16)), 2: bytes(range(30, 46))}
DOCUMENT = configuration.document(2, {"lamp/default_level": 70, "lamp/minimum_level": 5})


class Clock:
    def stamp(self):
        return 1_800_000_000


class Node(Lamppost):
    """One node from a state of its flash on. promises: what others were told, by name."""

    def __init__(self, data, rom, nvs, promises):
        super().__init__(data, rom)
        esp32.kept.update(nvs)
        self.promises = dict(promises)
        self.flash.journal = []

    @property
    def journal(self):
        return self.flash.journal

    def promise(self, name, value=True):
        self.promises[name] = value
        self.journal.append((PROMISE, (name, value)))

    def promised(self, name):
        return self.promises.get(name)

    def logged(self, epoch, sequence, body):
        self.promise((epoch, sequence), body)

    def start(self):
        """Boot, and put together what writes; checks all that was promised."""
        self.boot()
        assert self.lamp, "the lamp is dark"
        assert not self.held, "the boot stage holds"
        assert self.started is not None, "no application was started"
        version, boot = self.started
        if boot.trial:
            assert self.promised("marked"), "a trial was started twice"
            self.promise("marked", False)
            self.promise("tried")
        self.identity = identity.load(boot.root)
        self.log = NodeLog(boot.root + "/log", Clock(), None, self, limit=8192, segment_size=1024)
        self.settings = Settings(boot.root + "/configuration.cbor")
        self.sealing = Sealing(
            boot.root + "/counters.cbor", NODE_ID, self.identity["keys"], esp32.NVS("lamp")
        )
        self.server = Server({}, self.sealing, lambda: False, None, self.identity, boot.root)
        self.check(version, boot)

    def check(self, version, boot):
        """Nothing that others were told is missing."""
        assert version == V2 or not self.promised("confirmed"), "a confirmed image is lost"
        assert boot.security_counter() == 4 or not self.promised("confirmed")
        assert self.settings.reason == "", self.settings.reason
        assert self.settings.version == 2 or not self.promised("configured")
        keys = self.identity["keys"]
        assert 1 in keys or self.promised("sent under 2"), "the old key went too early"
        assert 2 in keys or not self.promised("installed"), "the new key is lost"
        assert 1 not in keys or not self.promised("retired"), "the old key came back"
        for key_id in SECRETS:
            used = self.promised(("counter", key_id))
            assert used is None or self.sealing.lowest(key_id) > used, "open to a replay"
        found = {}
        position = (0, 0)
        while True:
            epoch, first, bodies, _ = self.log.read(position[0], position[1], 1000)
            if not bodies:
                break
            for index, body in enumerate(bodies):
                found[epoch, first + index] = body
            position = (epoch, first + len(bodies))
        for name, value in self.promises.items():
            if isinstance(name[0], int):
                assert found.get(name) == value, ("a record is lost", name)

    def ask(self, key_id, command, body):
        """Whether a sealed request is accepted."""
        counter = self.sealing.lowest(key_id) + 1500  # across a block of counters each time
        inner = smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 6, command, body)
        sealed = envelope.seal(SECRETS[key_id], key_id, NODE_ID, envelope.TO_NODE, counter, inner)
        outer = messages.sealed(sealed)
        reply = run(
            self.server.handle(
                smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 8, messages.SEALED, outer), "bus"
            )
        )
        assert self.server.faults == 0, self.server.last_fault
        body = smp.unpack(reply)[4]
        assert "m" in body, body
        self.promise(("counter", key_id), counter)
        return smp.unpack(envelope.open_sealed(SECRETS, NODE_ID, envelope.FROM_NODE, body["m"])[0])[
            4
        ]

    def live(self):
        """What each start has to do of log, configuration and keys; none of it twice."""
        for number in range(3):
            assert self.log.append(records.EVENT, 1, number), self.log.last_failure
        if self.settings.version != 2:
            assert self.settings.apply(DOCUMENT) == ""
            self.promise("configured")
        keys = self.identity["keys"]
        if 2 not in keys:
            reply = self.ask(1, messages.KEYS, keyring.install_request(2, SECRETS[2]))
            assert keyring.parse_keys_reply(reply)[0] == 2
            self.promise("installed")
        if 1 in keys:
            assert self.promised("retired") is None
            self.promise("sent under 2")
            self.ask(2, messages.STATUS, {})
            assert 1 not in keys
            self.promise("retired")

    def give(self, manager):
        """Bring the release to the node; may be begun at any point."""
        if goal != "multicast":
            answer = run(send(manager, image, 4096))
            assert answer == {"off": len(image), "match": True}, answer
            return
        sha = sha256(image).digest()
        name = multicast.tag(sha)
        assert run(manager.reception().start(sha, len(image), CHUNK)) == {}
        _, _, gone = multicast.parse_state_reply(manager.reception().state(name, 0))
        for index in reversed(gone):
            data = image[index * CHUNK : (index + 1) * CHUNK]
            assert run(manager.reception().chunk(name, index, data)) == {}, manager.reason
        state = multicast.parse_state_reply(manager.reception().state(name, 0))
        assert state == (multicast.DONE, 0, []), state

    def play(self, started=False):
        """To the goal."""
        for _ in range(8):
            if not started:
                self.start()
            started = False
            version, boot = self.started
            manager = self.manager()
            self.live()
            if version == V1:
                if self.promised("tried") and goal == "revert":
                    assert not boot.trial
                    assert boot.reverted
                    return
                stored = self.stored(manager)
                if not stored:
                    self.give(manager)
                    stored = self.stored(manager)
                self.promise("marked")
                answer = run(manager.set_state(stored[0], False))
                assert "err" not in answer, manager.reason
            elif not boot.trial:
                assert goal != "revert", "an image that gave up its trial was kept"
                assert boot.security_counter() == 4
                return
            else:
                manager.begin_trial()
                if goal == "revert":
                    manager.give_up("as told")
                else:
                    manager.confirm()
                    self.promise("confirmed")
            self.power_cycle()
        raise AssertionError("the update does not come to an end")

    def stored(self, manager):
        return [i["hash"] for i in manager.image_state()["images"] if i["version"] == V2]


class Past:
    """Flash and NVS as they were, write by write of a journal, and what was promised by then."""

    def __init__(self, data, rom, nvs, promises):
        self.data = bytearray(data)
        self.rom = None if rom is None else bytearray(rom)
        self.nvs = dict(nvs)
        self.promises = dict(promises)

    def write(self, at, what):
        """Go on by one entry of a journal."""
        if at == PROMISE:
            self.promises[what[0]] = what[1]
        elif at == NVS:
            self.nvs.update(what)
        else:
            put(self.data, self.rom, at, what)

    def cut_at(self, at, what):
        """A node whose power went at this write."""
        node = Node(self.data, self.rom, self.nvs, self.promises)
        if how == "torn" and at != NVS:
            rom = None if node.rom is None else node.rom.data
            put(node.flash.data, rom, at, what[: len(what) // 2])
        return node


def put(data, rom, at, what):
    if at >= ROM:
        rom[at - ROM : at - ROM + len(what)] = what
    else:
        data[at : at + len(what)] = what


def finish():
    first = Node(*factory, {}, {})
    first.play()
    journal = first.journal
    past = Past(*factory, {}, {})
    number = points = seconds = 0
    for at, what in journal:
        if at != PROMISE:
            if number % stride == 0:
                points += 1
                node = past.cut_at(at, what)
                rom = None if node.rom is None else node.rom.data
                before = Past(node.flash.data, rom, esp32.kept, node.promises)
                node.start()
                begun = len(node.journal)
                node.play(True)
                if points % again == 0:
                    seconds += recover(before, node.journal, begun, points)
                gc.collect()
            number += 1
        past.write(at, what)
    tell("writes", number, "cut points", points, "second cuts", seconds)


def recover(past, journal, begun, turn):
    """Cut the first `begun` writes of a recovery and some that follow; how many there were.

    Which of them is another each `turn`.
    """
    count = 0
    for index in range(len(journal)):
        at, what = journal[index]
        if at != PROMISE and (index < begun or (index + turn) % further == 0):
            node = past.cut_at(at, what)
            node.start()
            if count % 4 == 0:
                node.play(True)
            count += 1
        past.write(at, what)
    return count


finish()
