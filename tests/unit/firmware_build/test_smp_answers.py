"""The manager's answers are what the SMP client library reads."""

import asyncio
import os
import struct
import time
from pathlib import Path
from typing import Any, cast

import pytest
from smp import header as smphdr
from smp.image_management import (
    IMG_MGMT_ERR,
    ImageManagementErrorV2,
    ImageStatesReadResponse,
    ImageUploadWriteResponse,
)

from firmware.node.update import refusal
from firmware.node.update.manager import UpdateManager
from protocol import image as layout
from protocol import smp


class Slots:
    """Folders, as on stock MicroPython."""

    capacity = 0


class Boot:
    """A node that runs slot 1 and keeps the image before in slot 0."""

    slot = 1
    idle_slot = 0
    trial = False
    reverted = ""
    slots_store = Slots()

    def __init__(self, root: Path) -> None:
        self.root = str(root)

    def slots(self) -> list[dict[str, Any]]:
        return [
            {
                "slot": slot,
                "version": f"{slot + 1}.0.0",
                "hash": bytes([slot] * 32),
                "security_counter": 1,
                "upload": bytes(32),
                "pending": False,
                "permanent": False,
                "confirmed": slot == 1,
                "active": slot == 1,
                "proven": True,
            }
            for slot in (0, 1)
        ]


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UpdateManager:
    # MicroPython's own: an empty flash.
    monkeypatch.setattr(os, "ilistdir", lambda folder: [], raising=False)
    return UpdateManager(Boot(tmp_path), {"board": "esp32s3-ref", "release_key": b"\xff" * 384})


def message(op: int, command: int, body: dict[str, Any]) -> bytes:
    return smp.pack(op, smp.GROUP_IMAGE, 0, command, body)


def test_image_state_is_read_by_the_client_library(manager: UpdateManager) -> None:
    answer = ImageStatesReadResponse.loads(
        message(smp.OP_READ_RSP, smp.IMAGE_STATE, manager.image_state())
    )
    assert answer.header.op == smphdr.OP.READ_RSP
    assert [(image.slot, image.version) for image in answer.images] == [(0, "1.0.0"), (1, "2.0.0")]
    assert [image.active for image in answer.images] == [False, True]
    assert [image.confirmed for image in answer.images] == [False, True]


def test_upload_answer_is_read_by_the_client_library(
    manager: UpdateManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "ticks_ms", lambda: 0, raising=False)  # MicroPython's
    head = struct.pack("<IIHHIIBBHII", layout.MAGIC, 0, 32, 0, 900, 0, 1, 0, 0, 0, 0)
    body = asyncio.run(manager.upload({"off": 0, "data": head, "len": 1000, "sha": b"\1" * 32}))
    manager.close()
    answer = ImageUploadWriteResponse.loads(message(smp.OP_WRITE_RSP, smp.IMAGE_UPLOAD, body))
    assert answer.off == 32


def test_every_refusal_has_a_code_that_the_client_library_knows(manager: UpdateManager) -> None:
    codes = [
        cast(int, value)
        for name, value in vars(refusal).items()
        if name.isupper() and not name.startswith(("IMG_", "_"))
    ]
    assert len(set(codes)) == len(codes) > 15
    for code in codes:
        IMG_MGMT_ERR(refusal.Refused(code, "text").rc)
    body = asyncio.run(manager.upload({"off": 0, "data": bytes(64), "len": 1000}))
    answer = ImageManagementErrorV2.loads(message(smp.OP_WRITE_RSP, smp.IMAGE_UPLOAD, body))
    assert answer.err.rc == IMG_MGMT_ERR.INVALID_IMAGE_HEADER_MAGIC
    assert manager.reason == "not an MCUboot image: magic 00000000"
    assert manager.code == refusal.MAGIC
