"""Configuration files: what is accepted, and what is said of what is not."""

import datetime
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_cli.configuration.describe import example, field_rows
from fleet_cli.configuration.difference import difference
from fleet_cli.configuration.document import parse_document
from fleet_cli.configuration.programs import (
    format_control,
    format_point,
    format_rule,
    parse_control,
    parse_curve,
    parse_rule,
)
from fleet_cli.configuration.values import BY_NAME, FIELDS
from fleet_cli.errors import BadInput
from fleet_cli.fleet.lamppost import Lamppost
from fleet_cli.fleet.messages import Configuration, DesiredConfiguration, Reported
from protocol import configuration


def problems(text: str) -> list[str]:
    with pytest.raises(BadInput) as raised:
        parse_document(text, "street.toml")
    return str(raised.value).splitlines()


def test_file_for_people_becomes_values_for_lampposts() -> None:
    document = parse_document(
        """
        [site]
        latitude = 51.5074
        longitude = -0.1278
        utc_offset = "+05:30"
        dst = "eu"
        [lamp]
        fade = "500ms"
        minimum_level = 10
        default_level = "80%"
        program = ["sunset-15min 100%", "23:00 50%", "05:30 100%", "sunrise+10min 0%", "dusk 20%"]
        [air]
        period = "15min"
        """,
        "street.toml",
    )
    assert document.values == {
        "site/latitude": 515074,
        "site/longitude": -1278,
        "site/utc_offset": 330,
        "site/dst": 1,
        "lamp/fade_ms": 500,
        "lamp/minimum_level": 10,
        "lamp/default_level": 80,
        "lamp/program": [[1, -15, 100], [0, 1380, 50], [0, 330, 100], [2, 10, 0], [3, 0, 20]],
        "air/period": 900,
    }
    assert document.digest == configuration.digest(document.values).hex()


def test_each_mistake_is_told_with_line_key_value_and_what_was_expected() -> None:
    assert problems('[lamp]\nfade = 3\n\n# a comment\nfate = "3s"\n[air]\nperiod = "2h"\n') == [
        'street.toml:2: lamp.fade = 3: expected a time such as "3s" or "500ms", 0s to 1min',
        "street.toml:5: lamp.fate = '3s': unknown; expected one of "
        + ", ".join(field.key for field in FIELDS if field.section == "lamp"),
        "street.toml:7: air.period = '2h': expected a time in whole seconds such as \"90s\", "
        '"15min" or "1h", 1min to 1h',
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lamp", "not TOML"),
        ("fade = 3", "expected it in a section"),
        ("[lump]\nfade = 3", "expected one of the sections [site], [lamp]"),
        ('[lamp]\nprogram = ["noon 5%"]', "expected one of sunset, sunrise, dusk, dawn"),
        ('[lamp]\nprogram = ["photocell-on+5min 5%"]', "expected no offset"),
        ('[lamp]\nprograms = ["sunset 5%"]', "program 1: expected a list of at most 10 controls"),
        ('[lamp]\nprograms = [["sunset 5%"], ["sunset 500%"]]', "program 2: control"),
        ("[lamp]\nprograms = [[]]", "program 1: expected a control"),
        ('[lamp]\ncalendar = ["mon-fri"]', 'expected "DAYS DATES program N"'),
        ('[lamp]\ncalendar = ["moo program 1"]', "expected days as mon, tue"),
        ('[lamp]\ncalendar = ["mon-tue-wed program 1"]', "expected a range of days"),
        ('[lamp]\ncalendar = ["02-30 program 1"]', "expected a date that exists"),
        ('[lamp]\ncalendar = ["2027-02-29 program 1"]', "expected a date that exists"),
        ('[lamp]\ncalendar = ["0000-02-01 program 1"]', "expected a date that exists"),
        ('[lamp]\ncalendar = ["2-1 program 1"]', "expected a date such as"),
        ('[lamp]\ncalendar = ["12-24..2027-01-06 program 1"]', "expected both dates with a year"),
        ('[lamp]\ncalendar = ["2027-02-01..2027-01-06 program 1"]', "expected the last date"),
        ('[lamp]\ncalendar = ["mon program 8"]', "expected program 0 to 7, got 8"),
        ('[lamp]\nclo = ["9h 80%", "9h 90%"]', "expected 10h to 200000h"),
        ('[lamp]\nclo = ["9h 0%"]', "expected 1% to 100%"),
        ("[lamp]\ngroups = [17]", "expected a list of numbers 1 to 16"),
        ('[lamp]\nrated_power = "75.55W"', "expected a number such as"),
        ("[photocell]\non_lux = inf", "expected a number such as"),
        ('[parts]\nphotocell = "yes"', '"board", "none" or "adc"'),
        ("[link]\nlan = 1", "expected true or false"),
        ('[lamp]\nprogram = ["24:00 5%"]', "expected a time of 00:00 to 23:59"),
        ('[lamp]\nprogram = ["sunset 101%"]', "expected a level of 0% to 100%"),
        ('[lamp]\nprogram = ["sunset+4h 5%"]', "expected an offset of at most 180min"),
        ('[lamp]\nprogram = "sunset 5%"', "expected a list of at most 10 controls"),
        (f"[lamp]\nprogram = {['sunset 1%'] * 11}", "expected at most 10 controls, got 11"),
        ("[site]\nlatitude = nan", "expected degrees"),
        ("[site]\nlatitude = 90.0001", "expected degrees"),
        ("[site]\nlatitude = true", "expected degrees"),
        ('[site]\nutc_offset = "1"', "expected an offset"),
        ("[lamp]\nminimum_level = 101", "0% to 100%"),
        ("[site]\nlatitude = " + "9" * 5000, "not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
    ],
)
def test_bad_value_is_refused(text: str, said: str) -> None:
    assert said in "\n".join(problems(text))


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_a_told_mistake(text: str) -> None:
    try:
        document = parse_document(text, "f")
    except BadInput:
        return
    assert configuration.validate(document.values) == []


_SCALARS = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.sampled_from(["3s", "15min", "50%", "eu", "+01h"])
)


@given(st.sampled_from(FIELDS), _SCALARS | st.lists(_SCALARS, max_size=3))
def test_any_value_of_any_field_is_valid_or_a_told_mistake(field: object, value: object) -> None:
    text = f"[{field.section}]\n{field.key} = {_toml(value)}\n"  # pyright: ignore
    try:
        document = parse_document(text, "f")
    except BadInput as error:
        told = str(error)
    else:
        assert configuration.validate(document.values) == []
        return
    assert told.startswith("f:2: ")


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"  # pyright: ignore
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


@given(
    st.one_of(
        st.tuples(st.just(0), st.integers(0, 1439), st.integers(0, 100)),
        st.tuples(st.integers(1, 4), st.integers(-180, 180), st.integers(0, 100)),
        st.tuples(st.integers(5, 6), st.just(0), st.integers(0, 100)),
    )
)
def test_control_is_read_back_as_it_is_written(control: tuple[int, int, int]) -> None:
    assert parse_control(format_control(list(control))) == list(control)


@given(st.data())
def test_every_integer_value_is_read_back_as_it_is_written(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([f for f in FIELDS if f.kind == configuration.INTEGER]))
    value = data.draw(st.integers(field.low, field.high))
    text = f"[{field.section}]\n{field.key} = {field.toml(value)}\n"
    written = tomllib.loads(text)[field.section][field.key]
    assert field.parse(written) == value


DATES = st.dates(datetime.date(2000, 1, 1), datetime.date(2099, 12, 31))


@st.composite
def rules(draw: st.DrawFn) -> list[int]:
    days = draw(st.integers(1, 127))
    first, last = sorted(
        date.year * 10_000 + date.month * 100 + date.day for date in draw(st.tuples(DATES, DATES))
    )
    form = draw(st.sampled_from(["none", "yearly", "wrapped", "dated", "from", "until", "one"]))
    start, end = {
        "none": (0, 0),
        "yearly": (first % 10_000, last % 10_000),
        "wrapped": (last % 10_000, first % 10_000),
        "dated": (first, last),
        "from": (first, 0),
        "until": (0, last % 10_000),
        "one": (first, first),
    }[form]
    return [days, start, end, draw(st.integers(0, 7))]


@given(rules())
def test_rule_is_read_back_as_it_is_written(rule: list[int]) -> None:
    assert parse_rule(format_rule(rule)) == rule


@given(st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 100)), max_size=8))
def test_curve_is_read_back_as_it_is_written(points: list[tuple[int, int]]) -> None:
    curve = [[hours, percent] for hours, percent in sorted(dict(points).items())]
    assert parse_curve([format_point(point) for point in curve]) == curve


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("program 2", [127, 0, 0, 2]),
        ("mon-fri program 1", [31, 0, 0, 1]),
        ("Sat,Sun 06-01..09-15 program 3", [96, 601, 915, 3]),
        ("sat-mon program 1", [97, 0, 0, 1]),
        ("12-24..01-06 program 1", [127, 1224, 106, 1]),
        ("12-25 program 1", [127, 1225, 1225, 1]),
        ("2026-12-24..2027-01-06 program 1", [127, 20261224, 20270106, 1]),
        ("2027-05-01.. program 1", [127, 20270501, 0, 1]),
        ("..05-01 program 1", [127, 0, 501, 1]),
        ("02-29 program 1", [127, 229, 229, 1]),
    ],
)
def test_rule_means_what_it_says(written: str, rule: list[int]) -> None:
    assert parse_rule(written) == rule


CALENDAR = """
[lamp]
program = ["photocell-on 100%", "23:00 50%", "photocell-off 0%"]
programs = [
    ["sunset 100%", "00:30 70%", "sunrise 0%"],
    ["sunset 100%", "sunrise 0%"],
]
calendar = ["12-24..01-06 program 2", "fri,sat program 1"]
groups = [1, 16]
clo = ["0h 80%", "50000h 100%"]
rated_power = "75.5W"
[photocell]
on_lux = 20
off_lux = "60lux"
[parts]
photocell = "adc"
[air]
kappa = 0.35
[link]
lan = true
"""


def test_programs_calendar_and_parts_are_written_for_people() -> None:
    assert parse_document(CALENDAR, "f").values == {
        "lamp/program": [[5, 0, 100], [0, 1380, 50], [6, 0, 0]],
        "lamp/programs": [[[1, 0, 100], [0, 30, 70], [2, 0, 0]], [[1, 0, 100], [2, 0, 0]]],
        "lamp/calendar": [[127, 1224, 106, 2], [48, 0, 0, 1]],
        "lamp/groups": 0x8001,
        "lamp/clo": [[0, 80], [50_000, 100]],
        "lamp/rated_power": 755,
        "photocell/on_lux": 20,
        "photocell/off_lux": 60,
        "parts/photocell": 2,
        "air/kappa": 350,
        "link/lan": 1,
    }


def test_lists_are_shown_and_written_again() -> None:
    values = parse_document(CALENDAR, "f").values
    shown = {name: BY_NAME[name].format(value) for name, value in values.items()}
    assert shown["lamp/programs"] == (
        "1: sunset 100%, 00:30 70%, sunrise 0%; 2: sunset 100%, sunrise 0%"
    )
    assert shown["lamp/calendar"] == "12-24..01-06 program 2, fri,sat program 1"
    for name, value in values.items():
        field = BY_NAME[name]
        assert field.parse(tomllib.loads(f"a = {field.toml(value)}")["a"]) == value


def test_values_that_do_not_go_together_are_told_in_the_files_words() -> None:
    assert problems('[photocell]\non_lux = "90lux"\n') == [
        "street.toml: photocell.off_lux: expected more than photocell.on_lux (90 lux), got 70"
    ]
    (told,) = problems('[lamp]\ncalendar = ["mon program 1"]\n')
    assert told.startswith("street.toml: lamp.calendar rule 1: expected program 0 to 0")


def test_more_than_fits_a_lamppost_is_told_before_it_is_sent() -> None:
    text = f"[lamp]\nprograms = {[['23:00 50%'] * 10] * 7}\nprogram = {['23:00 50%'] * 10}\n"
    text += f"calendar = {['mon 2026-01-01..2026-12-31 program 7'] * 16}\n"
    assert parse_document(text, "f").values
    rest = "\n".join(
        f"[{section}]\n"
        + "\n".join(
            f"{field.key} = {field.toml(field.high if field.default != field.high else field.low)}"
            for field in FIELDS
            if field.section == section and field.kind == configuration.INTEGER
        )
        for section in ("site", "presence", "parts", "air", "energy", "status", "update")
    )
    (told,) = problems(text + rest)
    assert "bytes on the link, expected at most 1100" in told


def test_every_code_has_a_name() -> None:
    coded = [field for field in FIELDS if field.unit == "code"]
    assert coded
    for field in coded:
        names = [tomllib.loads(f"a = {field.toml(code)}")["a"] for code in range(field.high + 1)]
        assert all(isinstance(name, str) for name in names), field.name
        assert [field.parse(name) for name in names] == list(range(field.high + 1))


def test_example_is_valid_and_means_the_defaults() -> None:
    assert parse_document(example(), "f").values == configuration.defaults()


def test_every_field_of_the_protocol_is_documented() -> None:
    assert [row["field"] for row in field_rows()] == [row[0] for row in configuration.FIELDS]
    assert set(BY_NAME) == set(configuration.defaults())


FIVE = parse_document('[lamp]\nfade = "5s"', "f")
SEVEN = parse_document('[lamp]\nfade = "7s"', "f")


def lamppost(reported: Configuration, desired: DesiredConfiguration | None) -> Lamppost:
    return Lamppost("g", "a" * 12, Reported(configuration=reported), desired, gateway_online=True)


def desired(version: int) -> DesiredConfiguration:
    return DesiredConfiguration(version=version, digest=FIVE.digest, values=FIVE.values)


def test_difference_is_to_what_the_lamppost_has() -> None:
    has_five = Configuration(version=4, digest=FIVE.digest, state="applied")
    found = difference(lamppost(has_five, desired(4)), SEVEN)
    assert [vars(change) for change in found.changes] == [
        {"field": "lamp.fade", "before": "5s", "after": "7s"}
    ]
    assert difference(lamppost(has_five, desired(4)), FIVE).same


def test_difference_to_values_nobody_here_knows_is_not_made_up() -> None:
    found = difference(lamppost(Configuration(version=9, digest="ff" * 8), None), SEVEN)
    assert (found.basis, found.changes) == ("unknown", ())
    assert "version 9" in found.note


def test_refusal_of_what_is_desired_is_told_with_the_difference() -> None:
    refused = Configuration(version=3, digest="ff" * 8, state="refused", reason="no room")
    found = difference(lamppost(refused, desired(4)), SEVEN)
    assert "desired version 4 was refused: no room" in found.note
