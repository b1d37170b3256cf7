"""The streaming ROMFS reader: what mpremote writes is read, anything else is refused."""

import asyncio
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpremote.romfs import VfsRomWriter

from firmware.build import BuildError
from firmware.build.payload import romfs
from firmware.node.update import romfs as reader
from firmware.node.update.refusal import Refused

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=8)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "node/" + "/".join(parts) + ".mpy"),
    st.binary(max_size=1500),
    min_size=1,
    max_size=12,
)


class Sink:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.open_file: tuple[str, int] | None = None

    def open(self, name: str, size: int) -> None:
        assert self.open_file is None
        self.open_file = (name, size)
        self.files[name] = b""

    def write(self, view: memoryview) -> None:
        assert self.open_file is not None
        self.files[self.open_file[0]] += view

    def close(self) -> None:
        assert self.open_file is not None
        name, size = self.open_file
        assert len(self.files[name]) == size
        self.open_file = None


def unpack(image: bytes, sha: bytes | None = None) -> dict[str, bytes]:
    sink = Sink()
    digest = sha or hashlib.sha256(image).digest()
    asyncio.run(reader.unpack(io.BytesIO(image), len(image), digest, sink))
    assert sink.open_file is None
    return sink.files


@given(TREES)
def test_every_file_comes_out_as_it_went_in(files: dict[str, bytes]) -> None:
    assert unpack(romfs(files)) == files


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read_within_their_bounds(data: bytes) -> None:
    image = b"\xd2\xcd\x31" + data
    try:
        files = unpack(image)
    except Refused:
        return
    assert sum(map(len, files.values())) <= len(image)


@given(TREES, st.data())
def test_altered_image_is_refused(files: dict[str, bytes], data: st.DataObject) -> None:
    image = bytearray(romfs(files))
    good = hashlib.sha256(image).digest()
    image[data.draw(st.integers(0, len(image) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Refused):
        unpack(bytes(image), good)


def test_data_outside_of_files_and_padding_are_passed_over() -> None:
    writer = VfsRomWriter()
    writer.mkdata(b"shared")
    writer.opendir("node")
    writer.mkfile("app.mpy", b"data")
    writer.closedir()
    assert unpack(bytes(writer.finalise())) == {"node/app.mpy": b"data"}


@pytest.mark.parametrize(
    "name", ["boot.mpy", "node/App.mpy", "node/app.py", "node/../x.mpy", "x/y"]
)
def test_builder_refuses_what_a_node_would(name: str) -> None:
    with pytest.raises(BuildError, match="not a name of ours"):
        romfs({name: b"data"})
