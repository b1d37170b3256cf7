import dataclasses
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simulators.demo import report, summary
from simulators.demo.night import read_night
from tests.unit.demo import nights


def document(passed: bool = True, stored: int = 10) -> dict[str, object]:
    data = nights.data(passed)
    lampposts = [
        {"node": node, "name": name, "version": "2.0.0", "update": "confirmed",
         "reached_by": "ble", "configuration": "v2 applied", "boots": 2}
        for node, name in nights.NAMES.items()
    ]  # fmt: skip
    return summary.build(
        nights.SPAN, nights.proof(stored), data.steps, data.energy, lampposts, {"commands": 3}
    )


def test_the_summary_of_a_clean_night_has_passed_and_survives_json(tmp_path: Path) -> None:
    summary.write(document(), tmp_path / "summary.json")
    read = json.loads((tmp_path / "summary.json").read_text())
    assert read["passed"] is True
    assert read["failures"] == []
    assert "another body" in read["notes"]["duplicates"]
    names = ("produced", "stored", "lost", "duplicates", "altered")
    assert [read[name] for name in names] == [10, 10, 0, 0, 0]


def test_a_lost_record_fails_the_night_and_is_named() -> None:
    made = document(stored=9)
    assert made["passed"] is False
    assert made["failures"] == ["1 records lost (node/epoch/sequence 024067156601/1/9)"]


def test_a_failed_step_fails_the_night() -> None:
    made = document(passed=False)
    assert made["passed"] is False
    assert made["failures"] == ["step release: <b> of 2"]


def test_a_doubt_fails_a_night_whose_ledger_and_steps_are_clean() -> None:
    proof, steps = nights.proof(), nights.steps()
    assert summary.failures(proof, steps) == []
    assert summary.failures(proof, steps, ["it was silent"]) == ["it was silent"]
    made = summary.build(nights.SPAN, proof, steps, nights.data().energy, [], {}, ["it was silent"])
    assert (made["passed"], made["failures"]) == (False, ["it was silent"])


def test_a_row_that_is_no_record_is_not_drawn() -> None:
    node = next(iter(nights.NAMES))
    rows = [*nights.bodies(), (node, b"x")]
    drawn = read_night(rows, nights.NAMES, nights.START, nights.END)
    assert drawn == nights.data().nights


def test_energy_is_metered_between_sunset_and_sunrise_against_full_power() -> None:
    used = nights.data().energy
    hours = (nights.SPAN.sunrise - nights.SPAN.sunset) / 3600
    assert used.undimmed_wh == pytest.approx(2 * 60.0 * hours)
    assert 0 < used.measured_wh < used.undimmed_wh
    assert used.saved_percent == pytest.approx(100 * (1 - used.measured_wh / used.undimmed_wh))


@pytest.mark.parametrize("passed", [True, False])
def test_the_page_needs_nothing_but_itself(passed: bool) -> None:
    page = report.render(nights.data(passed), document(passed))
    assert not re.search(r"(src|href)=|https?://|@import|url\(", page)
    assert "&lt;b&gt; of 2" in page  # what programs say is text, never markup
    assert ("Failed" in page) is not passed


def test_alarms_are_listed_with_when_they_came_and_went() -> None:
    assert "told the city of nothing" in report.render(nights.data(), document())
    alarm = {
        "gateway": "cabinet-1", "name": "bus_noise", "subject": "<street>", "text": "look at it",
        "seen": summary.iso(nights.START + 3600), "over": summary.iso(nights.START + 7200),
    }  # fmt: skip
    made = {**document(), "alarms": [alarm, {**alarm, "over": None}]}
    page = report.render(nights.data(), made)
    row = '<td>Fri 16 Oct 17:30</td><td>{}</td><td class="words">bus_noise &lt;street&gt;</td>'
    assert row.format("Fri 16 Oct 18:30") in page
    assert row.format("-") in page


def test_a_lamppost_is_marked_while_it_is_reached_by_bluetooth() -> None:
    node, other = nights.NAMES
    start = nights.START
    links = {
        node: [(start, "bus"), (start + 3600, "ble"), (start + 7200, "bus")],
        other: [(start, "bus"), (start + 7200, "ble")],
    }
    page = report.render(dataclasses.replace(nights.data(), links=links), document())
    drawn = re.findall(r'class="fill blue" [^>]*><title>([^<]*: reached by [^<]*)<', page)
    assert drawn == 2 * [
        "Lime Walk 01: reached by Bluetooth from Fri 16 Oct 17:30",
        "Lime Walk 02: reached by Bluetooth from Fri 16 Oct 18:30",
    ]


def test_every_plot_is_well_formed_and_there_for_desk_and_phone() -> None:
    page = report.render(nights.data(), document())
    for name in ("levels", "lampposts", "footfall", "power", "pm25", "steps"):
        figure = re.search(rf'<figure id="{name}">.*?</figure>', page, re.DOTALL)
        assert figure, name
        drawings = re.findall(r"<svg.*?</svg>", figure[0], re.DOTALL)
        assert [("wide" in svg[:60], "narrow" in svg[:60]) for svg in drawings] == [
            (True, False),
            (False, True),
        ]
        for drawing in drawings:
            root = ElementTree.fromstring(drawing)  # noqa: S314 - our own drawing
            assert len(root) > 5
            assert "nan" not in drawing


def test_a_night_without_any_record_still_makes_a_page() -> None:
    data = nights.NightData(nights.SPAN, [], [], summary.Energy(0.0, 0.0, 60.0), 0)
    made = summary.build(nights.SPAN, nights.prove_nothing(), [], data.energy, [], {})
    assert made["passed"] is False
    assert "Failed" in report.render(data, made)
