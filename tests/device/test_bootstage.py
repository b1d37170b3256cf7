"""What the boot stage starts, whatever is damaged, under the real MicroPython on littlefs."""

import pytest

from simulators.tools import Interpreter
from tests.device.update_images import Bench, make_bench, run_script

# Five minutes, so that without a watchdog the test fails and does not hang as well.
HANGS = """
import time
for _ in range(300):
    time.sleep_ms(1000)
raise SystemExit
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_bench(tmp_path_factory.mktemp("boot"))


def test_whatever_is_damaged_the_lamp_is_on_and_a_whole_slot_is_started(
    micropython: Interpreter, bench: Bench
) -> None:
    bench.image("hang.img", "2.1.0", counter=4, application=HANGS)
    said = run_script(micropython, bench, "boot_fallbacks.py")
    assert said == [
        "factory | 1.0.0 confirmed | ",
        "pending slot altered | 1.0.0 confirmed | "
        "slot 1 damaged: node/app.mpy is not as it was unpacked",
        "trial | 2.0.0 trial | ",
        "trial ends by watchdog | 1.0.0 confirmed | "
        "not confirmed within its trial: reset by watchdog",
        "after that | 1.0.0 confirmed | not confirmed within its trial: reset by watchdog",
        "trial raises | 1.0.0 confirmed | application stopped: RuntimeError: no lamp",
        "confirmed slot altered | 1.0.0 confirmed | "
        "slot 1 damaged: protocol/__init__.mpy is not as it was unpacked",
        "file missing | 1.0.0 confirmed | slot 1 damaged: reading it failed ([Errno 2] ENOENT)",
        "file added | 1.0.0 confirmed | slot 1 damaged: 7 files are there, 6 were unpacked",
        "slot.json altered | 1.0.0 confirmed | slot 1 damaged: slot.json: its check does not fit",
        "slot.json cut | 1.0.0 confirmed | slot 1 damaged: slot.json: it ends early",
        "state altered, NVS known | 2.0.0 confirmed | ",
        "state altered, NVS erased | 1.0.0 confirmed | ",
        "  counter 3",
        "state lost | 2.0.0 confirmed | ",
        "confirmed raises 5 times | 1.0.0 confirmed | "
        "slot 1 stopped 5 times in a row: application stopped: RuntimeError: no lamp",
        "watchdog 5 times | 1.0.0 confirmed | slot 1 stopped 5 times in a row: watchdog",
        "told | False",
        "watchdog 5 times, other reverted | 1.0.0 confirmed | "
        "not confirmed within its trial: reset by watchdog",
        "told | True",
        "watchdog 5 times, other never tried | 2.0.0 trial | "
        "slot 0 stopped 5 times in a row: watchdog",
        "its only trial | 1.0.0 confirmed | not confirmed within its trial: reset by watchdog",
        "trial hangs while it is imported | watchdog True",
        "after the watchdog | 1.0.0 confirmed | not confirmed within its trial: reset by watchdog",
        "both raise | 22222111112",
        "both altered | held, lamp True",
        "no littlefs | held, lamp True",
        "  written 0 True",
        "read well again | 1.0.0 confirmed | ",
        "reads fail for 1 s | 1.0.0 confirmed | ",
        "reads fail for 50 min | 1.0.0 confirmed | ",
        "reads as blank for 3 s | 1.0.0 confirmed | ",
        "  all is there True",
        "all of it erased | held, lamp True",
        "  identity True ['identity.cbor']",
        "all of it zeroed | held, lamp True",
        "  identity True ['identity.cbor']",
        "dead flash | held, lamp True",
        "identity | identity: 0 bytes, expected 5 to 1024, "
        "nor is there a copy in NVS; flash the node again",
        "identity mended | True",
        "lamp fails | 1 time, still started 1.0.0",
    ]


def test_how_a_life_ended_is_known_in_the_next_and_safe_mode_follows_many_bad_ends(
    micropython: Interpreter, bench: Bench
) -> None:
    assert run_script(micropython, bench, "crashes.py") == ["passed 14"]
