from protocol import cbor, messages
from protocol.errors import ProtocolError
from tests.both.check import Random, raises

STATUS = {
    "id": b"\xa0\xb1\xc2\xd3\xe4\xf5",
    "board": "esp32s3-ref",
    "version": "1.2.3",
    "slot": 1,
    "hash": bytes(32),
    "confirmed": True,
    "security_counter": 4,
    "configuration_version": 12,
    "configuration_digest": bytes(8),
    "level": 80,
    "reason": 1,
    "epoch": 9,
    "next_sequence": 1200,
    "uptime": 86400,
    "time": 1_790_000_000,
    "update_state": messages.UPDATE_IDLE,
    "update_offset": 0,
    "update_reason": "",
    "task_restarts": 0,
    "overwritten": 0,
    "generation": 3,
}


def _wire(body):
    return cbor.loads(cbor.dumps(body))


def test_each_message_comes_back_through_cbor():
    assert messages.parse_readings_request(
        _wire(messages.readings_request(3, 40, 1024, (3, 39), 1_790_000_000))
    ) == (3, 40, 1024, (3, 39), 1_790_000_000)
    assert messages.parse_readings_request(_wire(messages.readings_request(0, 0, 1))) == (
        0,
        0,
        1,
        None,
        None,
    )
    assert messages.parse_readings_reply(
        _wire(messages.readings_reply(3, 40, [b"a", b"b"], 7, 2, 55))
    ) == (3, 40, [b"a", b"b"], 7, 2, 55)
    assert messages.parse_acknowledge_request(_wire(messages.acknowledge_request(1, 2))) == (1, 2)
    assert messages.parse_lamp_request(_wire(messages.lamp_request(30, 3600))) == (30, 3600)
    assert messages.parse_lamp_request(_wire(messages.lamp_request(None))) == (None, 0)
    assert messages.parse_lamp_reply(_wire(messages.lamp_reply(29, 3, 30))) == (29, 3, 30)
    assert messages.parse_identify_request(_wire(messages.identify_request(20))) == 20
    assert messages.parse_identify_reply(
        _wire(messages.identify_reply(b"abcdef", "esp32s3-ref", "1.0.0", 4))
    ) == (b"abcdef", "esp32s3-ref", "1.0.0", 4)
    assert messages.parse_sealed(_wire(messages.sealed(b"x"))) == b"x"
    assert messages.parse_status(_wire(messages.status_reply(STATUS))) == STATUS


def test_each_update_state_has_its_name():
    assert messages.UPDATE_STATES[messages.UPDATE_REFUSED] == "refused"
    assert len(messages.UPDATE_STATES) == messages.UPDATE_REFUSED + 1


def test_a_wrong_field_is_refused_by_name():
    for parse, body, field in (
        (messages.parse_readings_request, {"e": 1, "s": 2}, "n"),
        (messages.parse_readings_request, {"e": 1, "s": 2, "n": 1025}, "n"),
        (messages.parse_readings_request, {"e": -1, "s": 2, "n": 1}, "e"),
        (messages.parse_readings_request, {"e": 1, "s": 2, "n": 1, "ae": 1}, "as"),
        (messages.parse_lamp_request, {"l": 101, "x": 1}, "l"),
        (messages.parse_lamp_request, {"l": True, "x": 1}, "l"),
        (messages.parse_lamp_request, {"x": 1}, "l"),
        (messages.parse_lamp_request, {"l": 10, "x": 0}, "x"),
        (messages.parse_identify_request, {"d": "5"}, "d"),
        (messages.parse_sealed, {"m": "text"}, "m"),
        (messages.parse_readings_reply, {"r": [1]}, "r"),
    ):
        assert "field " + field in raises(ProtocolError, parse, body)


def test_any_map_gives_a_message_or_a_protocol_error():
    random = Random(19)
    odd = (None, True, -1, 1 << 40, b"", "", [], {}, [b""], bytes(6), bytes(32), 5)
    good = messages.status_reply(STATUS)
    for _ in range(1000):
        body = dict(good)
        for key in ("e", "s", "n", "r", "b", "g", "l", "x", "d", "m", "id", "h", "ur"):
            if random.below(2):
                body[key] = odd[random.below(len(odd))]
        for parse in (
            messages.parse_readings_request,
            messages.parse_readings_reply,
            messages.parse_acknowledge_request,
            messages.parse_lamp_request,
            messages.parse_lamp_reply,
            messages.parse_identify_request,
            messages.parse_identify_reply,
            messages.parse_sealed,
            messages.parse_status,
        ):
            try:
                parse(body)
            except ProtocolError:
                continue
