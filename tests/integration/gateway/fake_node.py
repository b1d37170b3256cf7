"""Scripted lampposts on a bus: the protocol's bytes over a real pty, and knobs for what goes wrong.

They answer as firmware does where the gateway can tell, and remember what was done to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from protocol import busframe, cbor, configuration, envelope, keyring, messages, records, smp
from protocol.errors import ProtocolError
from tests.integration.gateway.fake_multicast import FakeReception

KEY_ID = 7
_AIR = (60, 60, 1000, 50, 90, 120, 80, 99, 90, 0)


@dataclass
class Slot:
    hash: bytes
    version: str
    active: bool = False
    confirmed: bool = False
    pending: bool = False


@dataclass
class FakeNode:
    """One lamppost. Its log holds {(epoch, seq): body}."""

    address: int
    id: bytes = b""
    key: bytes = b""
    log: dict[tuple[int, int], bytes] = field(default_factory=dict)
    written: dict[tuple[int, int], bytes] = field(default_factory=dict)
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    epoch: int = 1
    next_seq: int = 0
    silent: bool = False
    # Called with the group and command of each request before it is answered; may raise Ignore.
    on_request: Callable[[int, int], None] = lambda group, command: None
    # Requests (group, command) that take effect once more, but whose answer is lost.
    lose_answers: list[tuple[int, int]] = field(default_factory=list)
    refuse_configuration: str = ""
    takes_configuration: bool = True
    version: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    applied: int = 0
    override: tuple[int | None, int] | None = None
    commands: list[tuple[int | None, int]] = field(default_factory=list)
    sightings: int = 0
    sightings_heard: int = 0
    sightings_said: int = 0
    groups: int = 0  # lamp/groups
    why: int = 0
    near: list[tuple[int, bytes]] = field(default_factory=list)
    identified: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    generation: int = 1
    highest: int = -1
    resets: int = 0
    polls: int = 0
    busy_for: int = 0
    # What a new image does when tried: confirm, revert, vanish (never answers again), stay.
    trial: str = "confirm"
    refuse_image: str = ""
    update_state: int = messages.UPDATE_IDLE
    update_reason: str = ""
    knows_multicast: bool = True
    chunks: int = 0
    uploads_finished: int = 0
    # How often each image (by its hash) was started, and confirmed.
    started: list[bytes] = field(default_factory=list)
    group_keys: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.id = self.id or bytes((0xA0, 0xB1, 0xC2, 0xD3, 0xE4, self.address))
        self.key = self.key or sha256(self.id).digest()[:16]
        self.slots: list[Slot | None] = [
            Slot(b"\x11" * 32, "1.0.0", active=True, confirmed=True),
            None,
        ]
        self._upload = bytearray()
        self._upload_len = 0
        self._upload_sha = b""
        self.reception = FakeReception(self._install)
        self._group_lowest = 0
        self._last: tuple[bytes, bytes] | None = None
        self.lost = False

    @property
    def hex(self) -> str:
        return self.id.hex()

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            body = records.encode(records.AIR, 1_800_000_000 + self.next_seq, *_AIR)
            key = (self.epoch, self.next_seq)
            self.log[key] = self.written[key] = body
            self.next_seq += 1

    def reboot(self) -> None:
        """Start anew: another epoch, sealing counters skipped, images swapped as MCUboot would."""
        self.resets += 1
        self.epoch += 1
        self.next_seq = 0
        self.highest += 1000
        self._last = None
        self.generation += 1
        other = next((slot for slot in self.slots if slot is not None and slot.pending), None)
        running = self.running
        if other is not None:
            other.pending = False
            if self.trial == "vanish":
                self.silent = True
            if self.trial == "revert":
                self.update_state = messages.UPDATE_REVERTED
                self.update_reason = "the self-test failed"
            else:
                running.active = False
                self.started.append(other.hash)
                other.active = True
                other.confirmed = self.trial == "confirm"

    @property
    def running(self) -> Slot:
        return next(slot for slot in self.slots if slot is not None and slot.active)

    def answer(self, message: bytes) -> bytes | None:
        """The reply to an unsealed request, which may be a sealed one inside."""
        op, group, sequence, command, body = smp.unpack(message)
        if group == smp.GROUP_STREET and command == messages.SEALED:
            reply = self._sealed(messages.parse_sealed(body))
        else:
            reply = self._do(op, group, command, body, sealed=False)
        return None if reply is None else smp.pack(op + 1, group, sequence, command, reply)

    def broadcast(self, message: bytes) -> None:
        """Carry out what was said to all."""
        op, group, _, command, body = smp.unpack(message)
        sealed = False
        if (group, command) == (smp.GROUP_STREET, messages.SEALED):
            try:
                inner, _, counter = envelope.open_sealed(
                    self.group_keys,
                    envelope.BROADCAST_ID,
                    envelope.TO_NODE,
                    messages.parse_sealed(body),
                )
            except ProtocolError:
                return
            if counter < self._group_lowest:
                return
            self._group_lowest = counter + 1
            op, group, _, command, body = smp.unpack(inner)
            sealed = True
        for_all = (messages.MULTICAST, messages.LAMP, messages.PRESENCE)
        if group == smp.GROUP_STREET and command in for_all:
            with contextlib.suppress(Ignore):
                self._do(op, group, command, body, sealed)

    def _sealed(self, data: bytes) -> dict[str, Any] | None:
        try:
            inner, key_id, counter = envelope.open_sealed(
                {KEY_ID: self.key}, self.id, envelope.TO_NODE, data
            )
        except ProtocolError:
            return smp.error(smp.GROUP_STREET, smp.STREET_ERR_SEAL)
        if self._last is not None and self._last[0] == data:
            return messages.sealed(self._last[1])
        if counter <= self.highest:
            refusal = smp.error(smp.GROUP_STREET, smp.STREET_ERR_REPLAY)
            return {**refusal, "c": self.highest + 1}
        self.highest = counter
        op, group, sequence, command, body = smp.unpack(inner)
        reply = self._do(op, group, command, body, sealed=True)
        if reply is None:
            return None
        plain = smp.pack(op + 1, group, sequence, command, reply)
        sealed = envelope.seal(self.key, key_id, self.id, envelope.FROM_NODE, counter, plain)
        if not (group == smp.GROUP_OS and command == smp.OS_RESET):
            self._last = (data, sealed)
        return messages.sealed(sealed)

    def _do(
        self, op: int, group: int, command: int, body: dict[str, Any], sealed: bool
    ) -> dict[str, Any] | None:
        self.on_request(group, command)
        if (group, command) in self.lose_answers:
            self.lose_answers.remove((group, command))
            self.lost = True
        writes = op == smp.OP_WRITE
        if group == smp.GROUP_STREET:
            return self._street(command, body, writes, sealed)
        if group == smp.GROUP_IMAGE and command == smp.IMAGE_UPLOAD:
            return self._take_chunk(body)
        if group == smp.GROUP_IMAGE and command == smp.IMAGE_STATE:
            return self._set_image(body["hash"]) if writes and sealed else self._images()
        if group == smp.GROUP_OS and command == smp.OS_PARAMETERS:
            return {"buf_size": busframe.MAX_PAYLOAD, "buf_count": 1}
        if not sealed:
            return {"rc": smp.MGMT_ERR_EACCESSDENIED, "rsn": "send it sealed"}
        if group == smp.GROUP_OS and command == smp.OS_RESET:
            # The counter that asked stays used: highest is kept across the restart.
            self.reboot()
            return {}
        if group == smp.GROUP_SETTINGS and writes:
            return self._configure(body)
        if group == smp.GROUP_SETTINGS and body.get("name") == "lamp/groups":
            return {"val": cbor.dumps(self.groups)}
        return {"rc": smp.MGMT_ERR_ENOTSUP}

    def _street(
        self, command: int, body: dict[str, Any], writes: bool, sealed: bool
    ) -> dict[str, Any]:
        if command == messages.STATUS:
            return self._status()
        if command == messages.READINGS:
            self.polls += 1
            epoch, seq, limit, acknowledged, time = messages.parse_readings_request(body)
            if acknowledged is not None or time is not None:
                if not sealed:
                    return smp.error(smp.GROUP_STREET, smp.STREET_ERR_NOT_SEALED)
                if time is not None:
                    self.times.append(time)
            if acknowledged is not None:
                self.acknowledged.append(acknowledged)
                for key in [key for key in self.log if key <= acknowledged]:
                    del self.log[key]
            return self._read(epoch, seq, limit)
        if command == messages.LAMP and not writes:
            level, left = self.override or (None, 0)
            shown = 55 if level is None else level
            why = self.why if level is not None else 0
            return messages.lamp_reply(shown, records.REASON_PROGRAM, shown, why, left)
        if command == messages.LAMP and sealed:
            why, groups = messages.parse_lamp_options(body)
            if messages.in_groups(self.groups, groups):
                self.override, self.why = messages.parse_lamp_request(body), why
                self.commands.append(self.override)
            return {"l": 55}
        if command == messages.PRESENCE and writes and sealed:
            self.near.append(messages.parse_presence_request(body))
            return {"l": 55}
        if command == messages.MULTICAST and self.knows_multicast:
            return self.reception.write(body, sealed) if writes else self.reception.read(body)
        if command == messages.KEYS and writes and sealed:
            key_id, key = keyring.parse_request(body)
            self.group_keys.pop(key_id, None)
            if key is not None:
                self.group_keys[key_id] = key
            return keyring.keys_reply(0, [(known, self._group_lowest) for known in self.group_keys])
        if command == messages.IDENTIFY and writes and sealed:
            self.identified.append(messages.parse_identify_request(body))
            return {}
        if sealed:
            return {"rc": smp.MGMT_ERR_ENOTSUP}
        return smp.error(smp.GROUP_STREET, smp.STREET_ERR_NOT_SEALED)

    def _read(self, epoch: int, seq: int, limit: int) -> dict[str, Any]:
        keys = sorted(key for key in self.log if key >= (epoch, seq))
        found: list[bytes] = []
        first = keys[0] if keys else (self.epoch, self.next_seq)
        for index, key in enumerate(keys):
            limit -= len(self.log[key])
            if limit < 0 or key != (first[0], first[1] + index):
                break
            found.append(self.log[key])
        waiting = len(keys) - len(found)
        return messages.readings_reply(*first, found, waiting, self.generation, 55, self.sightings)

    def called(self, payload: bytes) -> bytes | None:
        """What it answers to a call, as firmware does."""
        asked, heard, begins = busframe.parse_call(payload, self.address)
        if begins:
            self.sightings_heard = self.sightings
        elif heard:
            self.sightings_heard = self.sightings_said
        if not asked or self.sightings == self.sightings_heard:
            return None
        self.sightings_said = self.sightings
        return bytes((self.sightings & 0xFF,))

    def _status(self) -> dict[str, Any]:
        return messages.status_reply(
            {
                "id": self.id,
                "board": "esp32s3-ref",
                "version": self.running.version,
                "slot": self.slots.index(self.running),
                "hash": self.running.hash,
                "confirmed": self.running.confirmed,
                "security_counter": 1,
                "configuration_version": self.version,
                "configuration_digest": configuration.digest(self.values),
                "level": 55,
                "reason": records.REASON_PROGRAM,
                "epoch": self.epoch,
                "next_sequence": self.next_seq,
                "uptime": 10,
                "time": 0,
                "update_state": self.update_state,
                "update_offset": len(self._upload),
                "update_reason": self.update_reason,
                "task_restarts": 0,
                "overwritten": 0,
                "generation": self.generation,
                "link": 1,
                "link_reason": "it is the only one",
                "safe_mode": False,
            }
        )

    def _configure(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.busy_for:
            self.busy_for -= 1
            return {"rc": smp.MGMT_ERR_EBUSY}
        if self.refuse_configuration:
            return {"rc": smp.MGMT_ERR_EINVAL, "rsn": self.refuse_configuration}
        version, values = configuration.parse_document(body["val"])
        if self.takes_configuration:
            self.version, self.values = version, values
        self.applied += 1
        self.generation += 1
        return {}

    def _take_chunk(self, body: dict[str, Any]) -> dict[str, Any]:
        offset, data = body["off"], body["data"]
        if offset == 0:
            if body["sha"] != self._upload_sha or not self._upload:
                self._upload = bytearray()
                self._upload_len, self._upload_sha = body["len"], body["sha"]
            else:
                return {"off": len(self._upload)}  # goes on where it was
        if offset != len(self._upload):
            return {"off": len(self._upload)}
        self.chunks += 1
        self._upload += data
        if len(self._upload) < self._upload_len:
            return {"off": len(self._upload)}
        whole, sha = bytes(self._upload), self._upload_sha
        self._upload, self._upload_sha = bytearray(), b""
        if not self._install(whole, sha):
            return smp.error(smp.GROUP_IMAGE, 24)
        return {"off": len(whole), "match": True}

    def _install(self, whole: bytes, sha: bytes) -> bool:
        if self.refuse_image or sha256(whole).digest() != sha:
            self.update_state = messages.UPDATE_REFUSED
            self.update_reason = self.refuse_image
            return False
        self.uploads_finished += 1
        self.slots[0 if self.slots[0] is not self.running else 1] = Slot(whole[-32:], "2.0.0")
        return True

    def _images(self) -> dict[str, Any]:
        images = [
            {
                "image": 0,
                "slot": number,
                "version": slot.version,
                "hash": slot.hash,
                "bootable": True,
                "pending": slot.pending,
                "confirmed": slot.confirmed,
                "active": slot.active,
                "permanent": False,
            }
            for number, slot in enumerate(self.slots)
            if slot is not None
        ]
        return {"images": images, "splitStatus": 0}

    def _set_image(self, image_hash: bytes) -> dict[str, Any]:
        for slot in self.slots:
            if slot is not None and slot.hash == image_hash:
                slot.pending = not slot.active
                return self._images()
        return smp.error(smp.GROUP_IMAGE, 24)


class Ignore(Exception):
    """Raised by a knob: the request is heard and not answered."""


class FakeBus:
    """A pty with lampposts on its far side. `path` is what a gateway opens."""

    def __init__(self, nodes: list[FakeNode]) -> None:
        self.nodes = {node.address: node for node in nodes}
        self.requests: list[int] = []
        self.answered_calls = 0
        # All that was sent, by (address, control).
        self.frames: list[tuple[int, int]] = []
        self._deframer = busframe.Deframer()
        self._master, self._slave = pty.openpty()
        # Kept open, so that the master does not see a hang-up when a gateway is killed.
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        os.set_blocking(self._master, False)
        self._pending = b""

    def __enter__(self) -> FakeBus:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._readable)
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """Both ends go, as when a USB adapter is pulled."""
        if self._master < 0:
            return
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = -1

    def _readable(self) -> None:
        for address, control, sequence, payload in self._deframer.feed(
            os.read(self._master, 65536)
        ):
            self.frames.append((address, control))
            if control == busframe.BROADCAST:
                for node in self.nodes.values():
                    if not node.silent:
                        node.broadcast(payload)
            if control == busframe.CALL:
                self._call(sequence, payload)
            if control != busframe.REQUEST or address not in self.nodes:
                continue
            self.requests.append(address)
            node = self.nodes[address]
            if node.silent:
                continue
            with contextlib.suppress(Ignore):
                reply = node.answer(payload)
                lost, node.lost = node.lost, False
                if reply is not None and not node.silent and not lost:
                    self._write(busframe.encode(address, busframe.RESPONSE, sequence, reply))

    def _call(self, sequence: int, payload: bytes) -> None:
        for node in self.nodes.values():
            if not node.silent and (answer := node.called(payload)) is not None:
                self.answered_calls += 1
                frame = busframe.encode(node.address, busframe.CALL_REPLY, sequence, answer)
                self._write(frame)

    def _write(self, data: bytes) -> None:
        self._pending += data
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._pending:
                self._pending = self._pending[os.write(self._master, self._pending) :]
        if self._pending:
            self._loop.add_writer(self._master, self._flush)
        else:
            self._loop.remove_writer(self._master)
