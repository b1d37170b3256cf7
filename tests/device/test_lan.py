"""The local network's MQTT session, resolver, document and choice under the real MicroPython."""

from pathlib import Path

from simulators.tools import Interpreter
from simulators.tools.umqtt import umqtt

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts" / "lan"
PATH = [SCRIPTS, REPOSITORY / "firmware", REPOSITORY]


def _run(micropython: Interpreter, script: str, *args: str) -> list[str]:
    path = [*PATH, umqtt()]
    return micropython.run(SCRIPTS / script, *args, path=path, heap="512K").splitlines()


def test_session_holds_every_bound_and_takes_any_bytes(micropython: Interpreter) -> None:
    assert _run(micropython, "session.py") == ["passed 13"]


def test_names_are_found_without_waiting_and_hostile_answers_end(micropython: Interpreter) -> None:
    assert _run(micropython, "names.py") == [
        "good 10.0.0.7",
        "second 10.0.0.7",
        "none lamp.city: the name server answers with error 3",
        "short lamp.city: the answer is cut short",
        "silent nobody answers what the address of lamp.city is",
        "nobody no name server to ask for lamp.city",
    ]


def test_links_are_chosen_and_the_document_is_kept(
    micropython: Interpreter, tmp_path: Path
) -> None:
    assert _run(micropython, "choosing.py", str(tmp_path)) == ["passed 6"]
