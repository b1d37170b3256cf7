"""What `doctor` and `init` find out about a broker: a real one, with TLS and passwords."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cabinet import broker
from gateway.cabinet.broker import BrokerAddress
from gateway.cabinet.findings import Finding, Level
from gateway.config.mqtt import TlsSection
from gateway.lan.credentials import hashed
from gateway.main import app
from tests.integration.gateway.harness import Broker, free_port
from tests.integration.lan.certificates import Authority


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncGenerator[Broker]:
    """A broker with one user, `desk`."""
    (tmp_path / "passwords").write_text(f"desk:{hashed('desk', 'right')}\n")
    made = Broker(tmp_path, f"allow_anonymous false\npassword_file {tmp_path}/passwords\n")
    await made.start()
    yield made
    await made.stop()


async def look(address: BrokerAddress) -> list[Finding]:
    return await asyncio.to_thread(broker.check, address, "test-doctor", "broker", 5.0)


async def test_a_user_that_may_connect_and_one_that_may_not(
    guarded: Broker, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("right\n")
    address = BrokerAddress("127.0.0.1", guarded.port, "desk", password)
    found = await look(address)
    assert [one.level for one in found] == [Level.OK] * 3
    assert "connected as desk" in found[-1].found

    password.write_text("wrong\n")
    refused = (await look(address))[-1]
    assert refused.level is Level.FAIL
    assert "0x87" in refused.found
    assert "password_file" in refused.action
    assert "staff" in refused.action

    password.unlink()
    assert "password_file" in (await look(address))[-1].action


async def test_no_name_no_port_no_broker(tmp_path: Path) -> None:
    [unknown] = await look(BrokerAddress("broker.invalid", 1883))
    assert (unknown.level, "has no address" in unknown.found) == (Level.FAIL, True)
    *_, closed = await look(BrokerAddress("127.0.0.1", free_port()))
    assert (closed.level, "no connection" in closed.found) == (Level.FAIL, True)

    async def web(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    async with server:
        port: int = server.sockets[0].getsockname()[1]
        *_, other = await look(BrokerAddress("127.0.0.1", port))
        assert other.level is Level.FAIL
        *_, no_tls = await look(BrokerAddress("127.0.0.1", port, tls=TlsSection()))  # pyright: ignore[reportCallIssue]
        assert no_tls.found.startswith("no TLS on port")


async def test_tls_is_believed_or_not(tmp_path: Path) -> None:
    authority, stranger = Authority(), Authority("another")
    secured = Broker(tmp_path, authority.listener(tmp_path, "localhost"))
    await secured.start()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "other.pem").write_bytes(stranger.pem)

    async def last(host: str, tls: TlsSection) -> Finding:
        return (await look(BrokerAddress(host, secured.port, tls=tls)))[-1]

    def tls(name: str | None) -> TlsSection:
        return TlsSection.model_validate({} if name is None else {"ca_file": tmp_path / name})

    try:
        good = await look(BrokerAddress("localhost", secured.port, tls=tls("ca.pem")))
        assert [one.level for one in good] == [Level.OK] * 3
        assert "TLSv1.3" in good[1].found
        for host, section, action in [
            ("localhost", tls("other.pem"), "is the authority that issued it"),
            ("localhost", tls(None), "set ca_file"),
            ("127.0.0.1", tls("ca.pem"), "the name that the certificate is made out to"),
            ("localhost", tls("none.pem"), "see the lines on certificates"),
        ]:
            found = await last(host, section)
            assert (found.level, action in found.action) == (Level.FAIL, True), found
    finally:
        await secured.stop()


async def test_init_asks_nothing_and_writes_what_it_has_checked(
    guarded: Broker, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("right")
    (tmp_path / "password").chmod(0o600)
    config = tmp_path / "etc/gateway.toml"
    common = [
        "init", "--config", str(config), "--yes", "--id", "cabinet-7",
        "--data-dir", str(tmp_path / "data"), "--username", "desk",
        "--password-file", str(tmp_path / "password"), "--lan", "127.0.0.1",
    ]  # fmt: skip

    async def run(*more: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, [*common, *more])

    failed = await run("--broker", f"127.0.0.1:{free_port()}")
    assert failed.exit_code == 1
    assert not config.exists()
    # Loopback is no interface that lampposts reach: it is kept all the same.
    done = await run("--broker", f"127.0.0.1:{guarded.port}", "--anyway")
    assert done.exit_code == 0, done.output
    assert "What to do next" in done.output
    assert config.stat().st_mode & 0o777 == 0o600
    before = config.read_text()
    again = await run("--broker", f"127.0.0.1:{guarded.port}", "--anyway")
    assert (again.exit_code, config.read_text()) == (1, before)
    assert "--force" in again.output
