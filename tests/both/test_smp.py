from protocol import console, smp
from protocol.errors import ProtocolError
from tests.both.check import Random, raises


def test_header_is_that_of_smp_version_2():
    # Echo request "hi", sequence 66, as smpclient sends it.
    message = smp.pack(smp.OP_WRITE, smp.GROUP_OS, 66, smp.OS_ECHO, {"d": "hi"})
    assert message == bytes.fromhex("0a00000600004200") + bytes.fromhex("a16164626869")
    assert smp.unpack(message) == (2, 0, 66, 0, {"d": "hi"})


def test_a_body_of_another_length_or_type_is_refused():
    message = smp.pack(smp.OP_READ, 1, 0, 0, {"a": 1})
    for data in (b"", message[:7], message[:-1], message + b"\0"):
        raises(ProtocolError, smp.unpack, data)
    raises(ProtocolError, smp.unpack, smp.pack_header(0, 0, 0, 0, 1) + b"\x01")
    assert smp.unpack(smp.pack_header(0, 0, 0, 0, 0))[4] == {}


def test_refusals_are_read_in_both_versions():
    assert smp.error_of(smp.error(64, 5)) == (64, 5)
    assert smp.error_of({"rc": 8}) == (None, 8)
    assert smp.error_of({"rc": 0}) is None
    assert smp.error_of({"err": {"group": "x"}}) == (None, smp.MGMT_ERR_EUNKNOWN)


def test_console_crc_is_xmodem():
    assert console.crc16(b"123456789") == 0x31C3


def test_console_lines_keep_to_the_limit_and_come_back():
    for size in (0, 1, 90, 91, 92, 93, 94, 95, 180, 186, 1024, 2048):
        message = bytes([index * 7 & 0xFF for index in range(size)])
        lines = console.encode(message)
        for index, line in enumerate(lines.split(b"\n")[:-1]):
            assert len(line) + 1 <= console.MAX_LINE
            assert line[:2] == (b"\x04\x14" if index else b"\x06\x09")
        for step in (1, 13, 5000):
            deframer = console.Deframer()
            messages = []
            for at in range(0, len(lines), step):
                messages.extend(deframer.feed(lines[at : at + step]))
            assert messages == [message]
            assert deframer.rejected == 0


def test_shell_text_around_a_packet_is_passed_over():
    deframer = console.Deframer()
    lines = console.encode(bytes(200))
    first, rest = lines.split(b"\n", 1)
    text = b"boot: slot 0\r\n> " + first + b"\nlamp 80 %\n" + rest
    assert deframer.feed(text) == [bytes(200)]


def test_a_broken_packet_is_counted_and_the_next_is_heard():
    whole = console.encode(bytes(range(200)))
    for at in range(2, len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 0x01
        deframer = console.Deframer()
        messages = deframer.feed(bytes(broken)) + deframer.feed(b"\n" + whole)
        assert bytes(range(200)) in messages
        assert all(message == bytes(range(200)) for message in messages)


def test_any_console_bytes_in_never_an_exception_out():
    random = Random(5)
    deframer = console.Deframer()
    for _ in range(1500):
        data = random.bytes(random.below(30))
        if random.below(2):
            data = (b"\x06\x09", b"\x04\x14")[random.below(2)] + data + b"\n"
        deframer.feed(data)
    assert deframer.rejected > 50
