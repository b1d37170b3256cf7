"""lamplighter release publish and its kin, as a desk runs them."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiomqtt import Client

from firmware.build import generate_key, inspect
from fleet_cli import main
from gateway import logs
from gateway.updates.shelf import Shelf
from gateway.updates.shelf_fetcher import BASE_URL, ShelfFetcher
from gateway.updates.trust import RepositoryTrust
from gateway.updates.trusted import NotTrusted, TrustUnavailable
from gateway.uplink.topics import parse_release_metadata
from tests.integration.fleet.conftest import Broker
from tests.releases import release_files


class Link:
    """As much of a gateway's link as its shelf needs."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.shelf = Shelf(self)

    async def subscribe(self, topic: str) -> None:
        await self._client.subscribe(topic, qos=1)

    async def unsubscribe(self, topic: str) -> None:
        await self._client.unsubscribe(topic)

    async def run(self) -> None:
        async for message in self._client.messages:
            name = parse_release_metadata(str(message.topic))
            if name is not None:
                self.shelf.received(name, bytes(message.payload))


async def asked(broker: Broker, folder: Path, root: bytes, *images: str) -> list[Any]:
    """What a gateway that was given `root` is told of each image: TrustedImage or the refusal."""
    async with Client("127.0.0.1", broker.port) as client:
        link = Link(client)
        running = asyncio.create_task(link.run())
        fetcher = ShelfFetcher(link.shelf, asyncio.get_running_loop(), 10)
        trust = RepositoryTrust(root, folder, BASE_URL, fetcher, logs.get(), pause_s=0)
        try:
            return [await told(trust, image) for image in images]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def told(trust: RepositoryTrust, image: str) -> Any:
    try:
        return await trust.release(image)
    except (NotTrusted, TrustUnavailable) as error:
        return error


async def test_publish_refresh_rotate_and_send_reach_a_gateway(
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("LAMPLIGHTER_PORT", str(broker.port))

    async def lamplighter(*arguments: str) -> tuple[int, str, str]:
        # In a thread, not as a program: each would take a second to begin.
        code = await asyncio.to_thread(main.run, list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    key_file = tmp_path / "release.pem"
    paths = release_files(tmp_path, generate_key(key_file), "1.0.0", "1.1.0", "1.2.0", "1.3.0")
    infos = [inspect(path.read_bytes()) for path in paths]
    shas = [info.file_sha256.hex() for info in infos]
    code, out, error = await lamplighter(
        "release", "publish", *map(str, paths[:3]), "--key", str(key_file), "--json"
    )
    assert code == 0, error
    assert "are not encrypted" in error
    said = json.loads(out)
    assert (said["created"], said["sent"]) == (True, True)
    assert len(said["deltas"]) == 3
    for file in (tmp_path / "release-keys").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
    root = (tmp_path / "releases" / "metadata" / "1.root.json").read_bytes()

    folder = tmp_path / "gateway"
    newest, unknown = await asked(broker, folder, root, shas[2], shas[3])
    assert newest.hash == infos[2].image_hash.hex()
    assert {delta.base_hash for delta in newest.deltas} == {
        info.image_hash.hex() for info in infos[:2]
    }
    assert all(delta.size < newest.size for delta in newest.deltas)
    assert isinstance(unknown, NotTrusted)
    for delta in newest.deltas:
        assert sha256(await retained(broker, delta.sha256)).hexdigest() == delta.sha256

    code, out, error = await lamplighter("release", "rotate", "targets", "--json")
    assert code == 0, error
    assert json.loads(out)["roles"]["root"]["version"] == 2
    (after,) = await asked(broker, folder, root, shas[2])
    assert after == newest

    code, out, error = await lamplighter(
        "release", "publish", str(paths[3]), "--keep", "2", "--json"
    )
    assert code == 0, error
    assert "no deltas" in error
    assert len([path for path in json.loads(out)["dropped"] if path.endswith(".bin")]) == 2
    oldest, kept, latest = await asked(broker, folder, root, shas[0], shas[2], shas[3])
    assert isinstance(oldest, NotTrusted)
    assert (kept.deltas, latest.version) == ((), "1.3.0")
    assert await gone(broker, shas[0])

    await broker.stop()
    code, _, error = await lamplighter("release", "refresh")
    assert code == 3
    assert "lamplighter release send" in error
    await broker.start()
    code, out, error = await lamplighter("release", "send")
    assert code == 0, error
    assert "at the broker" in out
    (found,) = await asked(broker, tmp_path / "another", root, shas[3])
    assert found == latest


async def retained(broker: Broker, digest: str) -> bytes:
    async with Client("127.0.0.1", broker.port) as client, asyncio.timeout(60):
        await client.subscribe(f"lamplighter/v1/releases/{digest}", qos=1)
        async for message in client.messages:
            return bytes(message.payload)
    raise AssertionError("the connection ended")


async def gone(broker: Broker, digest: str) -> bool:
    """Whether nothing is retained there: what is asked for after it comes first."""
    async with Client("127.0.0.1", broker.port) as client, asyncio.timeout(60):
        await client.subscribe(f"lamplighter/v1/releases/{digest}", qos=1)
        await client.subscribe("lamplighter/v1/releases/metadata/timestamp.json", qos=1)
        async for message in client.messages:
            return str(message.topic).endswith("timestamp.json")
    raise AssertionError("the connection ended")
