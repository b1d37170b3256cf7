"""Smaller sources do the same: what may be renamed or left out, and what must stay as it is."""

import ast
import contextlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from firmware.build import BuildError
from firmware.build.payload import sources
from firmware.build.shrink import shrunk


def small(entries: tuple[str, ...] = ("start",), closed: bool = True, **files: str) -> str:
    """The file ``a.py`` of the files given, smaller."""
    given = {f"{name}.py": text.encode() for name, text in files.items()}
    return shrunk(given, entries, closed=closed)["a.py"].decode()


def said(folder: Path, files: Mapping[str, bytes]) -> str:
    """What ``start()`` of ``a.py`` prints, run from these files."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    names = [name.removesuffix(".py") for name in files]
    sys.path.insert(0, str(folder))
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told):
            __import__("a").start()
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)
    return told.getvalue()


A = '''
import asyncio
import b
from b import Base

_LIMIT = 4
SIZE = _LIMIT * b.WIDTH - 1
_changes = 0


class Child(Base):
    """Doc."""

    def __init__(self, first):
        super().__init__()
        self._own = first
        self._table = {"_own": 1}

    def _step(self, _by=1):
        global _changes
        _changes += _by
        self._kept += _by
        return self._own + self._kept

    def run(self):
        loop = [self._step(_by=index) for index in range(_LIMIT)]
        return loop, getattr(self, "_own"), self._table


def unused():
    return helper()


def helper():
    return 1


def start():
    child = Child(7)
    print(child.run(), SIZE, _changes, b.told(child), asyncio.__name__)
'''

B = """
WIDTH = 3
OTHER = 9
_kept = 5


class Base:
    def __init__(self):
        self._kept = _kept

    def _step(self):
        raise NotImplementedError


def told(one):
    return one._step(2), OTHER
"""


@pytest.mark.parametrize("closed", [True, False])
def test_what_is_smaller_says_the_same(tmp_path: Path, closed: bool) -> None:
    files = {"a.py": A.encode(), "b.py": B.encode()}
    made = shrunk(files, ("start",), closed=closed)
    assert said(tmp_path / "before", files) == said(tmp_path / "after", made) != ""
    assert len(made["a.py"]) < len(files["a.py"])
    assert b"_step" not in made["a.py"]
    assert b"_step" not in made["b.py"]
    assert b"_LIMIT)" not in made["a.py"]
    assert (b"helper" in made["a.py"]) is not closed


def test_names_that_nothing_here_binds_belong_to_somebody_else() -> None:
    made = small(a="import asyncio\ndef start():\n    return asyncio.core._io_queue\n")
    assert "asyncio.core._io_queue" in made


def test_two_names_of_one_family_never_become_one() -> None:
    text = "class One:\n    def __init__(self):\n"
    text += "".join(f"        self._name{number} = {number}\n" for number in range(60))
    text += "def start():\n    return One()\n"
    made = small(a=text)
    names = [node.attr for node in ast.walk(ast.parse(made)) if isinstance(node, ast.Attribute)]
    assert len(set(names)) == 60


def test_a_name_that_a_text_may_mean_stays() -> None:
    text = 'class One:\n    def _x_way(self):\n        return 1\ndef start():\n    return "{}"\n'
    assert "_x_way" not in small(a=text.format("a way"))
    text = "from b import _x_way\ndef start():\n    return _x_way()\n"
    assert "_x_way" in small(a=text, b="def _x_way():\n    return 2\n")


def test_arguments_keep_their_names_where_somebody_outside_may_pass_them() -> None:
    text = "def start(first, *, second=None):\n    return first, second\n"
    assert "second" not in small(a=text)
    assert small(a=text, closed=False) == text


def test_a_name_that_is_bound_twice_is_no_constant() -> None:
    text = "LEVEL = 1\ndef start():\n    global LEVEL\n    LEVEL = 2\n    return LEVEL\n"
    assert small(a=text).count("LEVEL") == 4


def test_every_line_of_the_release_keeps_its_number() -> None:
    given = sources((1, 0, 0))
    made = shrunk(given, ("start",), closed=True)
    assert set(made) == set(given)
    for name, data in made.items():
        assert data.count(b"\n") == given[name].count(b"\n"), name
        before = {
            node.lineno
            for node in ast.walk(ast.parse(given[name]))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }
        after = {
            node.lineno
            for node in ast.walk(ast.parse(data))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }
        assert after <= before, name


def test_a_file_that_is_no_python_is_named_with_its_line() -> None:
    with pytest.raises(BuildError, match=r"a\.py line 2"):
        small(a="x = 1\ndef :\n")
