"""What a gateway believes of release metadata, and what it does not, whoever meddles with it."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleet_cli.release.repository import Lifetimes
from gateway import logs
from gateway.updates import metadata
from gateway.updates.rootfile import check_root
from gateway.updates.trust import RepositoryTrust
from gateway.updates.trusted import Delta, NotTrusted, TrustUnavailable
from tests.releases import BOARD, NOW, City, Served, signed_image

OLD, NEW = signed_image("1.0.0"), signed_image("1.1.0")
URL = "served:"


class Gateway:
    """One that trusts `city`'s root, and gets metadata from wherever `served` has it from."""

    def __init__(self, city: City, folder: Path) -> None:
        self.city = city
        self.folder = folder / "trust"
        self.served = Served(city.files())
        self.clock = lambda: city.now.timestamp()
        self.trust = self._trust()

    def _trust(self) -> RepositoryTrust:
        return RepositoryTrust(
            self.city.root, self.folder, URL, self.served, logs.get(),
            lambda: self.clock(), pause_s=0,
        )  # fmt: skip

    def restart(self) -> None:
        self.trust = self._trust()

    def take(self, files: dict[str, bytes] | None = None) -> None:
        """What is served from now on: what the city has now, or `files`."""
        self.served.files = self.city.files() if files is None else files
        self.restart()

    async def why_not(self, image: str = NEW.digest) -> str:
        with pytest.raises(TrustUnavailable) as unavailable:
            await self.trust.release(image)
        return str(unavailable.value)


@pytest.fixture
def city(tmp_path: Path) -> City:
    made = City(tmp_path)
    made.publish(OLD, NEW)
    return made


@pytest.fixture
def gateway(city: City, tmp_path: Path) -> Gateway:
    return Gateway(city, tmp_path)


async def test_a_target_is_told_with_all_that_is_signed_of_it(city: City, tmp_path: Path) -> None:
    delta = city.add_delta(OLD, NEW)
    found = await Gateway(city, tmp_path).trust.release(NEW.digest)
    assert (found.sha256, found.size, found.hash) == (NEW.digest, len(NEW.data), NEW.hash)
    assert (found.board, found.version, found.security_counter) == (BOARD, "1.1.0", 1)
    assert found.deltas == (Delta(OLD.hash, delta, 96),)


async def test_what_is_no_target_is_refused_for_good(gateway: Gateway) -> None:
    with pytest.raises(NotTrusted, match="not in the city's signed list"):
        await gateway.trust.release("ab" * 32)


async def test_a_delta_is_no_release(city: City, tmp_path: Path) -> None:
    delta = city.add_delta(OLD, NEW)
    with pytest.raises(NotTrusted):
        await Gateway(city, tmp_path).trust.release(delta)


async def test_what_was_dropped_is_refused(city: City, gateway: Gateway) -> None:
    await gateway.trust.release(OLD.digest)
    city.catalogue.keep(1)
    city.repository.renew({"targets"})
    gateway.take()
    with pytest.raises(NotTrusted):
        await gateway.trust.release(OLD.digest)


async def test_a_release_published_after_the_last_look_is_found(
    city: City, gateway: Gateway
) -> None:
    await gateway.trust.release(NEW.digest)
    newest = signed_image("1.2.0")
    city.publish(newest)
    gateway.served.files = city.files()
    assert (await gateway.trust.release(newest.digest)).version == "1.2.0"


async def test_many_lampposts_share_one_look(gateway: Gateway) -> None:
    await asyncio.gather(*(gateway.trust.release(NEW.digest) for _ in range(50)))
    assert gateway.served.asked.count("timestamp.json") == 1


async def test_who_asks_while_somebody_looks_waits_for_that_look(gateway: Gateway) -> None:
    looking, go_on = threading.Event(), threading.Event()

    def held_up(name: str, contents: bytes | None) -> bytes | None:
        looking.set()
        assert go_on.wait(60)
        return contents

    gateway.served.meddle = held_up
    first = asyncio.create_task(gateway.trust.release(NEW.digest))
    await asyncio.to_thread(looking.wait)
    second = asyncio.create_task(gateway.trust.release(OLD.digest))
    await asyncio.sleep(0)
    go_on.set()
    assert ((await first).version, (await second).version) == ("1.1.0", "1.0.0")
    assert gateway.served.asked.count("timestamp.json") == 1


async def test_an_update_that_is_withdrawn_ends_no_look_for_the_others(gateway: Gateway) -> None:
    first = asyncio.create_task(gateway.trust.release(NEW.digest))
    second = asyncio.create_task(gateway.trust.release(NEW.digest))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).version == "1.1.0"


# ------------------------------------------------------------------------------- expiry, freezing


@pytest.mark.parametrize(
    ("role", "passed"),
    [("timestamp", timedelta(days=1)), ("snapshot", timedelta(days=7)),
     ("targets", timedelta(days=90)), ("root", timedelta(days=365))],
)  # fmt: skip
async def test_expired_metadata_waits_and_is_no_refusal(
    tmp_path: Path, role: str, passed: timedelta
) -> None:
    longer = dict.fromkeys(("root", "targets", "snapshot", "timestamp"), 4000 * 86400)
    city = City(tmp_path, Lifetimes(**{**longer, role: int(passed.total_seconds())}))
    city.publish(OLD, NEW)
    gateway = Gateway(city, tmp_path)
    city.now += passed - timedelta(seconds=1)
    await gateway.trust.release(NEW.digest)
    city.now += timedelta(seconds=1)
    why = await gateway.why_not()
    assert "has expired" in why
    assert "lamplighter release refresh" in why
    city.repository.renew({role})
    gateway.served.files = city.files()
    assert (await gateway.trust.release(NEW.digest)).version == "1.1.0"


async def test_metadata_that_holds_serves_while_the_broker_is_away(
    city: City, gateway: Gateway
) -> None:
    await gateway.trust.release(NEW.digest)
    gateway.served.meddle = _raises
    gateway.trust._begun = float("-inf")  # pyright: ignore[reportPrivateUsage] - long ago
    assert (await gateway.trust.release(NEW.digest)).version == "1.1.0"
    assert "does not come" in await gateway.why_not("ab" * 32)
    city.later(days=1)
    await gateway.why_not()


def _raises(name: str, contents: bytes | None) -> bytes:
    raise ConnectionError(f"no way to {name}")


# ---------------------------------------------------------------------------------------- the clock


async def test_a_clock_that_was_never_set_makes_nothing_fresh(gateway: Gateway) -> None:
    gateway.clock = lambda: 0.0
    assert "clock shows 1970-01-01" in await gateway.why_not()
    assert gateway.served.asked == []


async def test_a_clock_behind_the_newest_signature_makes_nothing_fresh(
    city: City, gateway: Gateway
) -> None:
    right = gateway.clock
    gateway.clock = lambda: (NOW - timedelta(days=100)).timestamp()
    assert "until the clock is set (NTP)" in await gateway.why_not()
    gateway.clock = right
    assert (await gateway.trust.release(NEW.digest)).version == "1.1.0"
    gateway.clock = lambda: (NOW - timedelta(days=100)).timestamp()
    assert "until the clock is set (NTP)" in await gateway.why_not()


async def test_an_old_signature_is_not_fresh_again_by_a_clock_set_back(
    city: City, gateway: Gateway
) -> None:
    """Frozen: the attacker keeps the list of before, and the time that went with it."""
    frozen = city.files()
    city.later(days=20)
    city.publish(signed_image("1.2.0"))
    gateway.take()
    await gateway.trust.release(NEW.digest)
    gateway.clock = lambda: NOW.timestamp()
    gateway.take(frozen)
    await gateway.why_not()


async def test_a_clock_far_ahead_waits_and_recovers(city: City, gateway: Gateway) -> None:
    right = gateway.clock
    gateway.clock = lambda: right() + 400 * 86_400
    assert "the clock here shows 2027" in await gateway.why_not()
    gateway.clock = right
    assert (await gateway.trust.release(NEW.digest)).version == "1.1.0"


# ------------------------------------------------------------------------------------------ attacks


async def test_an_older_list_is_not_taken_for_the_newest_even_after_a_restart(
    city: City, gateway: Gateway
) -> None:
    before = city.files()
    city.catalogue.keep(1)
    city.repository.renew({"targets"})
    gateway.take()
    await gateway.trust.release(NEW.digest)
    gateway.take(before)
    assert "goes back" in await gateway.why_not(OLD.digest)


async def test_metadata_signed_by_a_stranger_is_not_believed(
    tmp_path: Path, gateway: Gateway
) -> None:
    stranger = City(tmp_path / "stranger")
    evil = signed_image("6.6.6")
    stranger.publish(evil)
    stranger.publish(signed_image("6.6.7"))
    gateway.take(stranger.files())
    assert "is not signed as this gateway's root asks" in await gateway.why_not(evil.digest)


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
async def test_a_key_of_another_role_signs_nothing(city: City, gateway: Gateway, role: str) -> None:
    """The online keys are stolen: they cannot name a release."""
    files = city.files()
    name = _current(files, role)
    other = "timestamp" if role == "targets" else "targets"
    files[name] = _signed_again(city, files[name], other)
    gateway.take(files)
    await gateway.why_not()


@pytest.mark.parametrize("role", ["root", "targets"])
async def test_fewer_signatures_than_the_threshold_are_none(tmp_path: Path, role: str) -> None:
    city = City(tmp_path)
    city.repository.root.add_key(city.repository.keys.generate(role).public_key, role)
    city.repository.root.get_delegated_role(role).threshold = 2
    city.repository.renew({"root"})
    city.publish(OLD, NEW)
    gateway = Gateway(city, tmp_path)
    gateway.city.root = city.files()["2.root.json"]
    city.repository.renew({"root"})
    gateway.take()
    assert (await gateway.trust.release(NEW.digest)).version == "1.1.0"
    shutil.rmtree(gateway.folder)
    files = city.files()
    name = "3.root.json" if role == "root" else _current(files, role)
    document = json.loads(files[name])
    assert len(document["signatures"]) == 2
    document["signatures"] = document["signatures"][:1] * 2
    files[name] = json.dumps(document).encode()
    gateway.take(files)
    await gateway.why_not()


async def test_metadata_that_does_not_belong_together_is_not_believed(
    city: City, gateway: Gateway
) -> None:
    before = city.files()
    city.publish(signed_image("1.2.0"))
    files = city.files()
    versions = city.repository.versions
    mixed = {**files, f"{versions['targets']}.targets.json": before[_current(before, "targets")]}
    gateway.take(mixed)
    await gateway.why_not()
    mixed = {**files, f"{versions['snapshot']}.snapshot.json": before[_current(before, "snapshot")]}
    shutil.rmtree(gateway.folder)
    gateway.take(mixed)
    await gateway.why_not()
    gateway.take()
    await gateway.trust.release(NEW.digest)


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
async def test_an_altered_field_breaks_the_signature(
    city: City, gateway: Gateway, role: str
) -> None:
    files = city.files()
    name = _current(files, role)
    files[name] = files[name].replace(b'"spec_version":"1.0', b'"spec_version":"1.1')
    assert files[name] != city.files()[name]
    gateway.take(files)
    await gateway.why_not()


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
async def test_data_without_end_is_cut_off(city: City, gateway: Gateway, role: str) -> None:
    given = 0

    def endless(name: str, contents: bytes | None) -> bytes | Iterator[bytes] | None:
        def blocks() -> Iterator[bytes]:
            nonlocal given
            for _ in itertools.count():
                given += 4096
                yield b" " * 4096

        return blocks() if role in name else contents

    gateway.served.meddle = endless
    assert "too large" in await gateway.why_not()
    assert given <= metadata.LARGEST_TARGETS + 4096


async def test_no_file_is_waited_for_without_being_failed(gateway: Gateway) -> None:
    gateway.take({})
    assert "does not come" in await gateway.why_not()


async def test_a_chain_of_roots_is_followed_and_the_old_keys_count_no_more(
    city: City, gateway: Gateway
) -> None:
    before = city.files()
    for role in ("root", "targets", "snapshot", "timestamp"):
        city.repository.rotate(role)
    gateway.take()
    assert (await gateway.trust.release(NEW.digest)).version == "1.1.0"
    gateway.take({**city.files(), "timestamp.json": before["timestamp.json"]})
    await gateway.why_not()


async def test_damaged_files_on_the_disk_are_fetched_again(gateway: Gateway) -> None:
    await gateway.trust.release(NEW.digest)
    for path in gateway.folder.rglob("*.json"):
        if not path.is_symlink():
            path.write_bytes(path.read_bytes()[:-20])
    gateway.restart()
    assert (await gateway.trust.release(NEW.digest)).version == "1.1.0"


async def test_a_disk_that_takes_nothing_is_told(gateway: Gateway) -> None:
    gateway.folder.write_text("in the way")
    assert "cannot be kept" in await gateway.why_not()


@pytest.mark.parametrize(
    "custom",
    [None, 7, {}, {"kind": "image"}, {"kind": "image", "board": "", "version": "1.1.0",
     "security_counter": 1, "hash": "ab" * 32}, {"kind": "image", "board": BOARD, "version": 1,
     "security_counter": True, "hash": "AB" * 32}],
)  # fmt: skip
async def test_a_target_that_is_not_described_is_no_release(
    city: City, gateway: Gateway, custom: Any
) -> None:
    city.repository.targets.targets[f"{BOARD}/1.1.0.bin"].unrecognized_fields["custom"] = custom
    city.repository.renew({"targets"})
    gateway.take()
    with pytest.raises(NotTrusted):
        await gateway.trust.release(NEW.digest)
    assert (await gateway.trust.release(OLD.digest)).version == "1.0.0"


# --------------------------------------------------------------------------------------- any bytes


def _damaged(contents: bytes) -> st.SearchStrategy[bytes]:
    at = st.integers(0, len(contents) - 1)
    swapped = st.tuples(at, st.binary(min_size=1, max_size=8)).map(
        lambda change: contents[: change[0]] + change[1] + contents[change[0] + len(change[1]) :]
    )
    cut = at.map(lambda end: contents[:end])
    twice = st.tuples(at, at).map(lambda ends: contents[: ends[0]] + contents[ends[1] :])
    return swapped | cut | twice


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _altered(contents: bytes) -> st.SearchStrategy[bytes]:
    """One value of the document replaced by any other."""
    places = _places(json.loads(contents))

    def replaced(choice: tuple[tuple[Any, ...], Any]) -> bytes:
        where, value = choice
        document = json.loads(contents)
        inner = document
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = value
        return json.dumps(document).encode()

    return st.tuples(st.sampled_from(places), _JSON).map(replaced)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    elif isinstance(value, list):
        items = enumerate(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for key, inner in items:
        found += _places(inner, (*at, key))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[City, bytes]:
    city = City(tmp_path_factory.mktemp("city"))
    city.publish(OLD, NEW)
    city.repository.rotate("root")
    return city, city.root


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
@pytest.mark.parametrize("examples", [60, pytest.param(3000, marks=pytest.mark.soak)])
def test_any_other_bytes_are_neither_believed_nor_fatal(
    whole: tuple[City, bytes],
    role: str,
    examples: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    city, root = whole
    files = city.files()
    name = _current(files, role)
    right = files[name]

    @settings(max_examples=examples)
    @given(st.binary(max_size=200) | _damaged(right) | _altered(right))
    @example(b"[" * 50_000)
    @example(b'{"signed":' * 50_000)
    def holds(contents: bytes) -> None:
        folder = tmp_path_factory.mktemp("gateway")
        served = Served({**files, name: contents})
        now = city.now.timestamp()
        try:
            found = metadata.refresh(root, folder, URL, served, now)
        except TrustUnavailable:
            pass
        else:
            # The same document written otherwise, or a root that was not needed.
            assert set(found.images) == {OLD.digest, NEW.digest}
            assert found.images[NEW.digest].hash == NEW.hash
        finally:
            shutil.rmtree(folder)

    holds()


@given(st.binary(max_size=200))
def test_a_root_file_that_is_none_is_told(contents: bytes) -> None:
    with pytest.raises(ValueError, match="it is none"):
        check_root(contents)


def _current(files: dict[str, bytes], role: str) -> str:
    if role == "timestamp":
        return "timestamp.json"
    return max(
        (name for name in files if name.endswith(f".{role}.json")),
        key=lambda name: int(name.partition(".")[0]),
    )


def _signed_again(city: City, contents: bytes, role: str) -> bytes:
    from tuf.api.metadata import Metadata

    document: Metadata[Any] = Metadata.from_bytes(contents)
    document.signatures.clear()
    for signer in city.repository.keys.signers(
        role, city.repository.root.get_delegated_role(role).keyids
    ):
        document.sign(signer, append=True)
    return document.to_bytes()
