"""Releases on the city's signed list, from the repository by the broker to the lampposts."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiomqtt
from tuf.api.metadata import TargetFile  # pyright: ignore[reportPrivateImportUsage]

from fleet_cli.release.image import SignedImage
from fleet_cli.release.sending import send
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import Street, eventually, street
from tests.integration.gateway.images import make_image
from tests.releases import BOARD, City

IMAGE = make_image()
UNSIGNED = make_image(version=9)


def listed(data: bytes, version: str = "2.0.0") -> SignedImage:
    return SignedImage(data, sha256(data).hexdigest(), version, data[-32:].hex(), BOARD, 1)


def desired(image: bytes, rollout: str) -> dict[str, Any]:
    return {
        "rollout": rollout, "version": "2.0.0", "hash": image[-32:].hex(),
        "image": sha256(image).hexdigest(), "size": len(image),
    }  # fmt: skip


class Desk:
    """Publishes the city's repository at the broker of `town`."""

    def __init__(self, town: Street, folder: Path) -> None:
        self.town = town
        self.city = City(folder / "desk", now=datetime.now(UTC))

    @property
    def root_file(self) -> Path:
        return self.city.folder / "metadata" / "1.root.json"

    async def send(self, **meddled: bytes) -> None:
        """Everything, with files `meddled` in place of ours: role to contents."""
        repository = self.city.repository
        names = repository.files.current(repository.versions)
        metadata = [
            (name, meddled.get(name.split(".")[-2], repository.files.read(name))) for name in names
        ]
        async with aiomqtt.Client(
            "127.0.0.1", self.town.broker.port, protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            await send(
                client, self.city.catalogue.files(), metadata,
                repository.files.outdated(repository.versions),
            )  # fmt: skip

    def update(self, node: FakeNode) -> dict[str, Any]:
        return self.town.city.reported.get(node.hex, {}).get("update", {})


async def test_what_is_listed_is_installed_and_what_is_not_is_refused(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1), FakeNode(2)])
    one, two = bus.nodes[1], bus.nodes[2]
    async with street(tmp_path, bus) as town:
        desk = Desk(town, tmp_path)
        desk.city.publish(listed(IMAGE))
        await desk.send()
        await town.city.publish(f"releases/{sha256(UNSIGNED).hexdigest()}", UNSIGNED)
        town.gateway.write_config(updates=f'root_file = "{desk.root_file}"')
        await town.gateway.start()
        await town.city.want(one.hex, "desired/release", desired(IMAGE, "r1"))
        await town.city.want(two.hex, "desired/release", desired(UNSIGNED, "r2"))
        await eventually(lambda: desk.update(one).get("state") == "confirmed", "installed")
        await eventually(lambda: desk.update(two).get("state") == "refused", "refused")
        assert "not in the city's signed list" in desk.update(two)["reason"]
        assert (two.chunks, two.resets) == (0, 0)
        # Nobody fills a gateway's memory: what is too large for any use stays at the broker.
        for payload in (b"x" * 1_200_000, b"x" * 1_000_000, b"last"):
            await town.city.publish(f"cabinet-1/lamppost/{two.hex}/command", payload, False)
        await eventually(
            lambda: town.gateway.said("Expecting value"), "the last command is refused"
        )
        assert town.gateway.said("1000000 bytes")
        assert not town.gateway.said("1200000 bytes")
        assert await town.gateway.stop() == 0


async def test_expired_and_meddled_metadata_wait_and_older_metadata_is_never_believed_again(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        desk = Desk(town, tmp_path)
        now = desk.city.now
        desk.city.now = now - timedelta(days=2)
        desk.city.publish(listed(IMAGE))
        await desk.send()
        town.gateway.write_config(updates=f'root_file = "{desk.root_file}"')
        await town.gateway.start()
        await town.city.want(node.hex, "desired/release", desired(IMAGE, "r1"))
        await eventually(lambda: "has expired" in desk.update(node).get("reason", ""), "expired")
        assert desk.update(node)["state"] == "queued"
        # Fresh, but somebody at the broker has named another image.
        desk.city.now = now
        desk.city.repository.renew({"timestamp"})
        name = f"{desk.city.repository.versions['targets']}.targets.json"
        right = desk.city.repository.files.read(name)
        await desk.send(targets=right.replace(b'"version":"2.0.0"', b'"version":"6.6.6"'))
        await eventually(lambda: "hash" in desk.update(node).get("reason", ""), "meddled")
        old = desk.city.files()
        await desk.send()
        await eventually(lambda: desk.update(node).get("state") == "confirmed", "confirmed")
        # The list without it; then the old one, brought back to a gateway that was restarted.
        following = listed(make_image(version=3), "3.0.0")
        desk.city.publish(following)
        desk.city.catalogue.keep(1)
        desk.city.repository.renew({"targets"})
        await desk.send()
        await town.city.want(node.hex, "desired/release", desired(following.data, "r2"))
        await eventually(lambda: desk.update(node).get("rollout") == "r2", "the next")
        await eventually(lambda: desk.update(node).get("state") == "confirmed", "the next")
        await town.gateway.kill()
        for file, contents in old.items():
            await town.city.publish(f"releases/metadata/{file}", contents)
        await town.gateway.start()
        await town.city.want(node.hex, "desired/release", desired(IMAGE, "r3"))
        await eventually(lambda: "goes back" in desk.update(node).get("reason", ""), "older")
        assert node.running.hash == following.data[-32:]


async def test_a_delta_is_sent_where_its_base_runs(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    base = make_image(version=1)
    node.running.hash = base[-32:]
    async with street(tmp_path, bus) as town:
        desk = Desk(town, tmp_path)
        desk.city.publish(listed(base, "1.0.0"), listed(IMAGE))
        # What the fake takes for the release that comes of an upload are its last 32 bytes.
        delta = b"delta" * 20 + IMAGE[-32:]
        name_delta(desk, base, delta)
        await desk.send()
        await town.city.publish(f"releases/{sha256(delta).hexdigest()}", delta)
        town.gateway.write_config(updates=f'root_file = "{desk.root_file}"')
        await town.gateway.start()
        await town.city.want(node.hex, "desired/release", desired(IMAGE, "r1"))
        await eventually(lambda: desk.update(node).get("state") == "confirmed", "confirmed")
        assert (node.chunks, node.uploads_finished) == (1, 1)


def name_delta(desk: Desk, base: bytes, delta: bytes) -> None:
    target = TargetFile.from_data(f"{BOARD}/2.0.0.from-1.0.0.delta", delta, ["sha256"])
    target.unrecognized_fields["custom"] = {
        "kind": "delta", "board": BOARD, "version": "2.0.0", "security_counter": 1,
        "hash": IMAGE[-32:].hex(), "image": sha256(IMAGE).hexdigest(), "base": base[-32:].hex(),
    }  # fmt: skip
    path = desk.city.folder / "targets" / target.get_prefixed_paths()[0]
    path.write_bytes(delta)
    desk.city.repository.targets.targets[target.path] = target
    desk.city.repository.renew({"targets"})


async def test_a_gateway_may_fetch_everything_from_a_web_server(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        desk = Desk(town, tmp_path)
        desk.city.publish(listed(IMAGE))
        handler = partial(Quiet, directory=str(desk.city.folder))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            serving = threading.Thread(target=server.serve_forever)
            serving.start()
            try:
                url = f"http://127.0.0.1:{server.server_address[1]}/"
                town.gateway.write_config(
                    updates=f'root_file = "{desk.root_file}"\nrepository_url = "{url}"'
                )
                await town.gateway.start()
                await town.city.want(node.hex, "desired/release", desired(IMAGE, "r1"))
                await eventually(lambda: desk.update(node).get("state") == "confirmed", "installed")
            finally:
                server.shutdown()
                serving.join()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
