"""Building releases and factory flash images; `python -m firmware.build` is the command line.

A release is ``sign(build_unsigned("1.0.0", "esp32s3-ref", 1), load_key(path))``; a node's flash is
``with_identity(base_image(release), identity).flash``.
"""

from firmware.build.delta import build_delta
from firmware.build.errors import BuildError
from firmware.build.flash import (
    FLASH_SIZE,
    FactoryFlash,
    Slots,
    base_image,
    rom_partition,
    with_identity,
)
from firmware.build.image import DEFAULT_BOARD, ImageInfo, build_unsigned, inspect, sign
from firmware.build.keys import (
    PrivateKey,
    PublicKey,
    generate_key,
    load_key,
    load_public_key,
)
from firmware.node.update.selftest import CHECKS as SELF_TEST_CHECKS
from firmware.node.update.selftest import DEFAULT as DEFAULT_SELF_TEST

__all__ = [
    "DEFAULT_BOARD",
    "DEFAULT_SELF_TEST",
    "FLASH_SIZE",
    "SELF_TEST_CHECKS",
    "BuildError",
    "FactoryFlash",
    "ImageInfo",
    "PrivateKey",
    "PublicKey",
    "Slots",
    "base_image",
    "build_delta",
    "build_unsigned",
    "generate_key",
    "inspect",
    "load_key",
    "load_public_key",
    "rom_partition",
    "sign",
    "with_identity",
]
