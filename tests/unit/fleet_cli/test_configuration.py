"""Configuration files: what is accepted, and what is said of what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_cli.configuration.describe import example, field_rows
from fleet_cli.configuration.difference import difference
from fleet_cli.configuration.document import parse_document
from fleet_cli.configuration.values import BY_NAME, FIELDS, format_control, parse_control
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
        "street.toml:5: lamp.fate = '3s': unknown; expected one of default_level, minimum_level, "
        "fade, program",
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
    )
)
def test_control_is_read_back_as_it_is_written(control: tuple[int, int, int]) -> None:
    assert parse_control(format_control(list(control))) == list(control)


@given(st.data())
def test_every_integer_value_is_read_back_as_it_is_written(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([f for f in FIELDS if f.kind == configuration.INTEGER]))
    value = data.draw(st.integers(field.low, field.high))
    text = f"[{field.section}]\n{field.key} = {field.toml(value)}\n"
    assert parse_document(text, "f").values == {field.name: value}


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
