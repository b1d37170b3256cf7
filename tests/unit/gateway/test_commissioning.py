"""The desk: lampposts found, adopted, named, checked; what was found out is kept and reported."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import logs
from gateway.adoption.adoption import NotAdopted
from gateway.buffer.database import open_checked
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.commissioning import report, sensors
from gateway.commissioning.adopting import Wanted
from gateway.commissioning.checking import NotDone
from gateway.commissioning.checks import clock as clock_of
from gateway.commissioning.jobs import Busy
from gateway.commissioning.results import NEEDED, Result, Sheet, Verdict
from gateway.config import load
from gateway.errors import ConfigurationError, NoReply
from gateway.lampposts.newest import Newest
from protocol import configuration, records
from tests.integration.gateway.harness import eventually
from tests.unit.gateway.commission_town import LitNode, Town
from tests.unit.gateway.test_adoption import NOW

_PEOPLE = (300, 2, 1, 980, 3, 0)
_AIR = (60, 60, 1000, 50, 90, 120, 80, 99, 90, 0)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    writer = Writer(open_checked(tmp_path / "gateway.db", logs.get()), lambda _: None)
    writer.start()
    made = Town(tmp_path, State(writer), [LitNode(1), LitNode(2)])
    yield made
    await made.desk.close()
    writer.close()


async def adopted(town: Town, number: int = 0, name: str = "first") -> str:
    node = town.nodes[number]
    town.unknown.seen(node.id, "bus:north", node.address)
    await town.desk.adopt(Wanted.model_validate({"label": node.label, "name": name}))
    return node.hex


# ------------------------------------------------------------------------------------ adopting


async def test_a_search_asks_every_address_and_who_answers_is_shown_without_being_ours(
    town: Town,
) -> None:
    town.desk.search()
    assert (await town.ended("search"))["text"] == "2 met"
    state = town.desk.state()
    assert [(one["node"], one["address"]) for one in state["strangers"]] == [
        (town.nodes[1].hex, 2), (town.nodes[0].hex, 1),
    ]  # fmt: skip
    assert state["lampposts"] == []


async def test_who_proves_the_key_of_its_label_is_ours_where_it_was_met(town: Town) -> None:
    node = await adopted(town)
    section = load(town.file)[0].lamppost[0]
    assert (section.id, section.bus, section.address, section.name) == (node, "north", 1, "first")
    shown = town.desk.state()
    assert [post["node"] for post in shown["lampposts"]] == [node]
    assert shown["strangers"] == []
    assert town.desk.lamppost(node)["results"]["identity"]["verdict"] == "pass"
    assert town.nodes[0].key.hex() not in json.dumps([shown, town.desk.lamppost(node)])


async def test_another_key_adopts_nobody_and_is_not_repeated(town: Town) -> None:
    wrong = town.nodes[1].key.hex()
    town.unknown.seen(town.nodes[0].id, "bus:north", 1)
    with pytest.raises(NotAdopted, match="compare the label") as caught:
        await town.desk.adopt(
            Wanted.model_validate({"id": town.nodes[0].hex, "key": wrong, "key_id": 7})
        )
    assert wrong not in str(caught.value)
    assert load(town.file)[0].lamppost == []


async def test_who_was_met_nowhere_needs_a_place(town: Town) -> None:
    node = town.nodes[0]
    with pytest.raises(NotAdopted, match="search for it"):
        await town.desk.adopt(Wanted.model_validate({"label": node.label}))
    await town.desk.adopt(
        Wanted.model_validate({"label": node.label, "bus": "north", "address": 1})
    )
    assert town.desk.lamppost(node.hex)["name"] == node.hex


async def test_a_new_name_is_kept_and_the_place_stays_what_it_was(town: Town) -> None:
    node, other = await adopted(town), await adopted(town, 1, "second")
    town.lampposts[bytes.fromhex(node)].newest.people = 3
    await town.desk.rename(node, "at the school")
    section = next(one for one in load(town.file)[0].lamppost if one.id == node)
    assert (section.name, section.place) == ("at the school", "first")
    assert town.lampposts[bytes.fromhex(node)].newest.people == 3
    with pytest.raises(ConfigurationError, match="name"):
        await town.desk.rename(other, "at the school")


# ---------------------------------------------------------------------------------- light, blink


async def test_the_light_check_reads_each_level_back_and_waits_for_who_looks(town: Town) -> None:
    node = await adopted(town)
    town.desk.light(node, [100, 50, 10], 0.01)
    assert (await town.ended(node))["error"] == ""
    # Each ends by itself, should this gateway be gone; and all of them end now.
    levels = [level for level, _ in town.nodes[0].commands]
    assert levels == [100, 50, 10, None]
    assert all(80 < seconds < 120 for _, seconds in town.nodes[0].commands[:-1])
    assert town.overridden == [town.nodes[0].id]
    assert town.desk.lamppost(node)["results"]["light"]["verdict"] == "waiting"
    town.desk.say(node, "light", saw_it=False)
    assert town.desk.lamppost(node)["results"]["light"]["verdict"] == "fail"
    town.desk.say(node, "light", saw_it=True)
    light = town.desk.lamppost(node)["results"]["light"]
    assert (light["verdict"], light["text"]) == (
        "pass", "read back at 100 %, 50 %, 10 %, and seen",
    )  # fmt: skip


async def test_a_lamp_that_stays_where_it_is_fails_and_nobody_can_have_seen_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.commissioning.light._REACHED_S", 0.0)
    node = await adopted(town)
    town.nodes[0].stuck = 100
    town.desk.light(node, [50], 0.01)
    await town.ended(node)
    result = town.desk.lamppost(node)["results"]["light"]
    assert result["verdict"] == "fail"
    assert "it stays at 100 %" in result["text"]
    with pytest.raises(NotDone, match="do it again"):
        town.desk.say(node, "light", saw_it=True)
    assert town.nodes[0].commands[-1][0] is None


async def test_a_light_check_that_is_stopped_gives_the_lamp_back(town: Town) -> None:
    node = await adopted(town)
    town.desk.light(node, [50], 60.0)
    with pytest.raises(Busy, match="light is under way"):
        town.desk.check(node)
    await eventually(lambda: town.nodes[0].commands, "the lamp is told its level")
    assert await town.desk.stop(node)
    assert [level for level, _ in town.nodes[0].commands] == [50, None]
    with contextlib.suppress(asyncio.CancelledError):
        assert (await town.ended(node))["error"] == "stopped"
    assert "light" not in town.desk.lamppost(node)["results"]


async def test_blinking_is_only_passed_by_who_saw_it(town: Town) -> None:
    node = await adopted(town)
    with pytest.raises(NotDone, match="has not been done"):
        town.desk.say(node, "blink", saw_it=True)
    await town.desk.blink(node, 15)
    assert town.nodes[0].identified == [15]
    assert town.desk.lamppost(node)["results"]["blink"]["verdict"] == "waiting"
    town.desk.say(node, "blink", saw_it=True)
    assert town.desk.lamppost(node)["results"]["blink"]["verdict"] == "pass"
    town.nodes[0].silent = True
    with pytest.raises(NoReply):
        await town.desk.blink(node, 15)


# ------------------------------------------------------------------------------- checks, sensors


async def test_a_check_looks_at_link_clock_configuration_and_every_part(town: Town) -> None:
    node = await adopted(town)
    town.nodes[0].values = {"parts/air": 2, "parts/people": 1, "parts/photocell": 2}
    post = town.lampposts[town.nodes[0].id]
    post.newest.take([records.encode(records.AIR, NOW - 20, *_AIR)])
    town.desk.check(node)
    assert (await town.ended(node))["error"] == ""
    results = town.desk.lamppost(node)["results"]
    verdicts = {step: result["verdict"] for step, result in results.items()}
    assert verdicts == {
        "identity": "pass", "link": "pass", "clock": "pass", "configuration": "pass",
        "faults": "pass", "air": "pass", "climate": "waiting", "gas": "waiting",
        "meter": "waiting", "photocell": "skipped",
    }  # fmt: skip
    assert results["air"]["text"] == "PM2.5 9.0, PM10 12.0 ug/m3, 20 s ago"
    town.nodes[0].silent = True
    town.desk.check(node)
    await town.ended(node)
    link = town.desk.lamppost(node)["results"]["link"]
    assert link["verdict"] == "fail"
    assert link["text"].startswith("bus: 0 of 10 answered")
    assert town.desk.lamppost(node)["verdict"] == "fail"


def parts(newest: Newest, uptime: int = 10_000, **values: int) -> dict[str, Result]:
    given = {f"parts/{name}": value for name, value in values.items()}
    return sensors.results(configuration.effective(given), newest, uptime, NOW)


def test_parts_are_judged_by_their_newest_record_and_the_lampposts_own_word() -> None:
    newest = Newest()
    newest.take([
        records.encode(records.EVENT, NOW, records.EVENT_SENSOR_LOST, records.AIR),
        records.encode(records.ENERGY, NOW - 5, 900, 12_300, 2312, 180, 415),
        records.encode(records.CLIMATE, NOW - 5, 60, 60, 1234, 5500, 0, 0, 0),
        b"\xff",
    ])  # fmt: skip
    found = parts(newest, gas=1, people=2)
    assert {step: result.verdict for step, result in found.items()} == {
        "air": Verdict.FAIL, "climate": Verdict.PASS, "footfall": Verdict.WAITING,
        "meter": Verdict.PASS,
    }  # fmt: skip
    assert found["meter"].text == "231.2 V, 41.5 W, 12.3 kWh, 5 s ago"
    newest.take([records.encode(records.EVENT, NOW, records.EVENT_SENSOR_BACK, records.AIR)])
    frozen = (*_AIR[:-1], records.FLAG_FROZEN)
    newest.take([records.encode(records.AIR, NOW, *frozen)])
    assert "frozen" in parts(newest)["air"].text


def test_footfall_passes_when_somebody_was_counted() -> None:
    newest = Newest()
    newest.take([records.encode(records.PEOPLE, NOW, 300, 0, 0, 980, 0, 0)])
    assert parts(newest)["footfall"].verdict is Verdict.WAITING
    newest.take([records.encode(records.PEOPLE, NOW, *_PEOPLE)])
    assert parts(newest)["footfall"].verdict is Verdict.PASS


def test_a_part_without_a_reading_is_waited_for_as_long_as_it_may_take() -> None:
    long_heard = Newest(since=time.monotonic() - 10_000)
    assert "within 140 s" in parts(long_heard, uptime=10, air=2)["air"].action
    assert parts(long_heard, air=2)["air"].verdict is Verdict.FAIL
    assert parts(long_heard)["air"].verdict is Verdict.SKIPPED
    # This gateway has only just begun to listen.
    assert parts(Newest(), air=2)["air"].verdict is Verdict.WAITING


def test_faults_stand_until_they_are_over_or_the_lamppost_starts_anew() -> None:
    newest = Newest()
    raised = records.encode(records.FAULT, NOW, records.FAULT_LAMP, 1, 50, 0, 400, 2300)
    newest.take([raised])
    assert sensors.faults(newest, NOW).verdict is Verdict.FAIL
    assert "lamp failure" in sensors.faults(newest, NOW).text
    newest.take([records.encode(records.FAULT, NOW, records.FAULT_LAMP, 0, 50, 400, 400, 2300)])
    assert sensors.faults(newest, NOW).verdict is Verdict.PASS
    newest.take([raised, records.encode(records.BOOT, NOW, 1, 0x01000000, 0, 0, 2)])
    assert sensors.faults(newest, NOW).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("told", "before", "after", "verdict"),
    [
        (NOW, NOW, NOW + 1, Verdict.PASS), (NOW - 5, NOW, NOW, Verdict.PASS),
        (NOW - 6, NOW, NOW, Verdict.FAIL), (NOW + 7, NOW, NOW + 1, Verdict.FAIL),
        (300, NOW, NOW, Verdict.WAITING), (NOW, 0, 0, Verdict.FAIL),
    ],
)  # fmt: skip
def test_a_clock_is_right_within_seconds(
    told: int, before: int, after: int, verdict: Verdict
) -> None:
    assert clock_of(told, before, after).verdict is verdict


# ------------------------------------------------------------------------------- kept, reported


async def test_an_installer_may_leave_and_go_on_tomorrow(town: Town) -> None:
    node = await adopted(town)
    await town.desk.blink(node, 15)
    town.desk.say(node, "blink", saw_it=True)
    again = town.make_desk()
    assert again.lamppost(node)["results"]["blink"]["verdict"] == "pass"
    (town.folder / "commissioning.json").write_text('{"version": 1, "sheets": [{"node": 5}]}')
    assert town.make_desk().lamppost(node)["results"] == {}
    assert (town.folder / "commissioning.json.damaged").exists()


def test_a_lamppost_passes_when_all_that_is_needed_was_done_and_nothing_failed() -> None:
    sheet = Sheet("a0b1c2d3e4f5", "x")
    assert sheet.verdict is Verdict.WAITING
    for step in NEEDED:
        sheet.results[step] = Result(Verdict.PASS, "good")
    assert sheet.verdict is Verdict.PASS
    sheet.results["gas"] = Result(Verdict.SKIPPED, "no part")
    assert sheet.verdict is Verdict.PASS
    sheet.results["meter"] = Result(Verdict.WAITING, "later")
    assert sheet.verdict is Verdict.WAITING
    sheet.results["air"] = Result(Verdict.FAIL, "dead")
    assert sheet.verdict is Verdict.FAIL


async def test_the_report_fits_80_columns_and_its_page_shows_names_as_text(town: Town) -> None:
    name = "<script>alert(1)</script> & a name that is as long as any name may be, to the letter"
    node = await adopted(town, name=name[:80])
    town.desk.skip(node, "light", "word " * 40)
    files = town.desk.write_report()
    assert [file.suffix for file in files] == [".txt", ".json", ".html"]
    text = files[0].read_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "not done yet" in text
    assert json.loads(files[1].read_text())["counts"]["waiting"] == 1
    assert "<script>" not in files[2].read_text()
    assert "&lt;script&gt;" in files[2].read_text()
    for file in files:
        assert town.nodes[0].key.hex() not in file.read_text()
        assert file.stat().st_mode & 0o007 == 0


def test_old_reports_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_MOST", 2)
    for now in range(NOW, NOW + 5):
        report.write(tmp_path, report.document("g", "0", now, [], []))
    assert len(list(tmp_path.iterdir())) == 6
