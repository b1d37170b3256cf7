"""A gateway of one bus for the tests of a whole node: asks, seals, updates and collects."""

import asyncio
from typing import Any

import serial

from firmware.build.image import build_unsigned, sign
from firmware.build.keys import load_key
from protocol import busframe, envelope, messages, records, smp
from simulators.factory import Provision
from simulators.street import Street

PIECE = 1000


class Gateway:
    """One frame at a time over the bus, sealed or not, repeated until it is answered."""

    def __init__(self, port: str, provision: Provision) -> None:
        self._port = serial.Serial(port, 115_200, timeout=0.5)
        self._node = provision
        self._deframer = busframe.Deframer()
        self._sequence = 0
        self._counter = 0

    def close(self) -> None:
        self._port.close()

    async def ask(self, op: int, group: int, command: int, body: dict[str, Any]) -> dict[str, Any]:
        reply = await self._answered(smp.pack(op, group, 1, command, body))
        return smp.unpack(reply)[4]

    async def sealed(
        self, op: int, group: int, command: int, body: dict[str, Any]
    ) -> dict[str, Any]:
        node = bytes.fromhex(self._node.node)
        inner = smp.pack(op, group, 2, command, body)
        for _ in range(2):
            self._counter += 1
            message = envelope.seal(
                self._node.key, self._node.key_id, node, envelope.TO_NODE, self._counter, inner
            )
            request = messages.sealed(message)
            outer = await self.ask(smp.OP_WRITE, smp.GROUP_STREET, messages.SEALED, request)
            if "m" in outer:
                keys = {self._node.key_id: self._node.key}
                opened = envelope.open_sealed(keys, node, envelope.FROM_NODE, outer["m"])
                return smp.unpack(opened[0])[4]
            if "c" not in outer:
                return outer
            self._counter = outer["c"]
        raise AssertionError("refused twice")

    async def status(self) -> dict[str, Any]:
        return messages.parse_status(await self.ask(smp.OP_READ, 64, messages.STATUS, {}))

    async def _answered(self, message: bytes) -> bytes:
        async with asyncio.timeout(60):
            while True:
                reply = await asyncio.to_thread(self._attempt, message)
                if reply is not None:
                    return reply

    def _attempt(self, message: bytes) -> bytes | None:
        self._sequence = (self._sequence + 1) & 0xFF
        frame = busframe.encode(self._node.address, busframe.REQUEST, self._sequence, message)
        self._port.write(frame)
        while data := self._heard():
            for sender, control, sequence, payload in self._deframer.feed(data):
                if (sender, control) == (self._node.address, busframe.RESPONSE):
                    return payload if sequence == self._sequence else None
        return None

    def _heard(self) -> bytes:
        try:
            return self._port.read(max(1, self._port.in_waiting))
        except serial.SerialException:
            # On a busy machine a pty may say that there is something, and then has nothing.
            return b""


async def update(street: Street, gateway: Gateway, version: str) -> None:
    """Bring a new version over the bus, and start it on trial."""
    key = load_key(street.factory.release_key_file)
    image = sign(build_unsigned(version, "esp32s3-ref", 1, None), key)
    offset = 0
    while offset < len(image):
        body: dict[str, Any] = {"off": offset, "data": image[offset : offset + PIECE]}
        if offset == 0:
            body["len"] = len(image)
        answer = await gateway.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, body)
        assert answer["off"] > offset, answer
        offset = answer["off"]
    status = await gateway.status()
    assert status["update_state"] == messages.UPDATE_READY, status["update_reason"]
    images = (await gateway.ask(smp.OP_READ, smp.GROUP_IMAGE, smp.IMAGE_STATE, {}))["images"]
    chosen = {"hash": images[1]["hash"], "confirm": False}
    refused = await gateway.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE, chosen)
    assert refused["rc"] == smp.MGMT_ERR_EACCESSDENIED
    answer = await gateway.sealed(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_STATE, chosen)
    assert answer["images"][1]["pending"], answer
    assert await gateway.sealed(smp.OP_WRITE, smp.GROUP_OS, smp.OS_RESET, {}) == {}
    status = await until(gateway, "version", version)
    assert (status["slot"], status["confirmed"]) == (1, False)


async def until(gateway: Gateway, field: str, value: object) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            status = await gateway.status()
            if status[field] == value:
                return status
            await asyncio.sleep(0.2)


async def collected(gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    epoch = sequence = 0
    while True:
        request = messages.readings_request(epoch, sequence, 1024)
        reply = await gateway.ask(smp.OP_READ, 64, messages.READINGS, request)
        epoch, first, bodies, _, _, _ = messages.parse_readings_reply(reply)
        if not bodies:
            return found
        found += [records.to_dict(body) for body in bodies]
        sequence = first + len(bodies)


def events(found: list[dict[str, Any]]) -> list[int]:
    return [record["code"] for record in found if record["kind"] == "event"]
