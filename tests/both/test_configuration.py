from protocol import cbor, configuration
from protocol.errors import ProtocolError
from tests.both.check import raises


def test_the_defaults_are_valid():
    assert configuration.validate(configuration.defaults()) == []
    assert configuration.effective({}) == configuration.defaults()


def test_both_interpreters_agree_on_the_digest():
    # A changed digest makes every lamppost of a fleet look out of date: change it knowingly.
    assert configuration.digest({}).hex() == "0b45952c9bad06b2"


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
            assert configuration.validate({name: fine}) == []
        for wrong in (low - 1, high + 1, None, "1", True, []):
            (problem,) = configuration.validate({name: wrong})
            assert all(part in problem for part in (name, repr(wrong), str(high)))


def test_programs_are_checked_control_by_control():
    def wrong(program):
        return configuration.validate({"lamp/program": program})

    assert wrong([]) == []
    assert wrong([[0, 0, 0], [4, 180, 100]]) == []
    assert len(wrong([[0, 0, 50]] * 11)) == 1
    for control in ([0, 1440, 0], [1, -181, 0], [5, 0, 0], [-1, 0, 0], [0, 0, 101], [0, 0], 7):
        (problem,) = wrong([[0, 0, 0], control])
        assert "control 2" in problem


def test_an_unknown_field_is_refused():
    (problem,) = configuration.validate({"lamp/colour": 3})
    assert "lamp/colour" in problem
    assert configuration.validate([]) != []


def test_the_schema_has_every_field():
    schema = configuration.json_schema()
    assert set(schema["properties"]) == {field[0] for field in configuration.FIELDS}
