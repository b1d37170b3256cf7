"""The factory: who each lamppost is, its keys, and the flash it leaves with.

Everything is drawn from the seed, so the same street has the same lampposts. The keys are test
keys: they guard nothing but a simulation.
"""

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from firmware.build import flash
from firmware.build.image import build_unsigned, sign
from firmware.build.keys import PrivateKey, generate_key, load_key
from firmware.build.lamppost import Provision
from simulators import chiprom
from simulators.node_process import ChipFiles

VERSION = "1.0.0"
"""Release that lampposts leave the factory with."""

BOARD = "esp32s3-ref"
"""Board id of the reference board, which the parts of a lamppost stand for."""

_STREET = "Lime Walk"


def provision(count: int, seed: int = 0) -> list[Provision]:
    """``count`` lampposts, on addresses 1 to ``count``.

    Raises:
        ValueError: a count that one bus has no addresses for.
    """
    if not 1 <= count <= 247:
        raise ValueError(f"lampposts: expected 1..247 on one bus, got {count}")
    chance = random.Random(f"factory {seed}")
    return [
        Provision(
            # The second bit of the first byte marks an address that no maker was given.
            node=bytes([0x02, *chance.randbytes(4), address]).hex(),
            name=f"{_STREET} {address:02d}",
            address=address,
            key_id=1,
            key=chance.randbytes(16),
            board=BOARD,
        )
        for address in range(1, count + 1)
    ]


class Factory:
    """Makes lampposts in ``folder``, and releases that they take.

    Args:
        folder: where they are kept.
        slots: where they keep the application.
        stock: whether they run stock MicroPython, with the boot stage on their flash.

    Attributes:
        rom: the ROMFS image that is burnt into each chip: the shims of node_side, the boot stage.
        release_key_file: the private key (PEM) whose releases the lampposts trust.
    """

    def __init__(
        self, folder: Path, slots: flash.Slots = flash.Slots.FOLDER, *, stock: bool = False
    ) -> None:
        self._folder = folder
        self._slots = slots
        self._stock = stock
        self.rom = folder / "chip.romfs"
        self.release_key_file = folder / "release-key.pem"

    def files_of(self, who: Provision) -> ChipFiles:
        """Where one lamppost's memory is kept."""
        return ChipFiles(self._folder / "nodes" / who.node)

    def release_key(self) -> PrivateKey:
        """The key releases are signed with, made when there is none yet.

        Raises:
            BuildError: the file there holds no such key.
        """
        if self.release_key_file.exists():
            return load_key(self.release_key_file)
        return generate_key(self.release_key_file)

    def release(
        self, version: str, security_counter: int = 1, overlay: Path | None = None
    ) -> bytes:
        """A signed release of the sources, with the files of ``overlay`` in place of ours.

        Raises:
            BuildError: the sources do not compile, or do not fit.
        """
        return sign(build_unsigned(version, BOARD, security_counter, overlay), self.release_key())

    def make(
        self,
        lampposts: Iterable[Provision],
        version: str = VERSION,
        configuration: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the flash and NVS of each of ``lampposts`` that has none yet, and the ROM.

        Args:
            lampposts: who they are.
            version: the release they leave with.
            configuration: fields they leave with, none for no configuration at all.

        Raises:
            BuildError: the release cannot be built.
        """
        # Each time: the sources may have changed since.
        chiprom.burn(self.rom, boot_stage=not self._stock)
        absent = [who for who in lampposts if not self.files_of(who).flash.exists()]
        if not absent:
            return
        release = self.release(version)
        base = flash.base_image(release, slots=self._slots, stock=self._stock)
        modulus = self.release_key().modulus
        for who in absent:
            files = self.files_of(who)
            files.folder.mkdir(parents=True, exist_ok=True)
            made = flash.with_identity(base, who.identity(modulus))
            files.nvs.write_text(json.dumps({"lamp": {"identity": made.identity.hex()}}))
            if self._slots is flash.Slots.ROMFS:
                files.romfs.write_bytes(flash.rom_partition(release))
            contents = made.flash
            if configuration:
                contents = flash.with_configuration(contents, configuration)
            files.flash.write_bytes(contents)
