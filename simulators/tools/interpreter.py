"""Running code under the real MicroPython, from tests and simulators."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulators.tools.programs import micropython

# What a child is given of our own environment: the rest would make a run differ by machine.
_INHERITED = ("PATH", "HOME", "TMPDIR")


class InterpreterFailed(Exception):
    """A script under MicroPython did not end well; the message shows what it said.

    Attributes:
        returncode: its exit code, None when it was stopped for taking too long.
        stdout: what it had printed.
        stderr: what it had printed as an error, the traceback among it.
    """

    def __init__(self, what: str, returncode: int | None, stdout: str, stderr: str) -> None:
        super().__init__(f"{what}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


@dataclass(frozen=True)
class Interpreter:
    """A MicroPython of one word size.

    Attributes:
        bits: 64, or 32 as on the ESP32, where object sizes are those of the device.
        path: folders every script may import from, before those a call names.
    """

    bits: int = 64
    path: Sequence[Path] = field(default=())

    def argv(self, script: str | Path, *args: str, heap: str | None = None) -> list[str]:
        """The words that run ``script``: a file when it is a Path, source text when it is a str.

        Args:
            script: what to run.
            args: what it finds in ``sys.argv[1:]``; only a file is given any.
            heap: size of the Python heap as MicroPython takes it, such as ``"128K"``.

        Raises:
            ToolError: there is no interpreter.
            ValueError: arguments for source text, which has no ``sys.argv``.
        """
        words = micropython(self.bits)
        if heap is not None:
            words += ["-X", f"heapsize={heap}"]
        if isinstance(script, Path):
            return [*words, str(script), *args]
        if args:
            raise ValueError(f"expected a file for a script with arguments {args}, got source text")
        return [*words, "-c", script]

    def environment(
        self, path: Sequence[Path] = (), env: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The child's environment: ``path`` on its ``sys.path``, the frozen modules last."""
        folders = [*map(str, (*path, *self.path)), ".frozen"]
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**inherited, "MICROPYPATH": ":".join(folders), **(env or {})}

    def run(
        self,
        script: str | Path,
        *args: str,
        path: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        heap: str | None = None,
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float = 60,
    ) -> str:
        """Run ``script`` to its end and return what it printed.

        Args:
            script: a file when it is a Path, source text when it is a str.
            args: what it finds in ``sys.argv[1:]``.
            path: folders it may import from, before the built-in modules where those allow it.
            env: environment variables of its own.
            heap: size of its Python heap, such as ``"128K"``.
            cwd: the folder it runs in.
            stdin: what it may read.
            timeout: seconds after which it is stopped.

        Raises:
            InterpreterFailed: it ended with another exit code than 0, or not in time.
            ToolError: there is no interpreter.
        """
        words = self.argv(script, *args, heap=heap)
        try:
            done = subprocess.run(
                words,
                input=stdin,
                cwd=cwd,
                env=self.environment(path, env),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InterpreterFailed(
                f"{self.bits}-bit MicroPython did not end within {timeout} s",
                None,
                _text(error.stdout),
                _text(error.stderr),
            ) from error
        if done.returncode != 0:
            raise InterpreterFailed(
                f"{self.bits}-bit MicroPython ended with exit code {done.returncode}",
                done.returncode,
                done.stdout,
                done.stderr,
            )
        return done.stdout


def _text(output: bytes | str | None) -> str:
    """What was said up to a timeout, which subprocess hands over as bytes even in text mode."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
