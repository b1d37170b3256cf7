"""Lampposts that are not ours: shown within bounds, adopted by key, put in another's place."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import logs
from gateway.adoption import label, unknown
from gateway.adoption.adoption import Adoption, NotAdopted
from gateway.adoption.label import BadLabel, Label
from gateway.adoption.unknown import UnknownLampposts
from gateway.buffer.database import open_checked
from gateway.buffer.state import State, Wish
from gateway.buffer.writer import Writer
from gateway.config import LamppostSection, lampposts_file, load
from gateway.errors import ConfigurationError, NoReply
from gateway.lampposts.channel import LinkKind
from gateway.lampposts.turns import Traffic
from tests.integration.gateway.fake_node import KEY_ID, FakeNode

NOW = 1_795_000_000  # 2026-11-18 UTC
OLD, NEW, OTHER = FakeNode(1), FakeNode(2), FakeNode(3)


class Clock:
    def __init__(self, now: int = NOW) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


# ------------------------------------------------------------------------------------- label


@given(st.binary(min_size=6, max_size=6), st.integers(1, 255), st.binary(min_size=16, max_size=16))
def test_a_label_is_read_in_capitals_and_in_small_letters(
    node: bytes, key_id: int, key: bytes
) -> None:
    text = f"LAMPLIGHTER:1:{node.hex()}:{key_id}:{key.hex()}"
    for said in (text.upper(), text.lower(), f" {text}\r\n"):
        assert label.parse(said) == Label(node, key_id, key)
    assert label.parse_key(f" {key.hex()} ") == label.parse_key(key.hex().upper()) == key
    assert key.hex() not in repr(label.parse(text))


GOOD = f"LAMPLIGHTER:1:{OLD.hex}:7:{OLD.key.hex()}".upper()


@pytest.mark.parametrize(
    "text",
    [
        "", GOOD[:-1], GOOD + "0", GOOD.replace(":1:", ":2:"), GOOD.replace(":7:", ":0:"),
        GOOD.replace(":7:", ":256:"), GOOD.replace(":7:", ":07:"), GOOD.replace(":", ";"),
        "https://example.org/" + GOOD, GOOD.replace("A", "\uff21"), GOOD + "\n" + GOOD,
        "LAMPLIGHTER:1:A0B1C2D3E4F5:\u0661:" + "0" * 32, " " * 10_000 + GOOD,
    ],
)  # fmt: skip
def test_what_is_no_label_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(BadLabel, match="scan the code again") as caught:
        label.parse(text)
    assert OLD.key.hex().upper() not in str(caught.value)


@given(st.text(max_size=120))
def test_any_text_is_a_label_or_refused(text: str) -> None:
    for parse in (label.parse, label.parse_key):
        with suppress(BadLabel):
            parse(text)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "0 " * 16, "g" * 32, "\u0660" * 32])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(BadLabel, match="32 hexadecimal digits"):
        label.parse_key(text)


# ----------------------------------------------------------------------------------- unknown


def test_an_unknown_lamppost_is_shown_with_what_was_last_heard_of_it() -> None:
    clock, machine = Clock(), [0.0]
    table = UnknownLampposts(clock, lambda node: node == OTHER.id, lambda: machine[0])
    table.seen(NEW.id, "bus:north", 17)
    table.seen(OTHER.id, "lan")
    clock.time, machine[0] = NOW + 60, 60.0
    table.seen(OLD.id, "ble", "AA:BB:CC:DD:EE:FF", -80)
    machine[0] = 61.0
    table.seen(NEW.id, "bus:north", 18)
    shown = table.shown()
    assert [(one.id, one.link, one.address, one.signal, one.count) for one in shown] == [
        (NEW.hex, "bus:north", 18, None, 2), (OLD.hex, "ble", "AA:BB:CC:DD:EE:FF", -80, 1),
    ]  # fmt: skip
    assert (shown[0].first_seen, shown[0].last_seen) == (NOW, NOW + 60)
    machine[0] += unknown.GONE_AFTER_S
    assert [one.id for one in table.shown()] == [NEW.hex]
    table.seen(NEW.id, "lan")
    table.adopted(NEW.id)
    assert table.shown() == []


def test_a_crowd_of_made_up_lampposts_is_turned_away_until_the_old_ones_are_gone() -> None:
    machine = [0.0]
    table = UnknownLampposts(Clock(), lambda _: False, lambda: machine[0])
    for number in range(10_000):
        table.seen(number.to_bytes(6, "big"), "ble", "x" * 10_000)
    assert len(table.shown()) == unknown.MOST
    assert table.turned_away == 10_000 - unknown.MOST
    assert all(len(str(one.address)) <= 40 for one in table.shown())
    machine[0] = unknown.GONE_AFTER_S
    table.seen(NEW.id, "lan")
    assert NEW.id in {one.node for one in table.shown()}
    assert len(table.shown()) <= unknown.MOST


# ---------------------------------------------------------------------------------- adoption


class Way:
    """A channel to `node`, whoever it is."""

    kind: LinkKind = "bus"
    mtu = 1200
    available = True

    def __init__(self, node: FakeNode) -> None:
        self.node = node

    def turn(self, traffic: Traffic) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def exchange(
        self, message: bytes, *, attempts: int | None = None, patience_s: float = 0
    ) -> tuple[bytes, bool]:
        reply = None if self.node.silent else self.node.answer(message)
        if reply is None:
            raise NoReply("silence")
        return reply, False


def section(node: FakeNode, **more: Any) -> dict[str, Any]:
    return {
        "id": node.hex, "name": f"post {node.address}", "bus": "north", "address": node.address,
        "key": node.key.hex(), "key_id": KEY_ID, **more,
    }  # fmt: skip


def write(folder: Path, **pole: Any) -> Path:
    file = folder / "gateway.toml"
    file.touch(mode=0o600)
    file.write_text(
        "# by hand\n"
        + tomli_w.dumps(
            {
                "gateway": {"id": "cabinet-1", "data_dir": str(folder)},
                "mqtt": {"host": "localhost"},
                "bus": {"north": {"port": "/dev/ttyAMA0"}},
                "lamppost": [section(OLD, **pole)],
            }
        )
    )
    return file


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    writer = Writer(open_checked(tmp_path / "gateway.db", logs.get()), lambda _: None)
    writer.start()
    yield State(writer)
    writer.close()


Make = Callable[..., Adoption]


@pytest.fixture
def make(tmp_path: Path, state: State) -> Make:
    def made(clock: Clock | None = None, **pole: Any) -> Adoption:
        return Adoption(write(tmp_path, **pole), state, clock or Clock(), logs.get())

    return made


def said_by(node: FakeNode) -> Label:
    return Label(node.id, KEY_ID, node.key)


def lampposts(folder: Path) -> dict[str, LamppostSection]:
    return {one.id: one for one in load(folder / "gateway.toml")[0].lamppost}


async def test_a_lamppost_that_has_the_key_is_written_beside_the_hand_written_file(
    tmp_path: Path, make: Make
) -> None:
    adoption = make()
    by_hand = (tmp_path / "gateway.toml").read_text()
    await adoption.adopt(LamppostSection.model_validate(section(NEW)), [Way(NEW)])
    await adoption.adopt(
        LamppostSection.model_validate(section(OTHER, pole="P 3", name='Straße "3"')), [Way(OTHER)]
    )
    assert (tmp_path / "gateway.toml").read_text() == by_hand
    file = tmp_path / "lampposts.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("# Lampposts adopted by lamplighter-gateway")
    known = lampposts(tmp_path)
    assert list(known) == [OLD.hex, NEW.hex, OTHER.hex]
    assert known[NEW.hex].key.get_secret_value() == NEW.key
    assert (known[NEW.hex].place, known[OTHER.hex].place) == ("post 2", "P 3")
    assert known[OTHER.hex].name == 'Straße "3"'


@pytest.mark.parametrize(
    ("node", "change", "message"),
    [
        (NEW, {"key": "0" * 32}, "compare the label on the lamppost"),
        (NEW, {"key_id": 9}, "compare the label on the lamppost"),
        # Another answers at that address.
        (OTHER, {}, "compare the label on the lamppost"),
    ],
)
async def test_who_does_not_prove_the_key_is_not_adopted(
    tmp_path: Path, make: Make, node: FakeNode, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(NotAdopted, match=message):
        await make().adopt(LamppostSection.model_validate(section(NEW, **change)), [Way(node)])
    assert list(lampposts(tmp_path)) == [OLD.hex]
    assert not (tmp_path / "lampposts.toml").exists()


async def test_who_is_silent_or_takes_anothers_name_is_not_adopted(
    tmp_path: Path, make: Make
) -> None:
    adoption = make()
    silent = FakeNode(9, silent=True)
    with pytest.raises(NoReply):
        await adoption.adopt(LamppostSection.model_validate(section(silent)), [Way(silent)])
    for change in ({"name": "post 1"}, {"address": 1}, {"pole": "post 1"}, {"bus": "south"}):
        asked = FakeNode(2, on_request=lambda *_: pytest.fail("asked in vain"))
        with pytest.raises(ConfigurationError):
            await adoption.adopt(
                LamppostSection.model_validate(section(NEW, **change)), [Way(asked)]
            )
    assert not (tmp_path / "lampposts.toml").exists()


async def test_a_node_put_in_anothers_place_has_its_name_and_what_is_desired_of_it(
    tmp_path: Path, make: Make, state: State
) -> None:
    adoption = make(pole="HS-12")
    wish = Wish({"version": 3, "values": {"lamp/fade": 5}}, {"state": "refused"})
    await state.save_wish(OLD.id, "configuration", wish)
    assert (await adoption.replace("HS-12", said_by(NEW), [Way(NEW)])).place == "HS-12"

    configuration, warnings = load(tmp_path / "gateway.toml")
    (now,) = configuration.lamppost
    assert (now.id, now.name, now.bus, now.address, now.pole) == (
        NEW.hex, "post 1", "north", 1, "HS-12",
    )  # fmt: skip
    assert any("1 of its [[lamppost]] sections were replaced" in text for text in warnings)
    wishes = await state.wishes("configuration")
    assert wishes == {NEW.id: Wish(wish.document, {})}, "what the old one refused is tried anew"

    await adoption.replace("HS-12", said_by(OTHER), [Way(OTHER)], address=3)
    (now,) = lampposts(tmp_path).values()
    assert (now.id, now.address, now.pole) == (OTHER.hex, 3, "HS-12")
    assert [(old.id, old.until.isoformat()) for old in now.replaced] == [
        (OLD.hex, "2026-11-18"), (NEW.hex, "2026-11-18"),
    ]  # fmt: skip
    # The first one, mended, may stand elsewhere.
    mended = LamppostSection.model_validate(section(OLD, name="post 5", address=5))
    await adoption.adopt(mended, [Way(OLD)])
    assert list(lampposts(tmp_path)) == [OTHER.hex, OLD.hex]


async def test_a_place_without_a_pole_keeps_its_first_name_as_one(
    tmp_path: Path, make: Make
) -> None:
    await make().replace("post 1", said_by(NEW), [Way(NEW)])
    assert lampposts(tmp_path)[NEW.hex].pole == "post 1"


async def test_what_cannot_take_a_place_changes_nothing(
    tmp_path: Path, make: Make, state: State
) -> None:
    adoption = make()
    wish = Wish({"version": 3, "values": {}}, {})
    await state.save_wish(OLD.id, "configuration", wish)
    for pole, stands, node, message in (
        ("post 7", said_by(NEW), NEW, "nothing stands at post 7; expected one of: post 1"),
        ("post 1", said_by(OLD), OLD, "stands at post 1 already"),
        ("post 1", said_by(NEW), OLD, "compare the label"),
    ):
        with pytest.raises(NotAdopted, match=message):
            await adoption.replace(pole, stands, [Way(node)])
    with pytest.raises(NotAdopted, match="the time is not known"):
        await make(Clock(0)).replace("post 1", said_by(NEW), [Way(NEW)])
    assert list(lampposts(tmp_path)) == [OLD.hex]
    assert await state.wishes("configuration") == {OLD.id: wish}


async def test_a_disk_that_is_full_loses_no_lamppost(
    tmp_path: Path, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    adoption = make()
    await adoption.adopt(LamppostSection.model_validate(section(OTHER)), [Way(OTHER)])
    wish = Wish({"version": 3, "values": {}}, {})
    await state.save_wish(OLD.id, "configuration", wish)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lampposts_file, "write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        await adoption.replace("post 1", said_by(NEW), [Way(NEW)])
    assert list(lampposts(tmp_path)) == [OLD.hex, OTHER.hex]
    assert (await state.wishes("configuration"))[OLD.id] == wish


# ----------------------------------------------------------------------------- lampposts file


def test_a_mistake_in_the_lampposts_file_names_that_file(tmp_path: Path) -> None:
    file = write(tmp_path)
    kept = tmp_path / "lampposts.toml"
    for text, message in (
        ("[[lamppost]", "lampposts.toml: is not TOML"),
        ("[[lamppost]]\nid = 3", "lampposts.toml: lamppost[0].name is missing"),
        ("[gateway]", "lampposts.toml: gateway = <section>: expected one of lamppost"),
    ):
        kept.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            load(file)
        assert message in str(caught.value)
    lampposts_file.write(kept, [LamppostSection.model_validate(section(NEW, name="post 1"))])
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert f"{kept}: lamppost[0].name" in str(caught.value)
    assert f"lamppost[0] of {file} has it too" in str(caught.value)


lamppost_sections = st.builds(
    lambda node, name, pole, lan, key: LamppostSection.model_validate(
        {"id": node.hex(), "name": name, "pole": pole, "key": key.hex(), "key_id": 1, "lan": lan}
        | ({} if lan else {"bus": "north", "address": 7})
        | ({"replaced": [{"id": "a0b1c2d3e4f5", "until": "2026-11-27"}]} if pole else {})
    ),
    st.binary(min_size=6, max_size=6),
    st.text(min_size=1, max_size=80),
    st.none() | st.text(min_size=1, max_size=80),
    st.booleans(),
    st.binary(min_size=16, max_size=16),
)


@settings(max_examples=30)
@given(st.lists(lamppost_sections, max_size=5))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, sections: list[LamppostSection]
) -> None:
    file = tmp_path_factory.mktemp("kept") / "lampposts.toml"
    lampposts_file.write(file, sections)
    assert lampposts_file.read(file) == sections
    assert set(tomllib.loads(file.read_text())) <= {"lamppost"}
