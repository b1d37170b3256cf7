"""A whole node, boot stage to links, over simulated parts: what only all of it together shows."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from firmware.build.image import build_unsigned, sign
from firmware.build.keys import load_key
from protocol import configuration, messages, records, smp
from simulators.street import Street, StreetPlan
from tests.device.bus_gateway import PIECE, Gateway, collected, events, until, update


@pytest.mark.parametrize(
    ("bits", "heap", "stock"), [(64, "1M", False), (32, "256K", False), (64, "1M", True)]
)
async def test_an_update_over_the_bus_is_kept_once_the_gateway_was_heard(
    tmp_path: Path, bits: int, heap: str, stock: bool
) -> None:
    plan = StreetPlan(lampposts=1, bits=bits, heap=heap, stock=stock)
    async with Street(tmp_path, plan) as street:
        await street.power_on()
        gateway = Gateway(street.bus.open_gateway_port(), street.lampposts[0].provision)
        await update(street, gateway, "1.1.0")

        # The first sealed request after the start is the word from the gateway.
        await gateway.sealed(smp.OP_READ, 64, messages.STATUS, {})
        status = await until(gateway, "confirmed", True)

        assert (status["version"], status["update_reason"]) == ("1.1.0", "")
        assert status["task_restarts"] == 0
        assert records.EVENT_UPDATE_CONFIRMED in events(await collected(gateway))
        gateway.close()


async def test_a_reset_that_is_meant_keeps_what_has_come_of_an_upload(tmp_path: Path) -> None:
    async with Street(tmp_path, StreetPlan(lampposts=1)) as street:
        await street.power_on()
        gateway = Gateway(street.bus.open_gateway_port(), street.lampposts[0].provision)
        key = load_key(street.factory.release_key_file)
        image = sign(build_unsigned("1.1.0", "esp32s3-ref", 1, None), key)
        for offset in range(0, 3 * PIECE, PIECE):
            body: dict[str, Any] = {"off": offset, "data": image[offset : offset + PIECE]}
            if offset == 0:
                body.update(len=len(image), sha=sha256(image).digest())
            await gateway.ask(smp.OP_WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, body)
        before = (await gateway.status())["epoch"]

        assert await gateway.sealed(smp.OP_WRITE, smp.GROUP_OS, smp.OS_RESET, {}) == {}
        status = await until(gateway, "epoch", before + 1)

        assert status["update_offset"] == 3 * PIECE
        gateway.close()


async def test_an_update_that_the_gateway_does_not_reach_is_reverted(tmp_path: Path) -> None:
    async with Street(tmp_path, StreetPlan(lampposts=1)) as street:
        await street.power_on()
        gateway = Gateway(street.bus.open_gateway_port(), street.lampposts[0].provision)
        document = configuration.document(1, {"update/confirm_timeout": 10})
        written = {"name": "configuration", "val": document}
        assert await gateway.sealed(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, written) == {}
        await update(street, gateway, "1.1.0")

        # Reads prove nothing: anybody can send them.
        status = await until(gateway, "version", "1.0.0")

        assert (status["slot"], status["confirmed"]) == (0, True)
        assert status["update_state"] == messages.UPDATE_REVERTED
        assert "gateway" in status["update_reason"]
        assert records.EVENT_UPDATE_REVERTED in events(await collected(gateway))
        gateway.close()
