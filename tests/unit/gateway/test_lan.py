"""The local network: certificates, the broker's files, credentials, what the link believes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import given
from hypothesis import strategies as st

from gateway import files, logs
from gateway.clock import EARLIEST_PLAUSIBLE
from gateway.config import LamppostSection, LanSection
from gateway.lan import certificates, credentials, floods, mosquitto
from gateway.lan.broker import SHUT_OUT_S, LocalBroker
from gateway.lan.certificates import SERVER_NAME, CertificateError, ensure
from gateway.lan.link import LanLink
from gateway.lan.mosquitto import BrokerError
from protocol import lantopics, network, smp
from tests.integration.gateway.harness import eventually

NODE = bytes.fromhex("a0b1c2d3e4f5")
OTHER = bytes.fromhex("a0b1c2d3e4f6")
KEY = bytes(range(16))
NOW = 1_795_000_000
YEAR = 365 * 86_400


def shown(made: certificates.Certificates) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.broker_file.read_bytes())


# ------------------------------------------------------------------------------- certificates


def test_the_brokers_certificate_is_believed_by_who_believes_the_authority(tmp_path: Path) -> None:
    made = ensure(tmp_path, ["192.168.4.1", "cabinet.local"], NOW)
    authority = x509.load_der_x509_certificate(made.authority)
    for name in (x509.DNSName(SERVER_NAME), x509.DNSName("cabinet.local")):
        PolicyBuilder().store(Store([authority])).time(
            datetime.fromtimestamp(NOW, UTC)
        ).build_server_verifier(name).verify(shown(made), [])
    names = shown(made).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["192.168.4.1"]
    assert made.expires_at == NOW + 2 * YEAR
    assert made.authority_expires_at == NOW + 30 * YEAR
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_a_certificate_is_renewed_a_year_before_its_end_under_the_same_authority(
    tmp_path: Path,
) -> None:
    first = ensure(tmp_path, ["192.168.4.1"], NOW)
    assert first.renewed
    assert ensure(tmp_path, ["192.168.4.1"], NOW + YEAR - 86_400).expires_at == first.expires_at
    for now in (NOW + YEAR + 86_400, NOW + 8 * YEAR):
        later = ensure(tmp_path, ["192.168.4.1"], now)
        assert later.renewed
        assert later.authority == first.authority
        assert later.expires_at == now + 2 * YEAR
        assert not ensure(tmp_path, ["192.168.4.1"], now).renewed
    moved = ensure(tmp_path, ["10.0.0.1"], NOW)
    assert moved.renewed
    assert moved.authority == first.authority


def test_nothing_lasts_longer_than_the_authority_and_near_its_end_is_made_once(
    tmp_path: Path,
) -> None:
    end = ensure(tmp_path, ["192.168.4.1"], NOW).authority_expires_at
    last = ensure(tmp_path, ["192.168.4.1"], end - YEAR)
    assert (last.renewed, last.expires_at) == (True, end)
    assert not ensure(tmp_path, ["192.168.4.1"], end - 86_400).renewed


def test_without_the_time_what_is_there_is_used_and_nothing_made(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="set this machine's clock"):
        ensure(tmp_path, ["192.168.4.1"], 0)
    assert list(tmp_path.iterdir()) == []
    made = ensure(tmp_path, ["192.168.4.1"], NOW)
    assert not ensure(tmp_path, ["192.168.4.1"], 0).renewed
    assert shown(made).not_valid_before_utc.timestamp() == EARLIEST_PLAUSIBLE


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_authority_is_never_replaced_and_a_damaged_certificate_is(
    tmp_path: Path, damage: bytes | None
) -> None:
    first = ensure(tmp_path, ["192.168.4.1"], NOW)
    broker, authority = tmp_path / certificates.BROKER, tmp_path / certificates.AUTHORITY
    sound = authority.read_bytes()
    # None: half of one and half of the other, as no write of ours leaves them.
    broker.write_bytes(shown(first).public_bytes(_PEM) if damage is None else damage)
    assert ensure(tmp_path, ["192.168.4.1"], NOW).renewed
    authority.write_bytes(sound[: len(sound) // 2] if damage is None else damage)
    with pytest.raises(CertificateError, match="put it back from a backup"):
        ensure(tmp_path, ["192.168.4.1"], NOW)


_PEM = certificates.serialization.Encoding.PEM


def test_a_certificate_of_another_authority_is_made_anew(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    ensure(here, ["192.168.4.1"], NOW)
    foreign = ensure(there, ["192.168.4.1"], NOW)
    (here / certificates.BROKER).write_bytes(foreign.broker_file.read_bytes())
    assert ensure(here, ["192.168.4.1"], NOW).renewed


# ------------------------------------------------------------------------- files and credentials


def test_a_file_is_written_whole_for_its_owner_and_only_when_it_differs(tmp_path: Path) -> None:
    file = tmp_path / "f"
    assert files.write_if_changed(file, b"one")
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.stat().st_ino
    assert not files.write_if_changed(file, b"one")
    assert file.stat().st_ino == before
    file.chmod(0o644)
    assert files.write_if_changed(file, b"one"), "others could read it"
    assert files.write_if_changed(file, b"two")
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f"
    files.write_atomically(file, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_a_password_is_of_one_lamppost_and_one_key() -> None:
    mine = credentials.password(NODE, KEY)
    assert len(mine) == 32
    assert mine == credentials.password(NODE, KEY)
    assert len({mine, credentials.password(OTHER, KEY), credentials.password(NODE, KEY[::-1])}) == 3
    assert KEY.hex() not in mine


def test_a_hash_is_mosquittos_own_pbkdf2() -> None:
    _, kind, iterations, salt, digest = credentials.hashed("user", "secret").split("$")
    assert kind == "7"
    assert len(base64.b64decode(salt)) == 12, "mosquitto 2.0 takes no other length"
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), int(iterations))
    assert base64.b64decode(digest) == expected
    assert credentials.hashed("user", "secret") == credentials.hashed("user", "secret")
    assert credentials.hashed("other", "secret") != credentials.hashed("user", "secret")


class Clock:
    def __init__(self, now: int = NOW) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


def lamppost(node: bytes = NODE, *, lan: bool = True) -> LamppostSection:
    return LamppostSection.model_validate(
        {
            "id": node.hex(),
            "name": node.hex(),
            "key": KEY.hex(),
            "key_id": 1,
            **({"lan": True} if lan else {"bus": "north", "address": 1}),
        }
    )


def broker(folder: Path, clock: Clock, **settings: Any) -> LocalBroker:
    section = LanSection.model_validate({"address": "192.168.4.1", **settings})
    return LocalBroker(section, folder, [lamppost(), lamppost(OTHER, lan=False)], clock, logs.get())


def test_the_brokers_files_hold_no_secret_and_know_the_lampposts_of_the_local_network(
    tmp_path: Path,
) -> None:
    made = broker(tmp_path, Clock())
    assert made.prepare()
    assert not made.prepare()
    users = (made.folder / mosquitto.PASSWORDS).read_text()
    assert [line.partition(":")[0] for line in users.splitlines()] == [NODE.hex(), "gateway"]
    for secret in (credentials.password(NODE, KEY), made.local_password, KEY.hex()):
        assert secret not in users
    assert made.folder.stat().st_mode & 0o077 == 0
    for file in made.folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    text = (made.folder / mosquitto.CONFIGURATION).read_text()
    assert "allow_anonymous false\n" in text
    assert "listener 8883 192.168.4.1\n" in text
    assert "listener 1884 127.0.0.1\n" in text
    assert broker(tmp_path, Clock()).local_password == made.local_password


def test_a_network_document_leads_to_this_broker(tmp_path: Path) -> None:
    (tmp_path / "wifi").write_text("correct horse\n")
    made = broker(
        tmp_path, Clock(), host="cabinet.local", ssid="street", passphrase_file=tmp_path / "wifi"
    )
    with pytest.raises(BrokerError, match="not set up yet"):
        made.network_document(lamppost())
    made.prepare()
    values = network.parse(made.network_document(lamppost()))
    assert made.certificates is not None
    assert values == {
        "h": "cabinet.local", "p": 8883, "s": "street", "k": "correct horse", "t": 1,
        "c": made.certificates.authority, "n": SERVER_NAME, "u": NODE.hex(),
        "w": credentials.password(NODE, KEY),
    }  # fmt: skip
    (tmp_path / "wifi").write_text("short")
    with pytest.raises(BrokerError, match="8 to 63 characters"):
        made.network_document(lamppost())


async def test_a_broker_that_cannot_be_set_up_says_why_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0)
    made = broker(tmp_path, clock)
    running = asyncio.create_task(made.run())
    try:
        await eventually(lambda: "clock" in made.problem, "it says why")
        clock.time = NOW
        made.set_lampposts([lamppost()])
        await eventually(lambda: not made.problem, "it is set up")
        assert made.certificates is not None
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# --------------------------------------------------------------------------------------- link


def link() -> LanLink:
    return LanLink(1, "gateway", "secret", [NODE], logs.get())


def on(node: bytes = NODE) -> str:
    return lantopics.topic(node.hex(), lantopics.STATE)


def test_states_are_followed_and_strangers_told() -> None:
    made = link()
    seen: list[bytes] = []
    strangers: list[bytes] = []
    made.on_state, made.on_stranger = seen.append, strangers.append
    online = lantopics.online("1.2.3", 4, 2)
    for node in (NODE, OTHER):
        made.take(on(node), online, retained=True)
        made.take(on(node), online)
    assert made.is_on(NODE)
    assert not made.is_on(OTHER)
    made.take(on(), lantopics.offline())
    assert not made.is_on(NODE)
    made.take(on(), online)
    made.take(on(), b"", retained=True)
    assert not made.is_on(NODE)
    assert seen == [NODE] * 4
    assert strangers == [OTHER] * 2
    made.take(on(), online)
    made.set_nodes([OTHER])
    assert not made.is_on(NODE)


def test_who_the_broker_refused_is_told() -> None:
    made = link()
    strangers: list[bytes] = []
    made.on_stranger = strangers.append
    for line in (
        b"1795752537: Client a0b1c2d3e4f6 disconnected, not authorised.",
        b"1795752537: Client lamplighter-a0b1c2d3e4f5 disconnected, not authorized.",
        b"1795752537: Client a0b1c2d3e4f6 disconnected.",
        b"1795752537: Client A0B1C2D3E4F6 disconnected, not authorised.",
        b"\xff" * 100_000,
        b"",
    ):
        made.take(mosquitto.LOG_TOPIC, line)
    assert strangers == [OTHER]
    assert made.turned_away == {NODE: 1}
    made.set_nodes([NODE])
    assert made.turned_away == {}


topics = st.text(max_size=80) | st.sampled_from(
    [
        mosquitto.LOG_TOPIC,
        *(
            lantopics.topic(node, kind)
            for node in (NODE.hex(), OTHER.hex(), "x", "+")
            for kind in (lantopics.REQUEST, lantopics.REPLY, lantopics.STATE)
        ),
    ]
)


@given(
    st.lists(
        st.tuples(
            topics,
            st.binary(max_size=200)
            | st.builds(
                smp.pack,
                st.integers(0, 3),
                st.integers(0, 64),
                st.integers(0, 255),
                st.integers(0, 9),
                st.just({}),
            )
            | st.sampled_from([lantopics.online("1.0.0", 1, 2), lantopics.offline()])
            | st.none()
            | st.text(max_size=9),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_whatever_is_sent_nothing_is_raised_and_nothing_kept_of_strangers(
    said: list[tuple[str, object, bool]],
) -> None:
    made = link()
    for topic, payload, retained in said:
        made.take(topic, payload, retained=retained)
        assert not made.is_on(OTHER)
    assert made.refused + made.passed_over <= len(said)


def test_who_pours_is_told_once_and_counts_as_gone_while_others_are_heard() -> None:
    made = link()
    pouring: list[bytes] = []
    made.on_flood = pouring.append
    made.set_nodes([NODE, OTHER])
    made.take(on(), lantopics.online("1.0.0", 1, 2))
    late = smp.pack(smp.OP_READ_RSP, smp.GROUP_OS, 1, smp.OS_ECHO, {})
    for _ in range(floods.MOST // 2):
        made.take(lantopics.topic(NODE.hex(), lantopics.REPLY), late)
        made.take(lantopics.topic(OTHER.hex(), lantopics.REPLY), b"noise")
    assert made.is_on(NODE)
    for _ in range(floods.MOST * 10):
        made.take(on(), b"rubbish")
    assert pouring == [NODE]
    assert not made.is_on(NODE)


def test_what_is_said_now_and_then_is_no_flood() -> None:
    machine = [0.0]
    counting = floods.Floods(lambda: machine[0])
    for _ in range(10):
        assert not any(counting.pours(NODE) for _ in range(floods.MOST))
        machine[0] += floods.WINDOW_S
    assert sum(counting.pours(NODE) for _ in range(3 * floods.MOST)) == 1


def test_who_is_shut_out_has_no_password_until_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = broker(tmp_path, Clock())

    def users() -> int:
        made.prepare()
        return len((made.folder / mosquitto.PASSWORDS).read_text().splitlines())

    assert users() == 2
    made.shut_out(NODE)
    assert users() == 1
    assert 0 < made._let_in_again() <= SHUT_OUT_S
    assert users() == 1
    later = time.monotonic() + SHUT_OUT_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert made._let_in_again() > SHUT_OUT_S
    assert users() == 2


class Erring:
    """A client whose connection breaks on leaving, which hides that it was told to leave."""

    def __init__(self, *_: object, **__: object) -> None:
        self.messages = self

    async def __aenter__(self) -> Erring:
        return self

    async def __aexit__(self, *_: object) -> None:
        raise aiomqtt.MqttError("broken")

    async def subscribe(self, *_: object, **__: object) -> None:
        pass

    def __aiter__(self) -> Erring:
        return self

    async def __anext__(self) -> object:
        return await asyncio.Event().wait()


async def test_a_link_that_is_stopped_ends_though_its_connection_breaks_just_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiomqtt, "Client", Erring)
    made = link()
    running = asyncio.create_task(made.run())
    await asyncio.wait_for(made.ready.wait(), 30)
    running.cancel()
    await asyncio.wait({running}, timeout=30)
    assert running.cancelled()
