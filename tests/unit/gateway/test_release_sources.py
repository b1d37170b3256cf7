"""Where release metadata and images come from: the broker, or a web server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError

from gateway import logs
from gateway.config.updates import UpdatesSection
from gateway.errors import ConfigurationError
from gateway.updates.images import Images, ImageUnavailable
from gateway.updates.shelf import Absent, Shelf
from gateway.updates.shelf_fetcher import BASE_URL, ShelfFetcher
from gateway.updates.sources import make_trust
from gateway.updates.trusted import TrustUnavailable
from gateway.updates.web import WebImages
from tests.releases import City, Served, signed_image

PREFIX = "lamplighter/v1/releases/metadata/"


class Link:
    """A broker that gives what it retains as soon as it is asked."""

    def __init__(self, retained: dict[str, bytes]) -> None:
        self.retained = retained
        self.subscribed: list[str] = []
        self.asked = asyncio.Event()
        self.shelf = Shelf(self)

    async def subscribe(self, topic: str) -> None:
        self.subscribed.append(topic)
        self.asked.set()
        name = topic.removeprefix(PREFIX)
        if name in self.retained:
            self.shelf.received(name, self.retained[name])

    async def unsubscribe(self, topic: str) -> None:
        self.subscribed.remove(topic)


async def test_a_file_is_got_and_no_subscription_stays() -> None:
    link = Link({"timestamp.json": b"now", "2.root.json": b"root"})
    assert await link.shelf.get("timestamp.json", 5) == b"now"
    assert await link.shelf.get("2.root.json", 5) == b"root"
    assert link.subscribed == []


async def test_a_root_that_is_not_there_is_absent_and_not_waited_for() -> None:
    link = Link({"timestamp.json": b"now"})
    with pytest.raises(Absent):
        await link.shelf.get("2.root.json", 3600)
    assert link.subscribed == []


async def test_nothing_from_the_broker_is_a_timeout() -> None:
    link = Link({})
    for name in ("2.root.json", "timestamp.json", "7.targets.json"):
        with pytest.raises(TimeoutError):
            await link.shelf.get(name, 0.01)
    assert link.subscribed == []


async def test_what_nobody_asked_for_and_what_was_removed_are_not_taken() -> None:
    link = Link({})
    link.shelf.received("timestamp.json", b"unasked")
    asking = asyncio.create_task(link.shelf.get("timestamp.json", 5))
    await link.asked.wait()
    link.shelf.received("1.root.json", b"another")
    link.shelf.received("timestamp.json", b"")
    link.shelf.received("timestamp.json", b"asked")
    link.shelf.received("timestamp.json", b"twice")
    assert await asking == b"asked"


async def test_a_thread_is_told_as_by_a_web_server() -> None:
    link = Link({"timestamp.json": b"now"})
    fetcher = ShelfFetcher(link.shelf, asyncio.get_running_loop(), 0.01)
    assert await asyncio.to_thread(
        fetcher.download_bytes, f"{BASE_URL}/timestamp.json", 100
    ) == b"now"  # fmt: skip
    with pytest.raises(DownloadHTTPError) as absent:
        await asyncio.to_thread(fetcher.download_bytes, f"{BASE_URL}/2.root.json", 100)
    assert absent.value.status_code == 404
    with pytest.raises(SlowRetrievalError):
        await asyncio.to_thread(fetcher.download_bytes, f"{BASE_URL}/9.targets.json", 100)


# ------------------------------------------------------------------------------------ configuration


def section(**settings: Any) -> UpdatesSection:
    return UpdatesSection.model_validate(settings)


async def test_without_a_root_file_nothing_is_asked_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert make_trust(section(), tmp_path, Shelf(Link({})), logs.get()) == (None, None)
    assert "updates.root_file is not set" in caplog.text


@pytest.mark.parametrize("contents", [None, b"", b"{}", b"[" * 9999, b" " * 100_000])
async def test_a_root_file_that_is_none_stops_the_gateway(
    tmp_path: Path, contents: bytes | None
) -> None:
    file = tmp_path / "root.json"
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(ConfigurationError, match=r"metadata/1\.root\.json"):
        make_trust(section(root_file=file), tmp_path, Shelf(Link({})), logs.get())


async def test_a_root_file_makes_trust_by_the_broker(tmp_path: Path) -> None:
    city = City(tmp_path, now=datetime.now(UTC))
    image = signed_image("1.0.0")
    city.publish(image)
    root_file = city.folder / "metadata" / "1.root.json"
    shelf = Link(city.files()).shelf
    trust, web = make_trust(section(root_file=root_file), tmp_path / "trust", shelf, logs.get())
    assert trust is not None
    assert web is None
    assert (await trust.release(image.digest)).version == "1.0.0"
    assert await trust.path_of(image.digest) == "esp32s3-ref/1.0.0.bin"


def test_a_web_server_is_not_believed_without_a_root() -> None:
    with pytest.raises(ValueError, match="needs root_file"):
        section(repository_url="https://releases.city.example")


# ------------------------------------------------------------------------------------------ images


class Paths:
    def __init__(self, paths: dict[str, str] | None) -> None:
        self._paths = paths

    async def path_of(self, sha256: str) -> str | None:
        if self._paths is None:
            raise TrustUnavailable("no metadata")
        return self._paths.get(sha256)


async def test_an_image_is_got_by_its_target_path_and_no_larger_than_signed() -> None:
    served = Served({"ab.1.0.0.bin": b"image"})
    web = WebImages("http://server/targets", served, Paths({"ab": "board/1.0.0.bin"}))
    assert await web.get("ab", 5) == b"image"
    for paths, name, size in (
        ({"ab": "board/1.0.0.bin"}, "ab", 4), ({}, "ab", 5), (None, "ab", 5),
        ({"cd": "board/2.0.0.bin"}, "cd", 5),
    ):  # fmt: skip
        web = WebImages("http://server/targets", served, Paths(paths))
        with pytest.raises(ImageUnavailable):
            await web.get(name, size)


class Broker:
    """A link that gives images to `images` when they are subscribed to."""

    images: Images

    def __init__(self, retained: dict[str, bytes]) -> None:
        self._retained = retained
        self.asked: list[str] = []

    async def subscribe(self, topic: str) -> None:
        name = topic.rpartition("/")[2]
        self.asked.append(name)
        if name in self._retained:
            await self.images.received(name, self._retained[name])

    async def unsubscribe(self, topic: str) -> None:
        pass


@pytest.mark.parametrize(
    ("given", "asks_broker"), [(b"image", False), (b"other", True), (None, True)]
)
async def test_an_image_comes_from_the_server_or_else_from_the_broker(
    tmp_path: Path, given: bytes | None, asks_broker: bool
) -> None:
    name = sha256(b"image").hexdigest()

    async def download(name: str, size: int) -> bytes:
        if given is None:
            raise ImageUnavailable("the server is away")
        return given

    broker: Any = Broker({name: b"image"})
    broker.images = images = Images(tmp_path, broker, logs.get(), download)
    assert await images.get(name, 5, 5) == b"image"
    assert broker.asked == ([name] if asks_broker else [])
