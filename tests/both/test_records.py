from protocol import cbor, records
from protocol.errors import ProtocolError
from tests.both.check import Random, raises

NOW = 1_790_000_000


def _sample(kind, low):
    return [field[2] if low else field[3] for field in records.KINDS[kind][1]]


def test_every_kind_comes_back_at_both_ends_of_its_bounds():
    for kind in records.KINDS:
        for low in (True, False):
            values = _sample(kind, low)
            data = records.encode(kind, NOW, *values)
            assert len(data) <= records.MAX_SIZE
            assert records.decode(data) == (kind, NOW, tuple(values))


def test_a_value_outside_its_bounds_is_refused_by_name():
    for kind in records.KINDS:
        name, fields = records.KINDS[kind]
        for index, (field, _unit, low, high) in enumerate(fields):
            for wrong in (low - 1, high + 1, None, "1", True):
                values = _sample(kind, True)
                values[index] = wrong  # pyright: ignore
                text = raises(ProtocolError, records.encode, kind, NOW, *values)
                assert all(part in text for part in (name, field))


def test_clamp_makes_any_values_fit():
    for kind in records.KINDS:
        fields = records.KINDS[kind][1]
        for extreme in (-(1 << 40), 1 << 40):
            records.encode(kind, NOW, *records.clamp(kind, [extreme] * len(fields)))


def test_decode_refuses_other_shapes():
    for value in ([], [1], {}, 5, [99, NOW], [1, NOW], [5, -1, 0, 0, 0], [5, 1 << 32, 0, 0, 0]):
        raises(ProtocolError, records.decode, cbor.dumps(value))
    raises(ProtocolError, records.decode, bytes(records.MAX_SIZE + 1))


def test_to_dict_names_the_fields():
    data = records.encode(records.LAMP, NOW, 70, records.REASON_PROGRAM, 75)
    assert records.to_dict(data) == {
        "kind": "lamp",
        "time": NOW,
        "level": 70,
        "reason": records.REASON_PROGRAM,
        "wanted": 75,
    }


def test_any_bytes_give_a_record_or_a_protocol_error():
    random = Random(17)
    good = records.encode(records.PEOPLE, NOW, 300, 4, 5, 1000, 9, 0)
    accepted = 0
    for _ in range(2000):
        data = bytearray(good)
        data[random.below(len(data))] = random.below(256)
        try:
            records.decode(bytes(data))
            accepted += 1
        except ProtocolError:
            continue
    assert accepted > 50
