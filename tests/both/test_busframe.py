from protocol import busframe
from protocol.errors import ProtocolError
from tests.both.check import Random, raises


def test_a_frame_comes_back_in_any_pieces():
    payload = bytes(range(256)) * 4
    frame = busframe.encode(5, busframe.RESPONSE, 200, payload)
    assert len(frame) <= busframe.line_bytes(len(payload))
    for step in (1, 2, 7, 64, len(frame)):
        deframer = busframe.Deframer()
        frames = []
        for at in range(0, len(frame), step):
            frames.extend(deframer.feed(frame[at : at + step]))
        assert frames == [(5, busframe.RESPONSE, 200, payload)]
        assert (deframer.rejected, deframer.accepted) == (0, 1)


def test_every_flipped_bit_is_a_counted_rejection():
    frame = busframe.encode(17, busframe.REQUEST, 3, b"\0\1\2 level")
    for bit in range(8, 8 * (len(frame) - 1)):
        broken = bytearray(frame)
        broken[bit // 8] ^= 1 << bit % 8
        deframer = busframe.Deframer()
        assert deframer.feed(broken) == []
        assert deframer.rejected >= 1, bit
        # The next frame is heard, whatever the broken one left behind.
        assert deframer.feed(frame) == [(17, busframe.REQUEST, 3, b"\0\1\2 level")]


def test_noise_before_a_frame_costs_only_the_noise():
    deframer = busframe.Deframer()
    frame = busframe.encode(1, busframe.REQUEST, 0, b"x")
    assert deframer.feed(b"\xff\x55\x03" + frame) == [(1, 0, 0, b"x")]
    assert deframer.rejected == 1


def test_an_endless_frame_is_dropped_in_bounded_memory():
    deframer = busframe.Deframer()
    for _ in range(50):
        assert deframer.feed(b"\xaa" * 1000) == []
    assert deframer.feed(b"\0") == []
    assert deframer.rejected_length == 1
    assert deframer.feed(busframe.encode(2, 0, 1, b"")) == [(2, 0, 1, b"")]


def test_refuses_to_send_what_would_be_refused():
    for arguments in (
        (256, 0, 0, b""),
        (1, 0, 256, b""),
        (1, 7, 0, b""),
        (1, 0, 0, bytes(busframe.MAX_PAYLOAD + 1)),
    ):
        raises(ProtocolError, busframe.encode, *arguments)
    largest = busframe.encode(1, 0, 0, b"\1" * busframe.MAX_PAYLOAD)
    assert len(busframe.Deframer().feed(largest)) == 1


def test_a_call_reaches_those_whose_addresses_end_so():
    for mask, value in ((0, 0), (1, 1), (7, 4)):
        payload = busframe.call_payload(mask, value, b"\x09\x0c")
        for address in range(1, busframe.LAST_ADDRESS + 1):
            asked, heard, begins = busframe.parse_call(payload, address)
            assert asked == (address % (mask + 1) == value)
            assert heard == (address in (9, 12))
            assert not begins
    assert busframe.parse_call(busframe.call_payload(0, 0, b"\xff"), 9) == (True, False, True)
    assert busframe.parse_call(b"\0", 9) == (False, False, False)
    assert len(busframe.encode(busframe.BROADCAST_ADDRESS, busframe.CALL, 1, b"\0\0")) == 12


def test_a_frame_that_has_begun_is_pending():
    deframer = busframe.Deframer()
    frame = busframe.encode(1, busframe.REQUEST, 0, b"x")
    assert not deframer.pending
    deframer.feed(frame[:1])
    assert not deframer.pending, "a delimiter begins nothing"
    deframer.feed(frame[1:4])
    assert deframer.pending
    deframer.feed(frame[4:])
    assert not deframer.pending
    deframer.feed(b"\xaa" * 2000)
    assert deframer.pending


def test_any_bytes_in_never_an_exception_out():
    random = Random(11)
    deframer = busframe.Deframer()
    frame = busframe.encode(9, busframe.REQUEST, 1, b"steady")
    heard = 0
    for _ in range(1500):
        data = bytearray(random.bytes(random.below(40)))
        if random.below(3) == 0:
            data.extend(frame)
        heard += len(deframer.feed(data))
    assert heard > 400
    assert deframer.rejected > 100
