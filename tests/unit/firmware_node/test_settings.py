"""The node's configuration store."""

from binascii import crc32
from pathlib import Path
from typing import Any

import pytest

from firmware.node.settings import Settings
from protocol import cbor, configuration


def _kept(document: bytes) -> bytes:
    return document + crc32(document).to_bytes(4, "little")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "configuration.cbor")


def test_without_a_document_the_defaults_hold(path: str) -> None:
    settings = Settings(path)

    assert settings.values == configuration.defaults()
    assert (settings.version, settings.digest) == (0, configuration.digest({}))


def test_an_applied_document_lasts(path: str) -> None:
    assert Settings(path).apply(configuration.document(7, {"air/period": 300})) == ""

    again = Settings(path)
    assert (again.version, again.values["air/period"]) == (7, 300)
    assert again.digest == configuration.digest({"air/period": 300})


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "CBOR"),
        (b"\xff", "CBOR"),
        (cbor.dumps([1]), "map"),
        (cbor.dumps({"v": 1, "c": {"air/period": 1}, "h": bytes(8)}), "air/period"),
        (cbor.dumps({"v": 1, "c": {"no/such": 1}, "h": bytes(8)}), "no/such"),
        (cbor.dumps({"v": -1, "c": {}, "h": configuration.digest({})}), "version"),
        (cbor.dumps({"v": 1, "c": {}, "h": bytes(8)}), "digest"),
        (bytes(configuration.MAX_DOCUMENT + 1), "at most"),
    ],
)
def test_a_bad_document_is_refused_with_its_reason(path: str, document: bytes, why: str) -> None:
    settings = Settings(path)
    good = configuration.document(2, {"lamp/default_level": 30})
    settings.apply(good)
    told: list[tuple[bool, int]] = []
    settings.on_change = lambda *what: told.append(what)

    reason = settings.apply(document)

    assert why in reason
    assert settings.reason == reason
    assert settings.document() == Settings(path).document() == good
    assert [applied for applied, _ in told] == [False]


def test_subscribers_hear_of_changes_only(path: str) -> None:
    settings = Settings(path)
    heard: list[int] = []
    settings.subscribe(lambda: heard.append(settings.values["air/period"]))
    document = configuration.document(1, {"air/period": 300})

    settings.apply(document)
    settings.apply(document)
    settings.apply(b"junk")

    assert heard == [300]


def test_a_flash_that_fails_keeps_the_old_configuration(path: str, tmp_path: Path) -> None:
    settings = Settings(str(tmp_path / "gone" / "configuration.cbor"))

    assert "flash" in settings.apply(configuration.document(1, {"air/period": 300}))
    assert settings.values["air/period"] == 60


def test_fields_another_release_stored_are_kept_where_they_still_hold(path: str) -> None:
    values = {"air/period": 300, "people/period": 5, "gone/field": 1}
    Path(path).write_bytes(_kept(cbor.dumps({"v": 9, "h": bytes(8), "c": values})))

    settings = Settings(path)

    assert settings.version == 9
    assert settings.given == {"air/period": 300}
    assert "people/period" in settings.reason
    assert settings.digest != bytes(8)


def test_a_rotten_file_is_never_believed_in_part(path: str) -> None:
    program = [[1, 0, 100], [0, 1380, 60], [2, 0, 0]]
    Settings(path).apply(configuration.document(7, {"lamp/program": program}))
    good = Path(path).read_bytes()

    for index in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[index] ^= 1 << bit
            Path(path).write_bytes(bad)
            settings = Settings(path)
            assert (settings.version, settings.values) == (0, configuration.defaults())
            assert "damaged" in settings.reason


@pytest.mark.parametrize(
    "body",
    [
        5,
        [1],
        {},
        {"c": [5], "v": 1},
        {"c": [[1]], "v": 1},
        {"c": b"ab", "v": 1},
        {"c": 7, "v": 1},
        {"c": "abc", "v": 1},
        {"c": None, "v": 1},
        {"c": {1: 2, b"a": 1, "site/latitude": "x"}, "v": []},
    ],
)
def test_a_whole_file_of_another_shape_leaves_the_defaults(path: str, body: Any) -> None:
    Path(path).write_bytes(_kept(cbor.dumps(body)))

    settings = Settings(path)

    assert settings.values == configuration.defaults()
    assert settings.reason


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in Settings(str(tmp_path)).reason


@pytest.mark.parametrize("junk", [b"", b"\xff" * 40, bytes(4), cbor.dumps({"v": "x", "c": 5})])
def test_a_damaged_file_leaves_the_defaults(path: str, junk: bytes) -> None:
    Path(path).write_bytes(junk)

    settings = Settings(path)

    assert settings.values == configuration.defaults()
    assert settings.reason


def test_what_holds_alone_but_not_together_leaves_what_others_lean_on(path: str) -> None:
    values = {"lamp/calendar": [[127, 0, 0, 3]], "lamp/fade_ms": 700, "photocell/on_lux": 90}
    Path(path).write_bytes(_kept(cbor.dumps({"v": 5, "h": bytes(8), "c": values})))

    settings = Settings(path)

    assert settings.given == {"lamp/fade_ms": 700}
    assert configuration.validate(settings.values) == []
    assert "rule 1" in settings.reason


def test_the_fullest_programs_and_calendar_fit_a_document(path: str) -> None:
    full = [[0, 1380, 100]] * 10
    values = {
        "site/latitude": -515_074,
        "site/longitude": -1_278_000,
        "site/utc_offset": -720,
        "site/dst": 1,
        "lamp/program": full,
        "lamp/programs": [full] * 7,
        "lamp/calendar": [[127, 20270101, 20271231, 7]] * 16,
        "lamp/fade_ms": 5000,
        "lamp/groups": 0xFFFF,
        "lamp/rated_power": 1200,
        "photocell/on_lux": 1000,
        "photocell/off_lux": 2000,
    }
    settings = Settings(path)

    assert settings.apply(configuration.document(0xFFFFFFFF, values)) == ""
    assert Settings(path).given == values


def test_a_document_taken_without_memory_is_taken_when_it_comes_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(path)
    document = configuration.document(7, {"air/period": 300})

    def starved(given: dict[str, Any]) -> dict[str, Any]:
        raise MemoryError

    def save(data: bytes) -> None:
        Settings._save(settings, data)
        monkeypatch.setattr(configuration, "effective", starved)

    monkeypatch.setattr(settings, "_save", save)
    with pytest.raises(MemoryError):
        settings.apply(document)
    monkeypatch.undo()
    assert settings.values == configuration.defaults()

    assert settings.apply(document) == ""
    assert settings.values["air/period"] == 300
    assert settings.digest == configuration.digest({"air/period": 300})
