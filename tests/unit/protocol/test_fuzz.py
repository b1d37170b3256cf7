"""Any bytes in: a valid message or a counted rejection, never another exception, never a hang."""

import cbor2
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import busframe, cbor, cobs, configuration, console, envelope, image, records, smp
from protocol.errors import ProtocolError

KEY = bytes(range(16))
NODE = b"\xa0\xb1\xc2\xd3\xe4\xf5"

scalars = (
    st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20)
    | st.booleans()
    | st.none()
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=8) | st.integers(0, 2**32), inner, max_size=5)
    ),
    max_leaves=20,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(item) for item in value), default=0)
    return 0


@given(values.filter(lambda value: depth(value) <= cbor.MAX_DEPTH))
def test_cbor_writes_what_an_independent_decoder_reads(value: object) -> None:
    data = cbor.dumps(value)
    assert cbor2.loads(data) == value
    assert cbor.loads(data) == value


@given(values.filter(lambda value: depth(value) <= cbor.MAX_DEPTH))
def test_cbor_reads_what_an_independent_encoder_writes(value: object) -> None:
    assert cbor.loads(cbor2.dumps(value)) == value


@given(st.binary(max_size=64))
def test_cbor_takes_nothing_that_an_independent_decoder_refuses(data: bytes) -> None:
    try:
        value = cbor.loads(data)
    except ProtocolError:
        return
    assert cbor2.loads(data) == value


@given(st.binary(max_size=1500))
def test_cobs_has_no_zero_and_comes_back(data: bytes) -> None:
    stuffed = cobs.encode(data)
    assert 0 not in stuffed
    assert cobs.decode(stuffed) == data


@given(st.lists(st.binary(max_size=300), max_size=20))
@example([b"\0", b"\x01" * 299] * 6)
def test_bus_bytes_are_frames_or_counted(pieces: list[bytes]) -> None:
    deframer = busframe.Deframer()
    frames = [frame for piece in pieces for frame in deframer.feed(piece)]
    delimited = sum(1 for part in b"".join(pieces).split(b"\0")[:-1] if part)
    assert deframer.accepted == len(frames)
    assert deframer.accepted + deframer.rejected == delimited


@given(
    st.integers(0, 255),
    st.sampled_from([busframe.REQUEST, busframe.BROADCAST, busframe.RESPONSE]),
    st.integers(0, 255),
    st.binary(max_size=busframe.MAX_PAYLOAD),
    st.binary(max_size=50),
)
def test_a_frame_is_heard_after_any_noise(
    address: int, control: int, sequence: int, payload: bytes, noise: bytes
) -> None:
    deframer = busframe.Deframer()
    deframer.feed(noise)
    frames = deframer.feed(busframe.encode(address, control, sequence, payload))
    assert frames[-1] == (address, control, sequence, payload)


@given(st.binary(max_size=400), st.data())
def test_a_frame_with_changed_bytes_is_never_taken_for_another(
    payload: bytes, data: st.DataObject
) -> None:
    frame = bytearray(busframe.encode(3, busframe.RESPONSE, 9, payload))
    at = data.draw(st.integers(1, len(frame) - 2))
    frame[at] ^= data.draw(st.integers(1, 255))
    assert busframe.Deframer().feed(frame) == []


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_console_bytes_are_messages_or_counted(pieces: list[bytes]) -> None:
    deframer = console.Deframer()
    for piece in pieces:
        for message in deframer.feed(piece):
            assert len(message) <= console.MAX_MESSAGE


@given(st.binary(max_size=console.MAX_MESSAGE), st.integers(1, 200))
def test_a_console_message_comes_back_in_any_pieces(message: bytes, step: int) -> None:
    lines = console.encode(message)
    deframer = console.Deframer()
    parts = [lines[at : at + step] for at in range(0, len(lines), step)]
    assert [found for part in parts for found in deframer.feed(part)] == [message]


@given(st.binary(max_size=100))
def test_smp_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        op, group, sequence, command, body = smp.unpack(data)
    except ProtocolError:
        return
    assert isinstance(body, dict)
    assert 0 <= op <= 7
    assert 0 <= group <= 0xFFFF
    assert 0 <= sequence <= 255
    assert 0 <= command <= 255


@given(st.binary(max_size=1200), st.integers(0, envelope.MAX_COUNTER), st.integers(1, 255))
def test_a_seal_opens_to_what_was_sealed(plain: bytes, counter: int, key_id: int) -> None:
    sealed = envelope.seal(KEY, key_id, NODE, envelope.TO_NODE, counter, plain)
    assert envelope.open_sealed({key_id: KEY}, NODE, envelope.TO_NODE, sealed) == (
        plain,
        key_id,
        counter,
    )


@given(st.binary(max_size=200), st.data())
def test_a_changed_seal_never_opens(plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(envelope.seal(KEY, 1, NODE, envelope.TO_NODE, 5, plain))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    try:
        envelope.open_sealed({1: KEY}, NODE, envelope.TO_NODE, bytes(sealed))
    except ProtocolError:
        return
    raise AssertionError("a changed seal was opened")


@given(
    st.binary(max_size=200)
    | st.builds(
        cbor2.dumps,
        st.tuples(
            st.just(b"\xa1\x01\x0a"),
            st.dictionaries(st.sampled_from([4, 6]), st.binary(max_size=6) | st.integers()),
            st.binary(max_size=30) | st.none(),
        ),
    )
)
def test_bytes_from_a_stranger_never_open(data: bytes) -> None:
    try:
        envelope.open_sealed({1: KEY}, NODE, envelope.TO_NODE, data)
    except ProtocolError:
        return
    raise AssertionError("opened without the key")


@given(st.binary(max_size=60) | st.builds(cbor2.dumps, st.lists(st.integers(0, 2**33), max_size=9)))
def test_record_bytes_are_a_record_or_refused(data: bytes) -> None:
    try:
        kind, time, fields = records.decode(data)
    except ProtocolError:
        return
    again = records.encode(kind, time, *fields)
    assert records.decode(again) == (kind, time, fields)


@given(
    values
    | st.dictionaries(
        st.sampled_from([field[0] for field in configuration.FIELDS]), values, max_size=4
    )
)
def test_any_values_are_a_configuration_or_explained(value: object) -> None:
    problems = configuration.validate(value)
    if not problems:
        assert isinstance(value, dict)
        document = configuration.document(1, value)
        version, told = configuration.parse_document(document)
        assert version == 1
        assert configuration.effective(told) == configuration.effective(value)


@given(st.binary(max_size=120))
def test_image_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (
        image.parse_header,
        image.parse_payload_description,
        lambda raw: image.parse_tlvs(raw, image.TLV_MAGIC),
        lambda raw: image.parse_tlvs(b"\x07\x69" + raw, image.TLV_MAGIC),
    ):
        try:
            read(data)
        except ProtocolError:
            continue
