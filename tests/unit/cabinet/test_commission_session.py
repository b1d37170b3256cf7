"""What is typed at `commission`, where it is no command and no answer."""

from __future__ import annotations

from typing import Any, cast

import pytest
from rich.console import Console

from gateway.cli.commission_session import Session
from gateway.cli.control import Control


class Gateway:
    """Knows no lamppost, and notes what it is asked to do."""

    def __init__(self) -> None:
        self.posted: list[str] = []

    def get(self, _path: str) -> dict[str, Any]:
        return {"lampposts": [], "strangers": []}

    def post(self, path: str, **_body: object) -> dict[str, Any]:
        self.posted.append(path)
        return {}


def test_mistyped_it_says_so_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    typed = iter(["foo", "a", "02be9bbaf602", "00" * 16, "one", "q"])
    gateway = Gateway()
    Session(cast(Control, gateway), Console(), lambda _: next(typed)).run()
    said = capsys.readouterr().out
    assert "no command: foo; h for help" in said
    assert "not done: expected a number as key id, got 'one'" in said
    assert gateway.posted == []
    assert next(typed, None) is None
