"""The node's SMP server and its links under the real MicroPython."""

from simulators.tools import Interpreter
from tests.device.node_scripts import run


def test_server_answers_each_as_it_is_entitled_to(micropython: Interpreter) -> None:
    said = run(micropython, "server_policy.py")

    assert said[-1] == "passed 21", said


def test_hostile_bytes_get_a_reply_or_none_and_change_nothing(micropython: Interpreter) -> None:
    said = run(micropython, "server_hostile.py", "6000")

    words = said[-1].split()
    answered, silent, seals = int(words[1]), int(words[3]), int(words[-1])
    assert answered > 1000, said
    assert silent > 100, said
    assert seals > 10, said


def test_links_pass_over_garbage_and_answer_what_is_theirs(micropython: Interpreter) -> None:
    said = run(micropython, "links_hostile.py")

    assert said[-1] == "passed 11", said
