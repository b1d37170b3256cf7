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
    "link": 2,
    "link_reason": "bus was silent for 120 s",
    "safe_mode": True,
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
    told = _wire(messages.lamp_request(30, 3600, 7, 0x8001))
    assert messages.parse_lamp_request(told) == (30, 3600)
    assert messages.parse_lamp_options(told) == (7, 0x8001)
    assert messages.parse_lamp_options(_wire(messages.lamp_request(None))) == (0, 0)
    overridden = _wire(messages.lamp_reply(29, 3, 30, 7, 60))
    assert messages.parse_lamp_reply(overridden) == (29, 3, 30)
    assert messages.parse_lamp_override(overridden) == (7, 60)
    assert messages.parse_lamp_override(_wire(messages.lamp_reply(29, 1, 30))) is None
    for given in ((0, b""), (90, b""), (0, b"\x01\xf7"), (3600, bytes(255))):
        told = _wire(messages.presence_request(*given))
        assert messages.parse_presence_request(told) == given
    seen = _wire(messages.readings_reply(3, 40, [], 0, 2, 55, 9))
    assert messages.parse_sightings(seen) == 9
    assert messages.parse_sightings(_wire(messages.readings_reply(3, 40, [], 0, 2, 55))) == 0
    assert messages.parse_identify_request(_wire(messages.identify_request(20))) == 20
    assert messages.parse_identify_reply(
        _wire(messages.identify_reply(b"abcdef", "esp32s3-ref", "1.0.0", 4))
    ) == (b"abcdef", "esp32s3-ref", "1.0.0", 4)
    assert messages.parse_sealed(_wire(messages.sealed(b"x"))) == b"x"
    assert messages.parse_status(_wire(messages.status_reply(STATUS))) == STATUS
    links = [(1, True, 3, 0, 90, 0, ""), (2, False, -1, 4, 0, -61, "off")]
    reply = _wire(messages.links_reply(1, "bus is the first that is heard", links))
    assert messages.parse_links_reply(reply) == (1, "bus is the first that is heard", links)


def test_a_status_of_a_release_that_knew_one_link_is_still_read():
    body = messages.status_reply(STATUS)
    del body["lk"]
    del body["lw"]
    parsed = messages.parse_status(_wire(body))
    assert (parsed["link"], parsed["link_reason"]) == (0, "")


def test_each_update_state_has_its_name():
    assert messages.UPDATE_STATES[messages.UPDATE_REFUSED] == "refused"
    assert len(messages.UPDATE_STATES) == messages.UPDATE_REFUSED + 1


def test_a_mask_means_who_is_in_one_of_its_groups_and_all_means_everybody():
    assert messages.in_groups(0b0110, 0b0100)
    assert not messages.in_groups(0b0110, 0b1001)
    assert not messages.in_groups(0, 0x7FFF)
    assert messages.in_groups(0, messages.ALL_GROUPS)
    assert messages.in_groups(0, 0), "no mask: whoever receives it"


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
        (messages.parse_lamp_options, {"l": 10, "x": 5, "q": 256}, "q"),
        (messages.parse_lamp_options, {"l": 10, "x": 5, "g": 0}, "g"),
        (messages.parse_lamp_options, {"l": 10, "x": 5, "g": 0x10000}, "g"),
        (messages.parse_lamp_override, {"x": 5}, "o"),
        (messages.parse_presence_request, {"d": 0}, "d"),
        (messages.parse_presence_request, {"d": 3601}, "d"),
        (messages.parse_presence_request, {"a": b""}, "a"),
        (messages.parse_presence_request, {"a": [1]}, "a"),
        (messages.parse_sightings, {"p": -1}, "p"),
        (messages.parse_identify_request, {"d": "5"}, "d"),
        (messages.parse_sealed, {"m": "text"}, "m"),
        (messages.parse_readings_reply, {"r": [1]}, "r"),
        (messages.parse_links_reply, {"c": 1, "w": "", "l": 5}, "l"),
        (messages.parse_links_reply, {"c": 1, "w": "", "l": [[1, True]]}, "l"),
        (messages.parse_links_reply, {"c": 1, "w": "", "l": [[1, 1, 0, 0, 0, 0, ""]]}, "l1"),
        (messages.parse_links_reply, {"c": 1, "w": "", "l": [[1, True, -2, 0, 0, 0, ""]]}, "l2"),
        (messages.parse_links_reply, {"c": 1, "w": 7, "l": []}, "w"),
    ):
        assert "field " + field in raises(ProtocolError, parse, body)


def test_any_map_gives_a_message_or_a_protocol_error():
    random = Random(19)
    odd = (None, True, -1, 1 << 40, b"", "", [], {}, [b""], bytes(6), bytes(32), 5)
    good = messages.status_reply(STATUS)
    for _ in range(1000):
        body = dict(good)
        for key in (
            "e",
            "s",
            "n",
            "r",
            "b",
            "g",
            "l",
            "x",
            "d",
            "m",
            "id",
            "h",
            "ur",
            "q",
            "o",
            "a",
        ):
            if random.below(2):
                body[key] = odd[random.below(len(odd))]
        for parse in (
            messages.parse_readings_request,
            messages.parse_readings_reply,
            messages.parse_acknowledge_request,
            messages.parse_lamp_request,
            messages.parse_lamp_options,
            messages.parse_lamp_reply,
            messages.parse_lamp_override,
            messages.parse_presence_request,
            messages.parse_sightings,
            messages.parse_identify_request,
            messages.parse_identify_reply,
            messages.parse_sealed,
            messages.parse_status,
        ):
            try:
                parse(body)
            except ProtocolError:
                continue
