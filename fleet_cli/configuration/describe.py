"""The configuration's fields for people: documentation and a file to begin with."""

from typing import Any

from fleet_cli.configuration.values import FIELDS


def field_rows() -> list[dict[str, Any]]:
    """Each field: its place in the file, what may stand there, its default, what it is."""
    return [
        {
            "section": field.section,
            "key": field.key,
            "expected": field.expected,
            "default": field.toml(field.default),
            "help": field.help,
            "field": field.name,
            "unit": field.unit,
        }
        for field in FIELDS
    ]


def example() -> str:
    """A complete file with every field at its default."""
    sections: dict[str, list[str]] = {}
    for field in FIELDS:
        lines = sections.setdefault(field.section, [f"[{field.section}]"])
        lines.append(f"# {field.help}: {field.expected}")
        lines.append(f"{field.key} = {field.toml(field.default)}")
    return "\n\n".join("\n".join(lines) for lines in sections.values()) + "\n"
