"""One configuration value as people write it ("15min", "sunset 100%") and as a lamppost has it.

How a field is written follows from its unit in `protocol.configuration.FIELDS`, so that a new field
needs nothing here unless its unit is new.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fleet_cli.configuration import programs, units
from protocol import configuration


@dataclass(frozen=True)
class _Kind:
    """How the values of a kind that is no integer are written."""

    parse: Callable[[Any], Any]
    format: Callable[[Any], str]
    toml: Callable[[Any], str]
    words: str


def _list_of(parse: Callable[[Any], Any], form: Callable[[Any], str], words: str) -> _Kind:
    return _Kind(
        parse,
        lambda value: programs.format_list(value, form),
        lambda value: programs.toml_list(value, form),
        words,
    )


_KINDS: Final[dict[str, _Kind]] = {
    configuration.PROGRAM: _list_of(
        programs.parse_program, programs.format_control, programs.PROGRAM_WORDS
    ),
    configuration.PROGRAMS: _Kind(
        programs.parse_programs,
        programs.format_programs,
        programs.toml_programs,
        programs.PROGRAMS_WORDS,
    ),
    configuration.CALENDAR: _list_of(
        programs.parse_calendar, programs.format_rule, programs.CALENDAR_WORDS
    ),
    configuration.CURVE: _list_of(
        programs.parse_curve, programs.format_point, programs.CURVE_WORDS
    ),
}


@dataclass(frozen=True)
class Field:
    """One field of the configuration, with its name in the file.

    Attributes:
        name: on the link, such as lamp/fade_ms.
        section: its section in the file.
        key: its key there: the name without its unit.
        kind: of its values: configuration.INTEGER, PROGRAM, PROGRAMS, CALENDAR or CURVE.
        unit: on the link.
        low: lowest value on the link.
        high: highest value on the link.
        default: on the link.
        help: what it is.
    """

    name: str
    section: str
    key: str
    kind: str
    unit: str
    low: int
    high: int
    default: Any
    help: str

    def parse(self, written: Any) -> Any:
        """The value on the link of what stands in the file.

        Raises:
            ValueProblem: it is of another form, or out of bounds.
        """
        if self.kind != configuration.INTEGER:
            return _KINDS[self.kind].parse(written)
        value = self._form.parse(written)
        if value is None or not self.low <= value <= self.high:
            raise units.ValueProblem(f"expected {self.expected}")
        return value

    def format(self, value: Any) -> str:
        """A value on the link as it would be written in the file, without quotes."""
        if self.kind != configuration.INTEGER:
            return _KINDS[self.kind].format(value)
        return self._form.format(value)

    def toml(self, value: Any) -> str:
        """A value on the link as TOML."""
        if self.kind != configuration.INTEGER:
            return _KINDS[self.kind].toml(value)
        text = self._form.format(value)
        return text if self._form.bare else f'"{text}"'

    @property
    def expected(self) -> str:
        """What may stand there, with the bounds."""
        if self.kind != configuration.INTEGER:
            return _KINDS[self.kind].words
        form = self._form
        if form.whole:
            return form.words
        return f"{form.words}, {form.format(self.low)} to {form.format(self.high)}"

    @property
    def _form(self) -> units.Form:
        return units.form_of(self.name, self.unit)


def _field(row: tuple[str, str, str, int, int, Any, str]) -> Field:
    section, _, key = row[0].partition("/")
    # The unit is written with the value, so the name in the file goes without it.
    return Field(row[0], section, key.removesuffix("_ms"), *row[1:])


FIELDS: Final[tuple[Field, ...]] = tuple(_field(row) for row in configuration.FIELDS)
BY_NAME: Final[dict[str, Field]] = {field.name: field for field in FIELDS}
BY_KEY: Final = {(field.section, field.key): field for field in FIELDS}
