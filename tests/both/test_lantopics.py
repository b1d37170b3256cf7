from protocol import cbor, lantopics
from protocol.errors import ProtocolError
from tests.both.check import Random, raises

NODE = "a0b1c2d3e4f5"


def test_topics_come_back():
    for kind in (lantopics.REQUEST, lantopics.REPLY, lantopics.STATE):
        assert lantopics.parse_topic(lantopics.topic(NODE, kind)) == (NODE, kind)
    assert lantopics.topic(NODE, lantopics.REQUEST) == "lamplighter/v1/node/a0b1c2d3e4f5/smp/req"


def test_other_topics_are_refused():
    for text in (
        "",
        "lamplighter/v1/node/a0b1c2d3e4f5",
        "lamplighter/v1/node/a0b1c2d3e4f5/smp",
        "lamplighter/v1/node/A0B1C2D3E4F5/state",
        "lamplighter/v1/node/a0b1c2d3e4f5/state/more",
        "lamplighter/v1/node/a0b1c2d3e4/state",
        "lamplighter/v2/node/a0b1c2d3e4f5/state",
        "lamplighter/v1/node/+/state",
    ):
        assert "topic: expected" in raises(ProtocolError, lantopics.parse_topic, text)


def test_states_come_back():
    online = {"on": True, "v": "1.2.3", "ep": 7, "lk": 2}
    assert lantopics.parse_state(lantopics.online("1.2.3", 7, 2)) == online
    assert lantopics.parse_state(lantopics.offline()) == {"on": False}


def test_any_state_is_taken_or_refused():
    random = Random(3)
    good = lantopics.online("1.2.3", 7, 2)
    for _ in range(2000):
        data = bytearray(good)
        data[random.below(len(data))] = random.below(256)
        try:
            lantopics.parse_state(bytes(data[: random.below(len(data) + 1)]))
        except ProtocolError:
            continue
    for body in ({}, {"on": 1}, {"on": True}, {"on": True, "v": "1", "ep": -1, "lk": 0}, []):
        raises(ProtocolError, lantopics.parse_state, cbor.dumps(body))
    raises(ProtocolError, lantopics.parse_state, bytes(200))
