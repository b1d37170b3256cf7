"""What people see, at 80 columns, character by character."""

import dataclasses
import io
import json

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from fleet_cli.commands.config_views import differences_text, fields_table, status_table
from fleet_cli.commands.fleet import details, fleet_table
from fleet_cli.commands.rollout_views import rollout_text
from fleet_cli.configuration.difference import difference
from fleet_cli.configuration.document import parse_document
from fleet_cli.fleet.fleet import Fleet
from fleet_cli.fleet.messages import Link, Reported
from fleet_cli.output import Details
from fleet_cli.rollout.state import Rollout, Target


def shown(view: RenderableType, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(view, crop=False)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def fleet() -> Fleet:
    made = Fleet()
    made.absorb("lamplighter/v1/cabinet-7/status", b'{"state": "online"}')
    made.absorb("lamplighter/v1/cabinet-8/status", b'{"state": "offline"}')
    one = b"""{"name": "high-street-1", "link": {"state": "up", "last_heard": 1780000000},
        "lamp": {"level": 80, "reason": "program"}, "firmware": {"version": "1.3.0"},
        "configuration": {"version": 12, "state": "applied"}}"""
    two = b"""{"name": "a name of a lamppost that is far too long", "link": {"state": "silent"},
        "firmware": {"version": "1.2.0"}, "update": {"state": "reverted"},
        "configuration": {"version": 11, "state": "refused", "reason": "no room [bold]left"}}"""
    made.absorb("lamplighter/v1/cabinet-7/lamppost/a0b1c2d3e4f1/reported", one)
    made.absorb("lamplighter/v1/cabinet-7/lamppost/a0b1c2d3e4f2/reported", two)
    made.absorb("lamplighter/v1/cabinet-8/lamppost/a0b1c2d3e4f3/reported", b"{}")
    return made


def test_fleet_list() -> None:
    everyone = fleet()
    assert shown(fleet_table(everyone, everyone.sorted())) == [
        "lamppost           gateway   link    lamp version        config      heard (UTC)",
        "a name of a lampp… cabinet-7 silent     - 1.2.0 reverted refused v11 -",
        "high-street-1      cabinet-7 up       80% 1.3.0          applied v12 05-28 20:26",
        "a0b1c2d3e4f3       cabinet-8 unknown    - -              -           -",
        "3 lampposts, 1 up, 1 silent, 1 unknown; gateway offline: cabinet-8",
    ]


def test_fleet_list_cuts_names_before_states() -> None:
    made = Fleet()
    state = b"""{"name": "north-embankment-137", "link": {"state": "silent"},
        "lamp": {"level": 100}, "firmware": {"version": "10.12.1300"},
        "update": {"state": "refused"}, "configuration": {"version": 1204, "state": "refused"}}"""
    made.absorb("lamplighter/v1/cabinet-embankment/lamppost/a0b1c2d3e4f1/reported", state)
    lines = shown(fleet_table(made, made.sorted()))
    assert all(len(line) <= 80 for line in lines[:2])
    assert "10.12.1300 refused" in lines[1]
    assert "refused v1204" in lines[1]
    wide = shown(fleet_table(made, made.sorted(), 200), 200)
    assert "north-embankment-137 cabinet-embankment" in wide[1]


def test_configuration_applied_before_the_desired_one_is_pending() -> None:
    made = fleet()
    topic = "lamplighter/v1/cabinet-7/lamppost/a0b1c2d3e4f1/desired/configuration"
    made.absorb(topic, b'{"version": 13, "digest": "00", "values": {}}')
    post = made.lampposts["cabinet-7", "a0b1c2d3e4f1"]
    assert post.configuration_state == post.labels()["configuration-state"] == "pending"
    for view in (status_table([post], 1), fleet_table(made, [post]), details(post)):
        text = "\n".join(shown(view))
        assert "pending" in text
        assert "applied" not in text
    made.absorb(topic, b'{"version": 12, "digest": "", "values": {}}')
    assert post.configuration_state == "applied"


@pytest.mark.parametrize(
    ("link", "told"),
    [({"state": "up", "by": "ble"}, "up, last by ble"), ({"state": "silent"}, "silent")],
)
def test_details_say_over_which_link_it_answered_last(link: dict[str, str], told: str) -> None:
    made = fleet()
    topic = "lamplighter/v1/cabinet-7/lamppost/a0b1c2d3e4f1/reported"
    post = made.absorb(topic, json.dumps({"link": link}).encode())
    assert post is not None
    (line,) = [line for line in shown(details(post)) if line.startswith("link ")]
    assert line.split(maxsplit=1)[1] == told


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hash_is_never_broken(width: int) -> None:
    digest = "0123456789abcdef" * 4
    rows: list[tuple[str, str | Text]] = [
        ("security counter", "1"),
        ("image hash", digest),
        ("0x00a1 protected, payload description", f"deflate, SHA-256 {digest}"),
    ]
    lines = shown(Details(rows), width)
    assert sum(digest in line for line in lines) == 2
    if width == 80:
        assert f"image hash {digest}" in lines
        assert all(len(line) <= 80 for line in lines)


def test_long_program_in_a_difference_goes_on_indented() -> None:
    controls = ", ".join(f'"{hour}:00 {hour}%"' for hour in range(10, 20))
    document = parse_document(f"[lamp]\nprogram = [{controls}]", "f")
    post = fleet().lampposts["cabinet-7", "a0b1c2d3e4f1"]
    post = dataclasses.replace(post, reported=Reported(link=Link(state="up")))
    lines = shown(differences_text([difference(post, document)]))
    assert len(lines) > 3
    assert lines[1].startswith("  lamp.program: ")
    assert all(line.startswith("      ") for line in lines[2:])
    assert all(len(line) <= 80 for line in lines)


def test_difference_speaks_of_several_in_the_plural_and_of_the_away_plainly() -> None:
    document = parse_document("", "f")
    made = Fleet()
    made.absorb("lamplighter/v1/g/status", b'{"state": "online"}')
    state = {
        "link": {"state": "up"},
        "configuration": {"state": "applied", "version": 1, "digest": document.digest},
    }
    for number in range(2):
        topic = f"lamplighter/v1/g/lamppost/a0b1c2d3e4f{number}/reported"
        made.absorb(topic, json.dumps(state).encode())
    assert "  have this already" in shown(
        differences_text([difference(post, document) for post in made.sorted()])
    )
    made.absorb("lamplighter/v1/g/status", b'{"state": "offline"}')
    note = difference(made.sorted()[0], document).note
    assert "gateway offline" in note
    assert "when the gateway is back" in note


def test_config_status_shows_text_from_the_network_as_it_is() -> None:
    everyone = fleet().sorted()[:2]
    lines = shown(status_table(everyone, 1))
    assert any("[bold]" in line for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_escape_sequences_from_the_network_do_not_reach_the_terminal() -> None:
    made = Fleet()
    made.absorb(
        "lamplighter/v1/g/lamppost/a0b1c2d3e4f1/reported", b'{"name": "x\\u001b[31mred\\n"}'
    )
    text = "\n".join(shown(fleet_table(made, made.sorted())))
    assert "\x1b" not in text
    assert "x?[31mred?" in text


def test_config_diff_tells_lampposts_with_the_same_changes_together() -> None:
    document = parse_document('[lamp]\nfade = "5s"\nprogram = ["sunset 100%", "23:00 50%"]', "f")
    made = Fleet()
    made.absorb("lamplighter/v1/cabinet-7/status", b'{"state": "online"}')
    for number in range(2):
        made.absorb(
            f"lamplighter/v1/cabinet-7/lamppost/a0b1c2d3e4f{number}/reported",
            b'{"link": {"state": "up"}}',
        )
    assert shown(differences_text([difference(post, document) for post in made.sorted()])) == [
        "2 lampposts: a0b1c2d3e4f0, a0b1c2d3e4f1",
        "  lamp.fade: 3s -> 5s",
        "  lamp.program: sunset 100%, sunrise 0% -> sunset 100%, 23:00 50%",
    ]


def test_rollout_status_begins_with_the_failures() -> None:
    states = {"succeeded": "", "failed": "reverted: lamp", "waiting": "", "updating": ""}
    targets = [
        Target.model_validate({
            "gateway": "g", "node": f"{number:012x}", "name": f"post-{number}",
            "wave": number // 3 + 1, "state": state, "reason": reason, "asked": 1,
            "phase": "uploading", "progress": 0.25,
        })
        for number, (state, reason) in enumerate(states.items())
    ]  # fmt: skip
    rollout = Rollout(
        id="r1", created=0, image="ef" * 32, version="1.4.0", hash="ab" * 32, board="b", size=9,
        max_failures=1, deadline_s=100, targets=targets,
    )  # fmt: skip
    assert shown(rollout_text(rollout)) == [
        "lamppost gateway wave state                    reason",
        "post-1   g          1 failed                   reverted: lamp",
        "post-3   g          2 updating (uploading 25%)",
        "post-2   g          1 waiting",
        "post-0   g          1 succeeded",
        "rollout r1: version 1.4.0, running, wave 2 of 2",
        "1 succeeded, 1 failed, 1 updating, 1 waiting; 50 % of the 2 finished succeeded",
    ]


def test_wide_views_fit_80_columns() -> None:
    lines = shown(fields_table()) + shown(details(fleet().sorted()[0]))
    assert max(map(len, lines)) <= 80
