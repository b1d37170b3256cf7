"""An image's way into a node, under the real MicroPython on the real littlefs."""

import random
import struct
from pathlib import Path

import pytest

from firmware.build import base_image, build_unsigned, sign, with_identity
from firmware.build.image import FLASH_BLOCKS, wrap
from firmware.build.payload import compiled, romfs
from firmware.node.update.budget import Budget
from protocol import image as layout
from simulators.tools import Interpreter
from tests.device import damage
from tests.device.update_images import (
    APPLICATION,
    BOARD,
    Bench,
    identity,
    make_bench,
    payload,
    run_script,
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = make_bench(tmp_path_factory.mktemp("update"))
    # Bytes that do not deflate, so that the upload takes many chunks.
    bulk = random.Random(5).randbytes(20_000)
    bench.image("big.img", "3.0.0", 4, application=f"{APPLICATION}\nBULK = {bulk!r}\n")
    return bench


def test_image_is_uploaded_tried_and_confirmed(micropython: Interpreter, bench: Bench) -> None:
    assert run_script(micropython, bench, "update_flow.py") == [
        "lamp True runs 1.0.0 trial False",
        "state idle ['1.0.0']",
        "answer True",
        "state ready ['1.0.0', '2.0.0']",
        "test running, test unknown, confirm unseen, neither: [33, 3, 32, 24]",
        "pending [False, True] pending",
        "replaced 3.0.0 pending False ready",
        "runs 1.0.0 ''",
        "runs 2.0.0 trial True",
        "state trial counter 3",
        "upload while on trial {'err': {'group': 1, 'rc': 28}}",
        "state confirmed counter 4",
        "runs 2.0.0 trial False ''",
        "back to the one before 27",
    ]


def test_upload_goes_on_where_it_was_cut_off(micropython: Interpreter, bench: Bench) -> None:
    assert run_script(micropython, bench, "update_resume.py") == [
        "nothing begun {'off': 0}",
        "first {'off': 1024}",
        "repeated {'off': 1024} {'off': 1024}",
        "skipped {'off': 1024}",
        "second {'off': 2048}",
        "late {'off': 2048}",
        "state uploading",
        "before the cut 12288",
        "after the cut 8192 {'off': 8192}",
        "end True",
        "last again True",
        "same file True",
        "state ready 0",
        "no hash True",
        "erased {} 1",
        "first {'off': 1024}",
        "another file {'off': 1024}",
        "overrun {'err': {'group': 1, 'rc': 31}}",
        "altered {'err': {'group': 1, 'rc': 24}} the file arrived altered refused",
        "bad off {'err': {'group': 1, 'rc': 20}}",
        "bad data {'err': {'group': 1, 'rc': 21}}",
        "no len {'err': {'group': 1, 'rc': 21}}",
        "bad sha {'err': {'group': 1, 'rc': 24}}",
        "bad image {'err': {'group': 1, 'rc': 14}}",
        "too large {'err': {'group': 1, 'rc': 30}} "
        "image of 1048576 bytes, at most 32768 are taken "
        "(of 96 blocks the log has 4, each slot 36, an upload 8)",
        "no magic {'err': {'group': 1, 'rc': 23}} not an MCUboot image: magic 00000000",
        "downgrade {'err': {'group': 1, 'rc': 27}} version 0.9.0, 1.0.0 runs already",
        "garbage beside an upload 3 writes 0 then {'off': 2048}",
        "header alone has 32 0 uploading",
        "without a sha, restarted 0 []",
    ]


def test_full_log_two_slots_of_the_release_and_an_upload_fit_the_flash(
    micropython: Interpreter, bench: Bench
) -> None:
    for version in ("1.4.1", "1.4.2", "1.4.3"):
        bench.write(f"{version}.img", sign(build_unsigned(version, BOARD, 3), bench.key))
    # As large as an image may be; the payload is never looked at.
    room = Budget(FLASH_BLOCKS, 4096)
    large = room.max_image - (room.max_image - 2000) % 1024 - 500
    bench.write("garbage.img", struct.pack("<IIHHII", layout.MAGIC, 0, 32, 0, large - 600, 0))
    whole = base_image((bench.folder / "1.4.1.img").read_bytes())
    bench.write("whole.bin", with_identity(whole, identity(bench.key)).flash)
    said = run_script(micropython, bench, "flash_budget.py", str(large), heap="8M")
    assert said == [
        "log full True",
        "second slot True lost 0",
        "idle slot's image once more True turns True",
        "third image True lost 0",
        "both whole ''  ''",
        "log read back True",
        "garbage refused 15 lost 0 failures 0",
        "too large 30 True",
        "crowded flash 12 True",
        "  written 0",
        "one block too many for a slot 3",
    ]


def test_every_refused_image_leaves_the_running_slot_untouched(
    micropython: Interpreter, bench: Bench
) -> None:
    wanted = damage.images(bench)
    for name, (data, _, _) in wanted.items():
        bench.write(f"{name}.img", data)
    *said, last = run_script(micropython, bench, "update_refusals.py", *wanted)
    for line, (name, (_, code, reason)) in zip(said, wanted.items(), strict=True):
        told, _, why = line.partition(" | ")
        assert told.split()[:2] == [name, str(code)], line
        assert told.split()[2] != "taken", line
        assert told.split()[3] == "refused", line
        assert reason in why, line
    assert len({(code, reason) for _, code, reason in wanted.values()}) > 20
    assert last == "good True ready ''"


def test_strangers_by_radio_drop_nothing_of_ours_and_write_seldom(
    micropython: Interpreter, bench: Bench
) -> None:
    bench.image("v3.img", "3.0.0", 4)
    assert run_script(micropython, bench, "update_strangers.py") == [
        "multicast False True uploading ''",
        "it moves False",
        "it stands True 256",
        "ours again True 256",
        "a day of begins True True",
        "the same goes on True",
        "whole True ready",
        "at once after it True",
        "a chunk between {'off': 768} {'off': 768}",
        "and yet whole True ready",
    ]


def test_whole_application_unpacks_in_the_heap_of_a_small_node(
    micropython: Interpreter, bench: Bench
) -> None:
    image = bench.write("application.img", sign(build_unsigned("1.4.2", BOARD, 3), bench.key))
    first = sign(wrap(payload("1.0.0"), "1.0.0", BOARD, 3), bench.key)
    bench.write("node.bin", with_identity(base_image(first), identity(bench.key)).flash)
    # 32-bit words as on the ESP32. Some 100 KiB of it are the code, which is compiled here from
    # source, while a node runs it from its flash: 126 KiB are too few for the compiler alone.
    heap = "136K" if micropython.bits == 32 else "256K"
    said = run_script(micropython, bench, "memory.py", heap=heap)
    assert said == [
        "match True",
        "others ran True",
        "problem ''",
        "version 1.4.2",
        "protocol from /flash/slot1/protocol/__init__.mpy",
    ]
    assert len(image) > 20_000


def test_trial_is_kept_only_after_self_test_and_a_word_from_the_gateway(
    micropython: Interpreter, bench: Bench
) -> None:
    assert run_script(micropython, bench, "trial_run.py") == [
        "- well",
        "kept confirmed",
        "runs 2.0.0 | ",
        "state confirmed | ",
        "- deaf",
        "reset",
        "runs 1.0.0 | not confirmed within its trial: "
        "no sealed request from the gateway within 0 s",
        "state reverted | not confirmed within its trial: "
        "no sealed request from the gateway within 0 s",
        "- ill",
        "reset",
        "runs 1.0.0 | not confirmed within its trial: self-test: lamp task restarts",
        "state reverted | not confirmed within its trial: self-test: lamp task restarts",
        "- raises",
        "reset",
        "runs 1.0.0 | not confirmed within its trial: self-test: KeyError: lamp",
        "state reverted | not confirmed within its trial: self-test: KeyError: lamp",
        "- settles",
        "stops 1",
        "stops 0",
    ]


def test_bytecode_loads_in_both_word_sizes(micropython: Interpreter, tmp_path: Path) -> None:
    source = b"BIG = 0x3FFFFFFF\nHUGE = 1 << 62\ndef f(x):\n    return x * 2 + HUGE\n"
    (tmp_path / "loaded.mpy").write_bytes(compiled("node/loaded.py", source))
    said = micropython.run("import loaded; print(loaded.f(loaded.BIG))", path=[tmp_path])
    assert int(said) == 2 * 0x3FFFFFFF + (1 << 62)


def test_romfs_image_is_one_that_micropython_mounts(
    micropython: Interpreter, tmp_path: Path
) -> None:
    image = romfs(
        {"node/app.mpy": compiled("node/app.py", b"X = 1"), "protocol/a.mpy": b"M\x06\0\x1f"}
    )
    (tmp_path / "image").write_bytes(image)
    said = micropython.run(
        f"import vfs\nvfs.mount(vfs.VfsRom(open({str(tmp_path / 'image')!r}, 'rb').read()), '/r')\n"
        "import sys\nsys.path.insert(0, '/r')\nfrom node import app\nprint(app.X, app.__file__)"
    )
    assert said.split() == ["1", "/r/node/app.mpy"]
