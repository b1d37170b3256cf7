from hashlib import sha256

from protocol import cbor, configuration
from protocol.errors import ProtocolError
from tests.both.check import raises


def test_the_defaults_are_valid():
    assert configuration.validate(configuration.defaults()) == []
    assert configuration.effective({}) == configuration.defaults()


def test_both_interpreters_agree_on_what_is_digested():
    # Of fields that stay; tests/device/test_configuration.py compares the digest of all of them.
    values = {
        "site/latitude": -338700,
        "lamp/program": [[0, 1380, 50], [1, -15, 100], [6, 0, 0]],
        "lamp/programs": [[[5, 0, 100]], [[0, 0, 0]]],
        "lamp/calendar": [[127, 1224, 106, 2], [96, 20260101, 20261231, 1]],
    }
    merged = configuration.effective(values)
    canonical = [[name, merged[name]] for name in sorted(values)]
    assert sha256(cbor.dumps(canonical)).digest()[:8].hex() == "ba3f825ac9fbfe84"
    assert len(configuration.digest(values)) == configuration.DIGEST_SIZE
    assert configuration.digest(values) != configuration.digest({})


def test_the_digest_is_that_of_the_meaning():
    assert configuration.digest({"air/period": 60}) == configuration.digest({})
    assert configuration.digest({"air/period": 61}) != configuration.digest({})


def test_a_document_comes_back():
    values = {"lamp/program": [[0, 1380, 50], [1, -15, 100]], "site/dst": 1}
    data = configuration.document(7, values)
    assert configuration.parse_document(data) == (7, values)


def test_a_document_that_does_not_match_its_digest_is_refused():
    body = cbor.loads(configuration.document(7, {"site/dst": 1}))
    body["c"]["site/dst"] = 0
    assert "digest" in raises(ProtocolError, configuration.parse_document, cbor.dumps(body))


def test_each_bound_is_kept_and_the_message_says_key_value_and_expectation():
    for name, kind, _unit, low, high, _default, _help in configuration.FIELDS:
        if kind != configuration.INTEGER:
            continue
        for fine in (low, high):
            assert configuration.field_problems(name, fine) == []
        for wrong in (low - 1, high + 1, None, "1", True, []):
            (problem,) = configuration.validate({name: wrong})
            assert all(part in problem for part in (name, repr(wrong), str(high)))


def test_programs_are_checked_control_by_control():
    def wrong(program):
        return configuration.validate({"lamp/program": program})

    assert wrong([]) == []
    assert wrong([[0, 0, 0], [4, 180, 100]]) == []
    assert len(wrong([[0, 0, 50]] * 11)) == 1
    assert wrong([[5, 0, 100], [6, 0, 0]]) == []
    for control in ([0, 1440, 0], [1, -181, 0], [7, 0, 0], [-1, 0, 0], [0, 0, 101], [0, 0], 7):
        (problem,) = wrong([[0, 0, 0], control])
        assert "control 2" in problem
    for control in ([5, 1, 100], [6, -1, 0]):
        (problem,) = wrong([control])
        assert "expected minutes 0 to 0" in problem


def test_further_programs_are_checked_like_the_first():
    def wrong(programs):
        return configuration.validate({"lamp/programs": programs})

    assert wrong([]) == []
    assert wrong([[[0, 0, 0]]] * 7) == []
    for programs in ([[[0, 0, 0]]] * 8, [[]], [7], {}, [[[0, 0, 0]] * 11]):
        assert len(wrong(programs)) == 1
    (problem,) = wrong([[[0, 0, 0]], [[0, 0, 0], [0, 0, 101]]])
    assert "lamp/programs program 2 control 2" in problem


def test_rules_are_checked_one_by_one():
    def wrong(rules):
        programs = [[[0, 0, 0]]] * 7
        return configuration.validate({"lamp/calendar": rules, "lamp/programs": programs})

    for rule in (
        [127, 0, 0, 0],
        [1, 1224, 106, 7],
        [64, 229, 229, 1],
        [127, 20240229, 20240229, 1],
        [127, 0, 20261231, 1],
        [127, 20260501, 0, 1],
        [127, 501, 0, 1],
    ):
        assert wrong([rule]) == [], rule
    for rule in (
        [0, 0, 0, 0],
        [128, 0, 0, 0],
        [127, 1301, 0, 0],
        [127, 100, 0, 0],
        [127, 431, 0, 0],
        [127, 230, 0, 0],
        [127, 20250229, 0, 0],
        [127, 19991231, 0, 0],
        [127, 21000101, 0, 0],
        [127, 1, 0, 0],
        [127, -1, 0, 0],
        [127, 1224, 20270106, 1],
        [127, 20270106, 20261224, 1],
        [127, 0, 0, 8],
        [127, 0, 0, -1],
        [127, 0, 0],
        [127, 0, 0, True],
        "mon",
    ):
        (problem,) = wrong([[127, 0, 0, 0], rule])
        assert "lamp/calendar rule 2" in problem, rule
    assert len(wrong([[127, 0, 0, 0]] * 17)) == 1
    assert len(wrong(7)) == 1


def test_fields_that_do_not_go_together_are_refused():
    assert configuration.validate({"photocell/on_lux": 70}) != []
    assert configuration.validate({"photocell/on_lux": 70, "photocell/off_lux": 71}) == []
    (problem,) = configuration.validate({"lamp/calendar": [[127, 0, 0, 0], [127, 0, 0, 1]]})
    assert "rule 2" in problem
    assert "has 0" in problem


def test_a_default_is_not_carried_and_is_not_missed():
    values = {"air/period": 60, "lamp/fade_ms": 10}
    data = configuration.document(3, values)
    assert configuration.parse_document(data) == (3, {"lamp/fade_ms": 10})
    assert cbor.loads(data)["h"] == configuration.digest(values)


def test_a_curve_is_checked_point_by_point():
    def wrong(curve):
        return configuration.validate({"lamp/clo": curve})

    assert wrong([]) == []
    assert wrong([[0, 80], [5000, 85], [20000, 100]]) == []
    assert wrong([[configuration.MAX_HOURS, 1]]) == []
    assert len(wrong([[index, 50] for index in range(9)])) == 1
    assert len(wrong({})) == 1
    for point in ([0, 50], [200001, 50], [10, 0], [10, 101], [10], [10, 5.0], 7, None, [True, 5]):
        (problem,) = wrong([[5, 80], point])
        assert "lamp/clo point 2" in problem


def test_an_unknown_field_is_refused():
    (problem,) = configuration.validate({"lamp/colour": 3})
    assert "lamp/colour" in problem
    assert configuration.validate([]) != []


def test_the_schema_has_every_field():
    schema = configuration.json_schema()
    assert set(schema["properties"]) == {field[0] for field in configuration.FIELDS}
