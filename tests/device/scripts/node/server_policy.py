"""What a node answers to whom."""

import os

import vfs
from blocks import Blocks, FakeNvs, format_and_mount, remount
from rig import NODE_ID, Rig, sealed

from protocol import cbor, configuration, messages, records, smp

READ = smp.OP_READ
WRITE = smp.OP_WRITE
NOT_SEALED = smp.error(smp.GROUP_STREET, smp.STREET_ERR_NOT_SEALED)
STREET = smp.GROUP_STREET
NOW = 1_800_000_000


def fresh():
    try:
        vfs.umount("/f")
    except OSError:
        pass
    blocks = Blocks(48)
    format_and_mount(blocks, "/f")
    return blocks


def test_standard_requests_are_answered_as_mcumgr_does():
    fresh()
    rig = Rig("/f")
    assert rig.body(WRITE, 0, smp.OS_ECHO, {"d": "hi"}) == {"r": "hi"}
    assert rig.body(READ, 0, smp.OS_PARAMETERS, {}) == {"buf_size": 1200, "buf_count": 1}
    assert rig.body(READ, 0, smp.OS_INFO, {"format": "sp"}) == {"output": "MicroPython"}
    assert rig.body(READ, 0, smp.OS_INFO, {"format": "?"}) == smp.error(0, 2)
    assert rig.body(READ, 1, smp.IMAGE_STATE, {}) == {"images": []}


def test_what_is_unknown_is_not_supported_in_every_version():
    fresh()
    rig = Rig("/f")
    for op, group, command in (
        (READ, 99, 0),
        (READ, 0, 200),
        (WRITE, 0, smp.OS_PARAMETERS),
        (READ, 1, smp.IMAGE_UPLOAD),
        (READ, 3, 77),
        (READ, 64, 99),
        (READ, 64, messages.SEALED),
        (WRITE, 64, messages.STATUS),
    ):
        for version in (0, 1):
            assert rig.body(op, group, command, {}, version=version) == {"rc": 8}, (group, command)


def test_malformed_bodies_are_invalid():
    fresh()
    rig = Rig("/f")
    for junk in (b"", b"\x01", b"\xa1", b"\xa1\x61", b"\xbf\xff\xff", b"\xfb" + bytes(8)):
        head = smp.pack_header(READ, 0, 5, smp.OS_ECHO, len(junk))
        assert smp.unpack(rig.ask(head + junk))[4]["rc"] == smp.MGMT_ERR_EINVAL
    assert smp.unpack(rig.ask(smp.pack_header(READ, 0, 5, 0, 9)))[4]["rc"] == smp.MGMT_ERR_EINVAL
    for op in (smp.OP_READ_RSP, smp.OP_WRITE_RSP, 7):
        assert rig.ask(smp.pack(op, 0, 5, 0, {"d": "x"})) is None, "a reply is never answered"
    assert rig.ask(b"\x08\0\0") is None


def test_unsealed_changes_are_refused_and_change_nothing():
    fresh()
    rig = Rig("/f")
    rig.log.append(records.EVENT, 1, 2)
    before = rig.touched()
    for command, body in (
        (messages.LAMP, messages.lamp_request(0, 60)),
        (messages.PRESENCE, messages.presence_request(30)),
        (messages.IDENTIFY, {"d": 5}),
        (messages.ACKNOWLEDGE, {"e": rig.log.epoch, "s": 0}),
    ):
        assert rig.body(WRITE, STREET, command, body) == NOT_SEALED
        assert rig.body(WRITE, STREET, command, body, version=0) == {
            "rc": smp.MGMT_ERR_EACCESSDENIED,
            "rsn": "send it sealed",
        }
    for extra in ({"t": NOW}, {"ae": 1, "as": 0}):
        body = messages.readings_request(0, 0, 99)
        body.update(extra)
        assert rig.body(READ, STREET, messages.READINGS, body) == NOT_SEALED
    document = configuration.document(1, {"lamp/default_level": 10})
    for group, command, body in (
        (3, smp.SETTINGS_READ_WRITE, {"name": "configuration", "val": document}),
        (3, smp.SETTINGS_READ_WRITE, {"name": "air/period", "val": b"\x18\x40"}),
        (3, smp.SETTINGS_DELETE, {"name": "air/period"}),
        (3, smp.SETTINGS_COMMIT, {}),
        (0, smp.OS_DATETIME, {"datetime": "2027-01-01T00:00:00Z"}),
        (0, smp.OS_RESET, {}),
        (1, smp.IMAGE_STATE, {"hash": bytes(32), "confirm": True}),
        (1, smp.IMAGE_ERASE, {}),
    ):
        answer = rig.body(WRITE, group, command, body)
        assert answer["rc"] == smp.MGMT_ERR_EACCESSDENIED, (group, command, answer)
    assert rig.touched() == before


def test_a_lamp_obeys_what_is_for_its_groups_and_a_neighbour_what_names_it():
    fresh()
    rig = Rig("/f")  # in group 3, at address 9
    counter = 1
    for command, body, obeyed in (
        (messages.LAMP, messages.lamp_request(40, 60, 7, 4), True),
        (messages.LAMP, messages.lamp_request(40, 60, 7, 6), True),
        (messages.LAMP, messages.lamp_request(40, 60, 7, 2), False),
        (messages.LAMP, messages.lamp_request(40, 60, 7, messages.ALL_GROUPS), True),
        (messages.LAMP, messages.lamp_request(None, 0, 0, 2), False),
        (messages.PRESENCE, messages.presence_request(30), True),
        (messages.PRESENCE, messages.presence_request(0, bytes((8, 9, 10))), True),
        (messages.PRESENCE, messages.presence_request(30, bytes((8, 10))), False),
    ):
        calls = len(rig.lamp.calls)
        assert rig.sealed(counter, WRITE, STREET, command, body) == {"l": 60}
        assert len(rig.lamp.calls) - calls == obeyed, body
        counter += 1
    assert rig.lamp.calls[-2:] == [("near", 30), ("near", 0)]
    wrong = {"l": 40, "x": 60, "g": 0x10000}
    assert "l" not in rig.sealed(counter, WRITE, STREET, messages.LAMP, wrong)
    assert rig.lamp.calls[-1] == ("near", 0)


def test_reset_and_image_state_open_to_whoever_stands_at_the_door():
    fresh()
    rig = Rig("/f")
    assert rig.body(WRITE, 0, smp.OS_RESET, {}, "console") == {}
    state = {"hash": bytes(32), "confirm": False}
    assert "images" in rig.body(WRITE, 1, smp.IMAGE_STATE, state, "console")
    assert rig.body(WRITE, STREET, messages.LAMP, {"l": 0, "x": 9}, "console") == NOT_SEALED
    rig.switch = True
    assert rig.body(WRITE, 0, smp.OS_RESET, {}, "bus") == {}
    assert rig.body(WRITE, 1, smp.IMAGE_STATE, {"confirm": True}, "bus") == {"images": []}
    assert rig.body(WRITE, STREET, messages.LAMP, {"l": 0, "x": 9}, "bus") == NOT_SEALED
    assert rig.resets == [200, 200]
    assert rig.manager.calls == [("set_state", bytes(32), False), ("set_state", None, True)]


def test_sealed_requests_are_carried_out():
    fresh()
    rig = Rig("/f")
    for number in range(3):
        rig.log.append(records.EVENT, 1, number)
    assert rig.sealed(1, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60}) == {"l": 60}
    assert rig.sealed(2, WRITE, STREET, messages.LAMP, {"l": None}) == {"l": 60}
    assert rig.sealed(3, WRITE, STREET, messages.IDENTIFY, {"d": 5}) == {}
    assert rig.lamp.calls == [("override", 30, 60), ("override", None, 0), ("identify", 5)]
    request = messages.readings_request(rig.log.epoch, 1, 1024, (rig.log.epoch, 0), NOW)
    reply = messages.parse_readings_reply(rig.sealed(4, READ, STREET, messages.READINGS, request))
    assert reply[0:2] == (rig.log.epoch, 1)
    assert len(reply[2]) == 2
    assert len(rig.rtc.sets) == 1
    assert rig.sealed(5, WRITE, STREET, messages.ACKNOWLEDGE, {"e": rig.log.epoch, "s": 9}) == (
        smp.error(STREET, smp.STREET_ERR_INVALID)
    )
    assert rig.server.proven == 5
    messages.parse_status(rig.body(READ, STREET, messages.STATUS, {}))
    assert rig.body(READ, STREET, messages.IDENTIFY, {})["id"] == NODE_ID


def test_only_a_link_of_the_gateway_proves_that_it_reaches_us():
    fresh()
    rig = Rig("/f")
    rig.sealed(1, READ, STREET, messages.STATUS, {}, link="console")
    assert rig.server.proven == 0
    rig.sealed(2, READ, STREET, messages.STATUS, {}, link="bus")
    assert rig.server.proven == 1


def test_a_configuration_is_applied_or_refused_with_its_reason():
    fresh()
    rig = Rig("/f")
    document = configuration.document(4, {"lamp/default_level": 40})
    write = (WRITE, 3, smp.SETTINGS_READ_WRITE)
    assert rig.sealed(1, *write, {"name": "configuration", "val": document}) == {}
    assert rig.settings.values["lamp/default_level"] == 40
    assert rig.settings.version == 4
    bad = cbor.dumps({"v": 5, "h": bytes(8), "c": {"lamp/default_level": 400}})
    refused = rig.sealed(2, *write, {"name": "configuration", "val": bad})
    assert refused["rc"] == smp.MGMT_ERR_EINVAL
    assert "400" in refused["rsn"]
    assert rig.settings.version == 4
    read = (READ, 3, smp.SETTINGS_READ_WRITE)
    assert rig.body(*read, {"name": "configuration"}) == {"val": document}
    assert rig.body(*read, {"name": "lamp/default_level"}) == {"val": cbor.dumps(40)}
    assert rig.body(*read, {"name": "no/such"})["rc"] == smp.MGMT_ERR_ENOENT
    assert rig.body(*read, {"name": "configuration", "max_size": 3})["rc"] == smp.MGMT_ERR_EMSGSIZE


def test_fields_written_singly_wait_for_the_commit():
    fresh()
    rig = Rig("/f")
    write = (WRITE, 3, smp.SETTINGS_READ_WRITE)
    assert rig.sealed(1, *write, {"name": "air/period", "val": cbor.dumps(120)}) == {}
    assert rig.sealed(2, *write, {"name": "air/period", "val": cbor.dumps(7)})["rc"] == 3
    assert rig.settings.values["air/period"] == 60
    assert rig.sealed(3, WRITE, 3, smp.SETTINGS_COMMIT, {}) == {}
    assert rig.settings.values["air/period"] == 120
    assert Rig("/f").settings.values["air/period"] == 120, "it lasts"
    assert rig.sealed(4, WRITE, 3, smp.SETTINGS_DELETE, {"name": "air/period"}) == {}
    assert rig.sealed(5, READ, 3, smp.SETTINGS_LOAD_SAVE, {}) == {}
    assert rig.sealed(6, WRITE, 3, smp.SETTINGS_COMMIT, {}) == {}
    assert rig.settings.values["air/period"] == 120, "load forgot what was staged"


def test_a_repeat_of_the_last_request_gets_the_same_bytes_and_no_second_effect():
    fresh()
    rig = Rig("/f")
    for number in range(60):
        rig.log.append(records.EVENT, 1, number)
    request = sealed(9, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60})
    assert rig.ask(request) == rig.ask(request) == rig.ask(request, "console")
    assert len(rig.lamp.calls) == 1
    body = messages.readings_request(0, 0, 1024, None, NOW)
    request = sealed(10, READ, STREET, messages.READINGS, body)
    reply = rig.ask(request)
    assert len(reply) > 500
    rig.log.append(records.EVENT, 1, 99)
    assert rig.ask(request) == reply


def test_used_counters_are_refused_and_the_lowest_good_one_is_told():
    fresh()
    rig = Rig("/f")
    told = []
    rig.server.on_replay = told.append
    first = sealed(9, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60})
    rig.ask(first)
    rig.sealed(20, READ, STREET, messages.STATUS, {})
    refused = smp.error(STREET, smp.STREET_ERR_REPLAY)
    refused["c"] = 21
    for _ in range(9):
        assert rig.opened(rig.ask(first)) == refused
    assert rig.sealed(20, READ, STREET, messages.LAMP, {}) == refused, "same counter, other text"
    assert len(rig.lamp.calls) == 1
    assert told == [1, 2, 4, 8], "a flood of replays does not flood the log"
    # Another key counts for itself.
    assert "v" in rig.sealed(3, READ, STREET, messages.STATUS, {}, key_id=7)


def test_an_upload_is_a_strangers_only_by_radio_and_without_a_seal():
    fresh()
    rig = Rig("/f")
    chunk = {"off": 0, "data": b"x", "len": 9}
    for link, ours in (("console", True), ("bus", True), ("ble", False), ("lan", False)):
        rig.body(WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD, chunk, link)
        assert rig.manager.ours is ours, link
        assert rig.manager.certain is (link == "console"), link
        rig.sealed(100 + len(rig.manager.calls), WRITE, smp.GROUP_IMAGE, 1, chunk, link=link)
        assert rig.manager.ours is rig.manager.certain is True, link


def test_replay_is_refused_across_restarts_and_the_loss_of_either_copy():
    blocks = fresh()
    nvs = FakeNvs()
    rig = Rig("/f", nvs)
    first = sealed(9, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60})
    rig.ask(first)
    blocks = remount(blocks, "/f")
    rig = Rig("/f", nvs)
    answer = rig.opened(rig.ask(first))
    assert answer["err"]["rc"] == smp.STREET_ERR_REPLAY
    assert rig.lamp.calls == []
    assert "v" in rig.sealed(answer["c"], READ, STREET, messages.STATUS, {})
    os.remove("/f/counters.cbor")
    rig = Rig("/f", nvs)
    assert rig.opened(rig.ask(first))["err"]["rc"] == smp.STREET_ERR_REPLAY
    rig.sealed(5000, READ, STREET, messages.STATUS, {})
    nvs.values.clear()
    rig = Rig("/f", nvs)
    assert rig.opened(rig.ask(first))["err"]["rc"] == smp.STREET_ERR_REPLAY


def test_a_counter_that_flash_does_not_take_is_not_accepted():
    blocks = fresh()
    rig = Rig("/f")
    blocks.failing = True
    assert rig.sealed(1, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60})["rc"] == 1
    assert rig.lamp.calls == []
    blocks.failing = False


def test_one_place_that_takes_the_counter_is_enough():
    for flash_fails in (False, True):
        blocks = fresh()
        nvs = FakeNvs()
        rig = Rig("/f", nvs)
        blocks.failing = flash_fails
        if not flash_fails:

            def refuse(key, value):
                raise OSError(-4357)

            nvs.set_blob = refuse
        for counter in range(1, 5000, 700):
            answer = rig.sealed(counter, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60})
            assert answer == {"l": 60}, (flash_fails, answer)
        blocks.failing = False
        again = Rig("/f", nvs)
        first = sealed(4201, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60})
        assert again.opened(again.ask(first))["err"]["rc"] == smp.STREET_ERR_REPLAY
        vfs.umount("/f")
        format_and_mount(blocks, "/f")


def test_a_reason_that_quotes_the_request_still_fits_its_reply():
    fresh()
    rig = Rig("/f")
    text = "x" * 1100
    for counter, group, command, body in (
        (1, 0, smp.OS_DATETIME, {"datetime": text}),
        (2, 3, smp.SETTINGS_READ_WRITE, {"name": "air/period", "val": cbor.dumps(text[:1000])}),
    ):
        request = sealed(counter, WRITE, group, command, body)
        reply = rig.ask(request)
        assert len(reply) <= 1200, (group, len(reply))
        inner = rig.opened(reply)
        assert inner["rc"] == smp.MGMT_ERR_EINVAL, inner
        assert 60 < len(inner["rsn"]) <= 120, inner


def test_a_seal_of_another_key_or_node_or_direction_does_not_open():
    fresh()
    rig = Rig("/f")
    good = sealed(1, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60})
    refused = smp.error(STREET, smp.STREET_ERR_SEAL)
    for index in range(20, len(good)):
        bad = bytearray(good)
        bad[index] ^= 1
        answer = smp.unpack(rig.ask(bytes(bad)))[4]
        assert answer == refused or "rc" in answer or answer["err"]["rc"] == 2, (index, answer)
    assert rig.lamp.calls == []
    assert rig.sealing.refused > 0
    reply = smp.unpack(rig.ask(good))[4]
    echoed = smp.pack(WRITE, STREET, 1, messages.SEALED, reply)
    assert smp.unpack(rig.ask(echoed))[4] == refused, "our own reply sent back"


def test_why_the_lamp_is_at_its_level_is_among_what_readings_tell_the_gateway_to_look_at():
    fresh()
    rig = Rig("/f")
    generations = []
    # STATUS may be read before the lamp's task has acted on an override.
    for reason in (records.REASON_PROGRAM, records.REASON_PROGRAM, records.REASON_OVERRIDE):
        rig.lamp.reason = reason
        body = rig.body(READ, STREET, messages.READINGS, messages.readings_request(0, 0, 99))
        generations.append(messages.parse_readings_reply(body)[4])
    assert generations[1] == generations[0]
    assert generations[2] == generations[0] + 1


def test_a_sealed_request_inside_a_sealed_request_is_refused():
    fresh()
    rig = Rig("/f")
    inner = smp.unpack(sealed(5, WRITE, STREET, messages.LAMP, {"l": 30, "x": 60}))[4]
    assert rig.sealed(1, WRITE, STREET, messages.SEALED, inner) == {"rc": 8}
    assert rig.lamp.calls == []


def test_a_reply_too_large_for_its_frame_is_said_to_be():
    fresh()
    rig = Rig("/f")
    text = "x" * 1150
    assert len(rig.ask(smp.pack(WRITE, 0, 1, smp.OS_ECHO, {"d": text}))) <= 1200
    reply = rig.ask(sealed(1, WRITE, 0, smp.OS_ECHO, {"d": text}))
    assert len(reply) <= 1200
    assert rig.opened(reply) == {"rc": smp.MGMT_ERR_EMSGSIZE}


count = 0
for name, value in sorted(globals().items(), key=lambda item: item[0]):
    if name.startswith("test_"):
        print(name)
        value()
        count += 1
print("passed", count)
