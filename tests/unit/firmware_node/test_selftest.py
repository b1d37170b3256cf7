"""The self-test that a release names."""

import pytest

from firmware.build import BuildError
from firmware.build.payload import sources
from firmware.node.update import selftest


class Supervisor:
    def __init__(self, **tasks: bool) -> None:
        self.tasks = tasks

    def has(self, name: str) -> bool:
        return name in self.tasks

    def is_well(self, name: str) -> bool:
        return self.tasks.get(name, False)


class Log:
    next_seq = 1
    last_failure = ""


WELL = Supervisor(lamp=True, bus=True, console=True)


def test_all_that_is_named_and_well_keeps_the_release() -> None:
    assert selftest.run(selftest.DEFAULT, WELL, Log()) == ""


@pytest.mark.parametrize("name", ["lamp", "bus", "console", "energy", "air", "people", "status"])
def test_a_task_that_is_named_and_does_not_run_gives_the_release_up(name: str) -> None:
    ill = Supervisor(**{"lamp": True, "bus": True, name: False})

    assert name in selftest.run(f"log,{name}", ill, Log())
    assert selftest.run("log", ill, Log()) == "", "it was not named"


def test_what_is_not_fitted_is_not_asked_of_a_lamppost_but_for_its_lamp() -> None:
    assert selftest.run("energy,air,people,ble,lan", WELL, Log()) == ""
    assert "lamp" in selftest.run("lamp", Supervisor(bus=True), Log())


def test_a_log_that_took_no_record_since_the_start_is_not_well() -> None:
    class Refusing(Log):
        next_seq = 0
        last_failure = "[Errno 28] ENOSPC"

    assert "ENOSPC" in selftest.run("lamp,log", WELL, Refusing())


def test_any_link_of_the_gateways_will_do() -> None:
    assert selftest.run("link", Supervisor(bus=False, lan=True), Log()) == ""
    assert "bus, lan" in selftest.run("link", Supervisor(bus=False, lan=False), Log())


def test_a_check_of_a_later_release_is_not_passed_unseen() -> None:
    assert "wings" in selftest.run("lamp,wings", WELL, Log())


def test_a_release_carries_the_names_and_the_build_refuses_others() -> None:
    assert b'SELF_TEST = "lamp,lan"' in sources((1, 2, 3), self_test="lamp,lan")["node/version.py"]
    with pytest.raises(BuildError, match="wings"):
        sources((1, 2, 3), self_test="lamp,wings")
