"""Boards as data: sound as they stand, and each mistake that costs a board is told."""

import dataclasses
import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hardware import __main__ as command
from hardware import bom, check, generate, model, netlist, power, wiring

ROOT = Path(__file__).resolve().parents[3]
PARTS = model.parts()
BOARDS = [model.board(name) for name in model.board_ids()]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_a_board_is_sound(board: model.Board) -> None:
    assert check.problems(board, PARTS) == []


def test_what_is_made_of_the_boards_is_up_to_date() -> None:
    assert generate.stale(ROOT, PARTS) == [], "run `python -m hardware generate`"


def with_pin(board: model.Board, name: str, **changes: Any) -> model.Board:
    pin = dataclasses.replace(board.pins[name], **changes)
    return dataclasses.replace(board, pins={**board.pins, name: pin})


def without_pin(board: model.Board, name: str) -> model.Board:
    pins = {other: pin for other, pin in board.pins.items() if other != name}
    return dataclasses.replace(board, pins=pins)


REFERENCE = model.board("esp32s3-ref")
WROVER = model.board("esp32-wrover")


@pytest.mark.parametrize(
    ("board", "told"),
    [
        (with_pin(REFERENCE, "LAMP_DIMMING", gpio=5), r"LAMP_DIMMING: GPIO 5 is used 2 times"),
        (with_pin(REFERENCE, "LAMP_DIMMING", gpio=45), r"GPIO 45 is a strapping pin"),
        (with_pin(REFERENCE, "LAMP_DIMMING", gpio=23), r"GPIO 23 does not exist on the esp32s3"),
        (with_pin(REFERENCE, "BUS_TX", gpio=35), r"GPIO 35 is kept for the module's psram"),
        (with_pin(REFERENCE, "BUS_TX", gpio=20), r"GPIO 20 is kept for the module's usb"),
        (with_pin(REFERENCE, "PHOTOCELL", gpio=20), r"on ADC2, which fails while Wi-Fi runs"),
        (with_pin(REFERENCE, "PHOTOCELL", gpio=47), r"GPIO 47 has no ADC"),
        (with_pin(REFERENCE, "BUS_TX", direction="up"), r"expected direction in/out/both/analog"),
        (with_pin(WROVER, "METER_TX", gpio=37), r"GPIO 37 can only be an input"),
        (with_pin(WROVER, "I2C_SDA", gpio=16), r"GPIO 16 is kept for the module's psram"),
        (with_pin(REFERENCE, "LAMP_RELAY", safe_state=""), r"a safe state that leaves the lamp on"),
        (without_pin(WROVER, "LAMP_RELAY"), r"LAMP_RELAY: expected a pin, the lamp"),
        (with_pin(WROVER, "PIR_A", safe_state=""), r"GPIO 35 has no pull resistor inside"),
        (dataclasses.replace(REFERENCE, options=()), r"PIR_A: no part of the board uses it"),
        (dataclasses.replace(REFERENCE, rails={"3V3": REFERENCE.rails["3V3"]}),
         r"pms5003: expected a rail 5V, the board has none"),
        (dataclasses.replace(REFERENCE, uart={**REFERENCE.uart, "BUS": 2}),
         r"UART 2: BUS, PMS are fitted at once"),
        (dataclasses.replace(WROVER, uart={"BUS": 0, "METER": 2}), r"number 0 is the console's"),
        (dataclasses.replace(WROVER, uart={"BUS": 1, "METER": 3}), r"number 3, the esp32 has 3"),
        (dataclasses.replace(WROVER, uart={"BUS": 1}), r"bl0942: expected a UART for METER"),
        (dataclasses.replace(REFERENCE, fitted=(*REFERENCE.fitted, "sps30", "sen5x")),
         r"I2C address 0x69: sps30, sen5x cannot be on one bus"),
        (dataclasses.replace(REFERENCE, fitted=(*REFERENCE.fitted, "sds011")),
         r"parts/air: only one part can be fitted, got pms5003, sds011"),
        (dataclasses.replace(REFERENCE, fitted=(*REFERENCE.fitted, "toaster")),
         r"part 'toaster' is not in parts.toml"),
        (dataclasses.replace(WROVER, options=(*WROVER.options, "ld2410")),
         r"ld2410: expected a pin RADAR_TX, the board has none"),
        (dataclasses.replace(REFERENCE, rails={
            **REFERENCE.rails, "3V3": dataclasses.replace(REFERENCE.rails["3V3"], limit_ma=380)}),
         r"rail 3V3: \d+ mA at the most with .*, it gives 380"),
        (dataclasses.replace(REFERENCE, rails={
            **REFERENCE.rails, "5V": dataclasses.replace(REFERENCE.rails["5V"], volts=12.0)}),
         r"pms5003: runs on 4.5 to 5.5 V, rail 5V has 12.0 V"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(board: model.Board, told: str) -> None:
    found = check.problems(board, PARTS)
    assert any(re.search(told, problem) for problem in found), found


def test_a_five_volt_signal_without_an_isolator_is_told() -> None:
    bare = {**PARTS, "cse7766": dataclasses.replace(PARTS["cse7766"], isolated=False)}
    assert any("cse7766: signals of 5.0 V" in text for text in check.problems(REFERENCE, bare))


def test_two_parts_of_one_address_that_can_be_chosen_together_are_told() -> None:
    moved = {**PARTS, "bme280": dataclasses.replace(PARTS["bme280"], address=0x29)}
    told = "I2C address 0x29: vl53l1x, bme280 could be chosen together"
    assert told in check.problems(REFERENCE, moved)


def test_an_address_that_no_part_can_have_is_told() -> None:
    moved = {**PARTS, "bme280": dataclasses.replace(PARTS["bme280"], address=0x7C)}
    told = "bme280: expected an I2C address from 0x08 to 0x77, got 0x7c"
    assert told in check.problems(REFERENCE, moved)


@pytest.mark.parametrize("rail", ["3V3", "5V"])
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_a_supply_too_small_for_any_choice_of_parts_is_told(board: model.Board, rail: str) -> None:
    known = [PARTS[name] for name in (*board.fitted, *board.options)]
    worst = max(check.peak_ma(board, rail, some) for some in check.combinations(board, known))

    def limited(milliamps: float) -> list[str]:
        weaker = dataclasses.replace(board.rails[rail], limit_ma=milliamps)
        changed = dataclasses.replace(board, rails={**board.rails, rail: weaker})
        return [text for text in check.problems(changed, PARTS) if f"rail {rail}" in text]

    assert limited(worst + 1) == []
    assert limited(worst - 1)


def test_every_check_has_a_board_that_it_refuses() -> None:
    """Each of them is needed: without it, one of the mistakes below would pass."""
    bad: dict[str, tuple[model.Board, dict[str, model.Part]]] = {
        "_pins_exist": (with_pin(REFERENCE, "LAMP_DIMMING", gpio=23), PARTS),
        "_pins_are_free": (with_pin(REFERENCE, "LAMP_DIMMING", gpio=5), PARTS),
        "_strapping": (with_pin(REFERENCE, "LAMP_DIMMING", gpio=45), PARTS),
        "_input_only": (with_pin(WROVER, "METER_TX", gpio=37), PARTS),
        "_adc": (with_pin(REFERENCE, "PHOTOCELL", gpio=47), PARTS),
        "_wired": (dataclasses.replace(WROVER, options=(*WROVER.options, "ld2410")), PARTS),
        "_one_of_a_field": (
            dataclasses.replace(REFERENCE, fitted=(*REFERENCE.fitted, "sds011")),
            PARTS,
        ),
        "_i2c": (REFERENCE, {**PARTS, "bme280": dataclasses.replace(PARTS["bme280"], address=41)}),
        "_uarts": (dataclasses.replace(WROVER, uart={"BUS": 0, "METER": 2}), PARTS),
        "_safe_states": (with_pin(REFERENCE, "LAMP_RELAY", safe_state=""), PARTS),
        "_pulls": (with_pin(WROVER, "PIR_B", safe_state=""), PARTS),
        "_levels": (
            REFERENCE,
            {**PARTS, "cse7766": dataclasses.replace(PARTS["cse7766"], isolated=False)},
        ),
        "_currents": (
            dataclasses.replace(
                REFERENCE,
                rails={
                    **REFERENCE.rails,
                    "3V3": dataclasses.replace(REFERENCE.rails["3V3"], limit_ma=100),
                },
            ),
            PARTS,
        ),
        "_partition_tables": (dataclasses.replace(REFERENCE, flash_mib=3), PARTS),
    }
    assert set(bad) == {each.__name__ for each in check.CHECKS}
    for each in check.CHECKS:
        board, parts = bad[each.__name__]
        names = dict.fromkeys((*board.fitted, *board.options))
        assert list(each(board, [parts[name] for name in names])), each.__name__


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_the_node_refuses_parts_that_share_a_uart_or_an_address(
    board: model.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    from firmware.node import parts as fitted
    from protocol import configuration

    pins: dict[str, Any] = {}
    exec((ROOT / "firmware" / "boards" / f"{board.id}.py").read_text(), pins)  # noqa: S102
    for name in ("PARTS", "PMS_UART", "RADAR_UART"):
        monkeypatch.setattr(fitted.pins, name, pins[name])
    known = [PARTS[name] for name in dict.fromkeys((*board.fitted, *board.options))]
    refused = 0
    for some in check.combinations(board, [part for part in known if part.field]):
        # Each field that nothing was chosen for has none of its parts, not the board's own.
        values = configuration.defaults()
        values |= {part.field: fitted.NONE for part in known if part.field != "parts/output"}
        values |= {part.field: part.code for part in some}
        numbers = [board.uart[check.role_of(part)] for part in some if part.link == "uart"]
        clashes = len(numbers) != len(set(numbers))
        assert bool(fitted.clash(values)) == clashes, [part.id for part in some]
        refused += clashes
    assert (refused > 0) == (board.id == "esp32s3-ref")
    both = configuration.defaults() | {"parts/air": fitted.SPS30}
    assert fitted.clash(both | {"parts/climate": fitted.CLIMATE_SEN5X})
    assert not fitted.clash(both | {"parts/climate": fitted.BME280})


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_a_pins_module_has_every_name_and_the_codes_of_the_configuration(
    board: model.Board,
) -> None:
    found: dict[str, Any] = {}
    exec((ROOT / "firmware" / "boards" / f"{board.id}.py").read_text(), found)  # noqa: S102
    assert found["BOARD"] == board.id
    for name, pin in board.pins.items():
        assert found[name] == pin.gpio
    assert set(found) >= {name for other in BOARDS for name in other.pins}
    for name, code in found["PARTS"].items():
        assert any(
            part.field == f"parts/{name}" and part.code == code and part.id in board.fitted
            for part in PARTS.values()
        )


def test_codes_of_parts_are_those_of_the_configurations_fields() -> None:
    from protocol.configuration import FIELDS

    highest = {field[0]: field[4] for field in FIELDS if field[0].startswith("parts/")}
    for part in PARTS.values():
        if part.field:
            assert 0 < part.code <= highest[part.field], part.id
    for field, most in highest.items():
        known = {part.code for part in PARTS.values() if part.field == field}
        assert most in known or field == "parts/presence" or field == "parts/climate", field


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_the_power_budget_stays_within_the_supply_and_radios_cost(board: model.Board) -> None:
    states = power.budget(board, PARTS)
    assert all(0 < state.milliamps < board.rails["5V"].limit_ma for state in states)
    quiet, radio = states[2], states[3]
    assert radio.milliamps > quiet.milliamps
    assert states[1].milliamps > states[2].milliamps, "the relay's coil draws while the lamp is off"


@pytest.mark.parametrize(
    ("price", "day", "told"),
    [
        (12.0, "", "a price and its date"),
        (None, "2026-11-27", "a price and its date"),
        (-1.0, "2026-11-27", "a price above 0"),
        (12.0, "last week", "expected a date"),
    ],
)
def test_a_price_stands_with_its_date_or_is_refused(
    price: float | None, day: str, told: str
) -> None:
    wrong = dataclasses.replace(PARTS["bme280"], price_eur=price, price_date=day)
    with pytest.raises(model.HardwareError, match=told):
        bom.items([wrong])


def test_a_bill_says_what_is_known_and_how_much_is_not() -> None:
    priced = dataclasses.replace(PARTS["bme280"], price_eur=4.5, price_date="2026-11-27")
    without, lines = bom.total(bom.items([PARTS["bme280"]]))
    assert bom.total(bom.items([priced])) == (without + 4.5, lines - 1)


def test_the_drawn_wiring_is_that_of_the_reference_board() -> None:
    drawn = (model.FOLDER / "generated" / "esp32s3-ref.wiring.svg").read_text()
    texts = {html.unescape(text) for text in re.findall(r">([^<>]+)</text>", drawn)}
    made = yaml.safe_load(wiring.harness(REFERENCE, [PARTS[name] for name in REFERENCE.fitted]))
    for name, connector in made["connectors"].items():
        assert {name, connector["type"], *connector["pinlabels"]} <= texts, "draw it anew"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_every_wire_of_the_harness_joins_a_pin_of_the_node_to_one_of_a_part(
    board: model.Board,
) -> None:
    fitted = [PARTS[name] for name in board.fitted]
    drawn = yaml.safe_load(wiring.harness(board, fitted))
    labels = drawn["connectors"]["NODE"]["pinlabels"]
    for part, (node, cable, end) in zip(fitted, drawn["connections"], strict=True):
        numbers = node["NODE"]
        assert drawn["cables"][next(iter(cable))]["wirecount"] == len(numbers)
        theirs = drawn["connectors"][next(iter(end))]["pinlabels"]
        assert len(theirs) == len(numbers)
        ours = [labels[number - 1].split()[0] for number in numbers[2:]]
        assert ours == list(part.pins)
        for mine, other in zip(ours, theirs[2:], strict=True):
            if mine.endswith("_TX"):
                assert other.endswith("_RX"), "a sender goes to a receiver"


def test_wireviz_reads_the_harness(tmp_path: Path) -> None:
    from wireviz import wireviz  # pyright: ignore[reportMissingTypeStubs]

    text = wiring.harness(REFERENCE, [PARTS[name] for name in REFERENCE.fitted])
    harness: Any = wireviz.parse(text, return_types="harness")
    assert len(harness.connectors) == 1 + len(REFERENCE.fitted)
    assert len(harness.cables) == len(REFERENCE.fitted)


def erc(folder: Path, board: str, *parts: str) -> tuple[int, int]:
    """(errors, warnings) that SKiDL finds."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.hardware.erc", board, *parts],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^errors (\d+) warnings (\d+)$", done.stdout, re.MULTILINE)
    assert found, done.stderr[-2000:]
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_the_electrical_rules_hold(board: model.Board, tmp_path: Path) -> None:
    assert erc(tmp_path, board.id, *board.fitted) == (0, 0)


def test_the_electrical_rules_hold_with_the_other_parts(tmp_path: Path) -> None:
    others = ("dali", "sen5x", "bme280", "no2", "ld2410", "hlw8012", "photocell", "rs485", "switch")
    assert erc(tmp_path, "esp32s3-ref", *others) == (0, 0)


def test_the_electrical_rule_check_finds_two_parts_that_drive_one_wire(tmp_path: Path) -> None:
    assert erc(tmp_path, "esp32s3-ref", "bl0942", "cse7766")[0] > 0


def test_nodes_of_a_net_are_named_once() -> None:
    for nodes in netlist.nets(REFERENCE, [PARTS[name] for name in REFERENCE.fitted]).values():
        assert len(nodes) == len(set(nodes))
        assert len(nodes) > 1, "a wire has two ends"


def test_the_command_tells_what_is_wrong_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (model.FOLDER / "boards" / "esp32s3-ref.toml").read_text()
    bad = tmp_path / "bad.toml"
    bad.write_text(text.replace("gpio = 4\n", "gpio = 46\n"))
    assert command.main(["check", str(bad)]) == 1
    assert "GPIO 46 is a strapping pin" in capsys.readouterr().out
    assert command.main(["check"]) == 0
    bad.write_text("id = ")
    assert command.main(["check", str(bad)]) == 1
    assert "hardware: bad.toml: expected TOML" in capsys.readouterr().err
    assert command.main(["check", "nowhere"]) == 1
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"x = 1", "bad.toml: expected 'rail', it is missing"),
        (b"rail = 1", "bad.toml: 'int' object has no attribute"),
        (b"\xff\xfe", "bad.toml: expected TOML, it is no text in UTF-8"),
    ],
)
def test_a_file_that_is_no_board_is_told_in_one_line(
    tmp_path: Path, body: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_bytes(body)
    assert command.main(["check", str(bad)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"hardware: {told}")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_wrong_usage_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "hardware: the following arguments are required: command. See: python -m hardware --help\n"
    )
