"""What was found out about one lamppost, step by step."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, cast

# In the order in which they are done and reported.
STEPS: Final = (
    "identity", "link", "clock", "configuration", "blink", "light", "faults",
    "air", "climate", "gas", "footfall", "presence", "meter", "photocell",
)  # fmt: skip
_LONGEST_TEXT: Final = 300


class Verdict(StrEnum):
    """How a step ended, or a lamppost as a whole."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    WAITING = "waiting"
    SKIPPED = "skipped"


# What a lamppost must have behind it: a person does these, or has them done.
NEEDED: Final = ("identity", "link", "clock", "configuration", "blink", "light")


@dataclass(frozen=True)
class Result:
    """How one step ended.

    Attributes:
        verdict: how.
        text: what was found.
        action: what to do; "" where nothing is to be done.
        at: street time, Unix seconds; 0 while that was not known.
    """

    verdict: Verdict
    text: str
    action: str = ""
    at: int = 0


@dataclass
class Sheet:
    """The results of one lamppost.

    Attributes:
        node: its id, 12 hexadecimal characters.
        name: what it was called last.
        results: by step.
    """

    node: str
    name: str = ""
    results: dict[str, Result] = field(default_factory=dict[str, Result])

    @property
    def verdict(self) -> Verdict:
        """Of the whole lamppost: the worst there is, and waiting while something is to be done."""
        found = {result.verdict for result in self.results.values()}
        if Verdict.FAIL in found:
            return Verdict.FAIL
        if Verdict.WAITING in found or self.missing:
            return Verdict.WAITING
        return Verdict.SKIPPED if found == {Verdict.SKIPPED} else Verdict.PASS

    @property
    def missing(self) -> list[str]:
        """Steps that nobody has done yet."""
        return [step for step in NEEDED if step not in self.results]

    def document(self) -> dict[str, Any]:
        """As JSON has it; `read` takes it."""
        return {
            "node": self.node,
            "name": self.name,
            "verdict": self.verdict.value,
            "missing": self.missing,
            "results": {step: asdict(self.results[step]) for step in STEPS if step in self.results},
        }


def read(document: Any) -> Sheet:
    """The sheet in `document`. Raises ValueError, KeyError or TypeError when it is none."""
    sheet = Sheet(str(document["node"])[:12], str(document["name"])[:80])
    results = cast("dict[str, Any]", dict(document["results"]))
    for step, kept in results.items():
        if step in STEPS:
            sheet.results[step] = Result(
                Verdict(kept["verdict"]),
                str(kept["text"])[:_LONGEST_TEXT],
                str(kept["action"])[:_LONGEST_TEXT],
                int(kept["at"]),
            )
    return sheet
