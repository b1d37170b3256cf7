"""Our framing against the libraries that field engineers' clients are made with."""

from typing import Any

import cbor2
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smp import header as smp_header
from smp import packet as smp_packet

from protocol import configuration, console, smp


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=1800))
def test_the_header_is_the_one_of_the_smp_library(
    sequence: int, command: int, payload: bytes
) -> None:
    message = smp.pack(smp.OP_WRITE, smp.GROUP_STREET, sequence, command, {"d": payload})
    header = smp_header.Header.loads(message[: smp.HEADER_SIZE])
    assert header.op == smp_header.OP.WRITE
    assert header.version == smp_header.Version.V2
    assert header.group_id == smp.GROUP_STREET
    assert header.sequence == sequence
    assert header.command_id == command
    assert header.length == len(message) - smp.HEADER_SIZE
    assert cbor2.loads(message[smp.HEADER_SIZE :]) == {"d": payload}


@given(st.binary(min_size=1, max_size=1800))
def test_the_smp_library_reads_our_console_lines(message: bytes) -> None:
    decoder = smp_packet.decode()
    next(decoder)
    *lines, last = console.encode(message).splitlines(keepends=True)
    for line in lines:
        decoder.send(line)
    with pytest.raises(StopIteration) as done:
        decoder.send(last)
    assert done.value.value == message


@given(st.binary(min_size=1, max_size=1800), st.sampled_from([128, 127, 256, 512]))
def test_we_read_the_console_lines_of_the_smp_library(message: bytes, line_length: int) -> None:
    lines = b"".join(smp_packet.encode(message, line_length=line_length))
    deframer = console.Deframer()
    assert deframer.feed(lines) == [message]


def test_the_json_schema_agrees_with_the_validation() -> None:
    schema = configuration.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(configuration.defaults())
    for name, kind, _unit, low, high, _default, _help in configuration.FIELDS:
        if kind != configuration.INTEGER:
            continue
        for value, fine in ((low, True), (high, True), (low - 1, False), (high + 1, False)):
            assert validator.is_valid({name: value}) is fine
            assert (configuration.field_problems(name, value) == []) is fine
    assert not validator.is_valid({"no/such": 1})
    assert not validator.is_valid({"lamp/program": [[0, 0]]})
    full: dict[str, Any] = {"lamp/programs": [[[5, 0, 1]]], "lamp/calendar": [[1, 1224, 106, 1]]}
    assert validator.is_valid(full)
    assert configuration.validate(full) == []
    for wrong in ({"lamp/programs": [[]]}, {"lamp/calendar": [[0, 0, 0, 0]]}):
        assert not validator.is_valid(wrong)
        assert configuration.validate(wrong) != []
