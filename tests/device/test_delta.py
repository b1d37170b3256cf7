"""Deltas on a node, under the real MicroPython: the release as by the whole image, or nothing."""

import hashlib
import struct
from pathlib import Path

import pytest

from firmware.build import build_delta, build_unsigned, sign
from firmware.build.delta import patch
from firmware.build.image import inspect, romfs_of, wrap
from firmware.build.payload import deflated
from firmware.node.update import refusal
from protocol import image as layout
from simulators.tools import Interpreter
from tests.device.damage import assemble, inner, signed
from tests.device.update_images import BOARD, Bench, make_bench, payload, run_script


def number(value: int) -> bytes:
    """A size as detools packs it."""
    sign_bit, value = (0x40, -value) if value < 0 else (0, value)
    out = [sign_bit | value & 0x3F]
    value >>= 6
    while value:
        out[-1] |= 0x80
        out.append(value & 0x7F)
        value >>= 7
    return bytes(out)


class Maker:
    """Deltas by hand, for what the builder would not make."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.base = (bench.folder / "v1.img").read_bytes()
        self.result = (bench.folder / "v2.img").read_bytes()
        self.old, self.new = romfs_of(self.base)[0], romfs_of(self.result)[0]
        self.base_hash = inspect(self.base).image_hash
        self.result_hash = inspect(self.result).image_hash

    def __call__(
        self,
        patched: bytes,
        *,
        packed: bytes | None = None,
        preface: bytes | None = None,
        base_size: int | None = None,
        described: bytes | None = None,
        encoding: str = layout.DELTA,
    ) -> bytes:
        if preface is None:
            preface = layout.delta_preface(self.base_hash, self.result_hash)
        if described is None:
            described = layout.delta_description(
                self.base_hash,
                len(self.old) if base_size is None else base_size,
                hashlib.sha256(self.old).digest(),
                self.result_hash,
                hashlib.sha256(self.result).digest(),
            )
        entries = inner(self.new)
        entries[2] = (
            layout.TLV_PAYLOAD,
            layout.payload_description(len(self.new), hashlib.sha256(self.new).digest(), encoding),
        )
        body = preface + (deflated(patched) if packed is None else packed)
        return signed(self.bench, assemble(body, [*entries, (layout.TLV_DELTA, described)]))


def bad_deltas(bench: Bench) -> dict[str, tuple[bytes, int, str]]:
    """Name to (image, refusal code, part of the reason): all well signed."""
    make = Maker(bench)
    good = patch(make.old, make.new)
    size = number(len(make.new))
    start = b"\0" + size + b"\0"
    old, new = len(make.old), len(make.new)
    delta, base = refusal.DELTA, refusal.DELTA_BASE
    other = struct.pack("32s", b"another")
    return {
        "compressed": (make(b"\x02" + good[1:]), delta, "not a sequential patch"),
        "other_kind": (make(b"\x10" + good[1:]), delta, "not a sequential patch"),
        "other_size": (make(b"\0" + number(9) + good[1 + len(size) :]), delta, "it makes 9 bytes"),
        "data_format": (make(b"\0" + size + number(5)), delta, "data format"),
        "endless_number": (make(b"\0" + b"\xff" * 40), delta, "a number does not end"),
        "run_too_long": (make(start + number(new + 1)), delta, "a run of"),
        "negative_run": (make(start + number(-5)), delta, "a run of -5"),
        "copy_too_long": (
            make(start + number(0) + number(new + 1)),
            delta,
            "a run of",
        ),
        "negative_copy": (make(start + number(0) + number(-1)), delta, "run of -1"),
        "outside": (
            make(start + number(0) + number(60) + make.new[:60] + number(old) + number(5)),
            delta,
            "outside of its base",
        ),
        "before": (
            make(start + number(1) + b"\0" + number(60) + make.new[1:61] + number(-9) + number(5)),
            delta,
            "outside of its base",
        ),
        "empty_runs": (make(start + b"\0" * 50_000), delta, "a pair of empty runs"),
        "short": (make(good[:-40]), delta, "it ends early"),
        "not_deflated": (make(b"", packed=b"\xff" * 300), delta, "cannot be inflated"),
        "altered": (
            make(good[:-9] + bytes((good[-9] ^ 1,)) + good[-8:]),
            refusal.PAYLOAD,
            "SHA-256 does not fit",
        ),
        "preface_differs": (
            make(good, preface=layout.delta_preface(make.base_hash, other)),
            delta,
            "do not fit",
        ),
        "no_preface": (make(good, preface=b""), delta, "do not fit"),
        "base_size": (make(good, base_size=old + 2), base, "the delta's has"),
        "description": (make(good, described=b"\xa0"), refusal.TLV, "must be 32 bytes"),
        "said_to_be_whole": (make(good, encoding=layout.DEFLATE), refusal.TLV, "encoding must be"),
    }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = make_bench(tmp_path_factory.mktemp("delta"))
    first, second = ((bench.folder / f"{name}.img").read_bytes() for name in ("v1", "v2"))
    third = sign(wrap(payload("3.0.0"), "3.0.0", BOARD, 4), bench.key)
    bench.write("delta.img", sign(build_delta(first, second), bench.key))
    bench.write("other.img", sign(build_delta(third, second), bench.key))
    bench.write("v1.romfs", romfs_of(first)[0])
    bench.write("v2.hash", inspect(second).image_hash)
    return bench


def test_delta_makes_the_very_release_or_is_refused(micropython: Interpreter, bench: Bench) -> None:
    bad = bad_deltas(bench)
    for name, (data, _, _) in bad.items():
        bench.write(f"{name}.img", data)
    said = run_script(micropython, bench, "update_delta.py", *bad)
    size = (bench.folder / "delta.img").stat().st_size
    whole = (bench.folder / "v2.img").stat().st_size
    assert size < whole
    v1, v3 = (
        inspect(sign(wrap(payload(version), version, BOARD, counter), bench.key)).image_hash.hex()
        for version, counter in (("1.0.0", 3), ("3.0.0", 4))
    )
    assert said[:14] == [
        "base True",
        "region True",
        "first {'off': 500}",
        "after a reboot 0 uploading",
        f"taken {{'off': {size}, 'match': True}}",
        "slot 2.0.0 True",
        "whole is here True",
        "runs 2.0.0 True",
        f"whole sent too {{'off': {whole}, 'match': True}}",
        f"delta again {{'off': {size}, 'match': True}}",
        "same files True",
        f"other base {{'err': {{'group': 1, 'rc': 3}}}} 18 delta from release {v3[:8]}, "
        f"{v1[:8]} runs; send the whole image",
        "written 0 refused",
        f"whole then {{'off': {whole}, 'match': True}} 0",
    ]
    told = dict(line.split(" ", 1) for line in said[14 : 14 + len(bad)])
    assert set(told) == set(bad)
    for name, (_, code, reason) in bad.items():
        assert told[name].startswith(f"{code} "), (name, told[name])
        assert reason in told[name], (name, told[name])
    assert said[-2].startswith("rotten")
    assert " 18 the running release is not" in said[-2]
    assert said[-1].startswith("file gone")
    assert " 17 " in said[-1]


def test_delta_of_the_whole_application_is_applied_in_a_small_heap(
    micropython: Interpreter, bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "extra.py").write_text("def double(x):\n    return 2 * x\n")
    base = sign(build_unsigned("1.4.2", BOARD, 3), bench.key)
    result = sign(build_unsigned("1.4.3", BOARD, 3, tmp_path), bench.key)
    delta = sign(build_delta(base, result), bench.key)
    assert len(delta) < len(result) // 20
    (old, old_sha), (new, new_sha) = romfs_of(base), romfs_of(result)
    bench.write("application-base.romfs", old)
    bench.write("application-delta.img", delta)
    offset = layout.HEADER_SIZE + layout.DELTA_PREFACE
    sizes = (len(old), old_sha.hex(), len(new), new_sha.hex(), offset)
    # 32-bit words as on the ESP32: there the figure is an honest one.
    heap = "96K" if micropython.bits == 32 else "192K"
    said = run_script(micropython, bench, "delta_memory.py", *map(str, sizes), heap=heap)
    print(said)
    assert said[0] == "same True"
    peak = int(said[1].split()[1])
    # Window, buffers, and the headers of the base.
    assert 3_000 < peak < 14_000
