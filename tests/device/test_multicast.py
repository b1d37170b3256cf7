"""An image's way into a node by multicast, under the real MicroPython on the real littlefs."""

import random

import pytest

from firmware.build import sign
from simulators.tools import Interpreter
from tests.device.update_images import APPLICATION, Bench, make_bench, run_script


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = make_bench(tmp_path_factory.mktemp("multicast"))
    bulk = random.Random(5).randbytes(20_000)
    image = bench.image("big.img", "3.0.0", 4, application=f"{APPLICATION}\nBULK = {bulk!r}\n")
    bench.write("foreign.img", sign(image, bench.stranger))
    return bench


def test_chunks_in_any_order_make_the_image_and_survive_reboots(
    micropython: Interpreter, bench: Bench
) -> None:
    size = (bench.folder / "big.img").stat().st_size
    said = run_script(micropython, bench, "update_multicast.py")
    assert said[:-3] == [
        "before (0, 0, []) {} 0",
        "start {} uploading",
        "all missing 1 True [0, 1, 2]",
        "from 5 on True",
        "beyond []",
        "nonsense passed over True",
        "gone True True",
        "after a cut 1 True True",
        "start again {} True",
        "one left True",
        "last {} True",
        "state ready (2, 0, []) 0",
        "files []",
        "slot 3.0.0",
        "later chunk {} (2, 0, [])",
        "has it (2, 0, []) {} (2, 0, [])",
        f"upload too {{'off': {size}, 'match': True}}",
        "foreign {'err': {'group': 1, 'rc': 5}} 3 8 0",
        "altered {'err': {'group': 1, 'rc': 24}} 3 15",
        "once more {} 2",
        "too large {'err': {'group': 1, 'rc': 30}} 0",
        "dropped for an upload {'off': 700}",
        "nothing left (0, 0, []) False",
        "upload dropped 0 {} (0, 0, [])",
    ]
    forward, backward = (int(line.split()[-1]) for line in said[-3:-1])
    blocks = int(said[-1].split()[-1])
    print(
        f"{micropython.bits}-bit: {forward} writes in order, {backward} backwards, {blocks} blocks"
    )
    # In whatever order they come, chunks are appended: never written a second time.
    assert backward <= forward + 3
