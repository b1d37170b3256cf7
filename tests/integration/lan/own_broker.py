"""The gateway's own broker, with the files that the gateway writes, as its service runs it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator
from hashlib import sha256
from pathlib import Path

import aiomqtt
from pydantic import SecretBytes

from gateway import logs
from gateway.clock import SystemClock
from gateway.config import LamppostSection, LanSection
from gateway.lan import mosquitto as files
from gateway.lan.broker import LocalBroker
from gateway.lan.credentials import password
from gateway.lan.link import LanLink
from simulators.tools import mosquitto
from tests.integration.gateway.harness import eventually, free_port

NODES = [f"a0b1c2d3e4f{digit}" for digit in "123"]


def section(node: str) -> LamppostSection:
    key = SecretBytes(sha256(node.encode()).digest()[:16])
    return LamppostSection.model_construct(
        id=node, name=node, pole=None, bus=None, address=None, lan=True, key=key, key_id=1
    )


class OwnBroker:
    """mosquitto as `lamplighter-mosquitto.service` runs it: what ends is started again."""

    def __init__(self, folder: Path, nodes: list[str] = NODES) -> None:
        ports = {"port": free_port(), "local_port": free_port()}
        self.settings = LanSection.model_validate({"address": "127.0.0.1", **ports})
        self.lampposts = [section(node) for node in nodes]
        self.setup = LocalBroker(
            self.settings, folder, self.lampposts, SystemClock(), logs.get(test="lan")
        )
        self.said = folder / "mosquitto.log"
        self.starts = 0
        self.process: asyncio.subprocess.Process | None = None
        self.held = asyncio.Event()
        self.held.set()

    async def run(self) -> None:
        while True:
            await self.held.wait()
            with self.said.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *mosquitto(), "-c", str(self.setup.folder / files.CONFIGURATION), stderr=log
                )
            self.starts += 1
            try:
                await self.process.wait()
            finally:
                if self.process.returncode is None:
                    self.process.kill()
                    await self.process.wait()

    def kill(self, *, stay: bool = False) -> None:
        assert self.process is not None
        if stay:
            self.held.clear()
        self.process.kill()

    def link(self) -> LanLink:
        nodes = [lamppost.node for lamppost in self.lampposts]
        return LanLink(
            self.settings.local_port,
            self.settings.local_user,
            self.setup.local_password,
            nodes,
            logs.get(test="lan"),
        )

    def lamppost(self, node: str, user: str | None = None, **options: object) -> aiomqtt.Client:
        """A client with the credential of `user`, on the lampposts' listener."""
        owner = section(user or node)
        options.setdefault("password", password(owner.node, owner.key.get_secret_value()))
        assert self.setup.certificates is not None
        context = ssl.create_default_context(
            cadata=ssl.DER_cert_to_PEM_cert(self.setup.certificates.authority)
        )
        return aiomqtt.Client(
            "127.0.0.1",
            self.settings.port,
            username=owner.id,
            identifier=f"lamplighter-{node}",
            tls_context=context,
            **options,  # pyright: ignore[reportArgumentType]
        )


@contextlib.asynccontextmanager
async def own_broker(folder: Path) -> AsyncGenerator[OwnBroker]:
    """It runs, and is stopped at the end."""
    made = OwnBroker(folder)
    made.setup.prepare()
    running = asyncio.create_task(made.run())
    try:
        await eventually(
            lambda: files.running(made.setup.folder) is not None and listens(made), "it listens"
        )
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def listens(broker: OwnBroker) -> bool:
    for port in (broker.settings.port, broker.settings.local_port):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return False
    return True


@contextlib.asynccontextmanager
async def connected(link: LanLink) -> AsyncGenerator[LanLink]:
    """The link runs and is up."""
    running = asyncio.create_task(link.run())
    try:
        await asyncio.wait_for(link.ready.wait(), 30)
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
