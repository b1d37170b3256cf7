"""What the command lines of this package share: errors of one line, and files read with them."""

import argparse
from pathlib import Path
from typing import NoReturn

from firmware.build.errors import BuildError
from firmware.build.image import inspect


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        name = self.prog.removeprefix("python -m ")
        self.exit(2, f"{name}: {' '.join(message.split())}. See: {self.prog} --help\n")


def read(path: Path) -> bytes:
    """The bytes of a file. Raises BuildError, which names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"{path} cannot be read: {error.strerror}") from error


def read_image(path: Path) -> bytes:
    """The bytes of an image that is whole. Raises BuildError, which names the file."""
    data = read(path)
    try:
        inspect(data)
    except BuildError as error:
        raise BuildError(f"{path}: {error}") from error
    return data
