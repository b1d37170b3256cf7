"""TLS with client certificates, against a real broker that asks for them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.config import TlsSection
from gateway.uplink import link
from tests.integration.gateway.authority import Authority
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import Broker, eventually, free_port, street
from tests.integration.gateway.uplink_rig import rig

# paho leaves the socket of a handshake that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")

Lines = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_RECONNECT_FIRST_S", 0.01)
    monkeypatch.setattr(link, "_RECONNECT_MOST_S", 0.1)


@contextlib.asynccontextmanager
async def broker(
    folder: Path, authority: Authority, certificate: tuple[Path, Path]
) -> AsyncGenerator[int]:
    """Gives the port that asks for certificates."""
    port = free_port()
    made = Broker(folder, authority.listener(certificate, port))
    await made.start()
    try:
        yield port
    finally:
        await made.stop()


def shown(authority: Authority, own: tuple[Path, Path]) -> TlsSection:
    return TlsSection(ca_file=authority.pem, cert_file=own[0], key_file=own[1])


async def kept_and_said(folder: Path, port: int, tls: TlsSection, why: str) -> None:
    """The gateway does not connect, says why, once, and keeps what it has."""
    with capture_logs() as lines:
        async with rig(folder, port, tls=tls) as town:
            await town.add(10)
            await eventually(lambda: len(troubles(lines)) >= 3, "tried again")
            assert town.records.rows == 10
    said = troubles(lines)
    assert why in said[0]["why"], said[0]
    told: set[str] = set()
    for line in said:
        # Another reason is a warning again; the same one is not.
        assert line["log_level"] == ("debug" if line["why"] in told else "warning"), said
        told.add(line["why"])


def troubles(lines: Lines) -> Lines:
    return [line for line in lines if line["event"] == "broker unavailable"]


async def test_records_go_up_to_a_broker_that_asks_for_a_certificate(tmp_path: Path) -> None:
    city = Authority(tmp_path, "city")
    async with (
        broker(tmp_path, city, city.issue("broker")) as port,
        rig(tmp_path, port, tls=shown(city, city.issue("cabinet-1"))) as town,
    ):
        await town.add(1000)
        await eventually(lambda: town.records.rows == 0, "buffer drained")
        assert town.link.connections == 1


async def test_a_broker_of_another_authority_is_told_nothing(tmp_path: Path) -> None:
    city, other = Authority(tmp_path, "city"), Authority(tmp_path, "other")
    async with broker(tmp_path, city, city.issue("broker")) as port:
        tls = shown(other, city.issue("cabinet-1"))
        await kept_and_said(tmp_path, port, tls, "self-signed certificate in certificate chain")


async def test_a_broker_whose_certificate_has_expired_is_told_nothing(tmp_path: Path) -> None:
    city = Authority(tmp_path, "city")
    async with broker(tmp_path, city, city.issue("broker", days=-1)) as port:
        tls = shown(city, city.issue("cabinet-1"))
        await kept_and_said(tmp_path, port, tls, "certificate has expired")


async def test_a_broker_of_another_name_is_told_nothing(tmp_path: Path) -> None:
    city = Authority(tmp_path, "city")
    async with broker(tmp_path, city, city.issue("broker", host="192.0.2.1")) as port:
        tls = shown(city, city.issue("cabinet-1"))
        await kept_and_said(tmp_path, port, tls, "IP address mismatch")


async def test_a_certificate_of_another_authority_is_refused_and_that_is_said(
    tmp_path: Path,
) -> None:
    city, other = Authority(tmp_path, "city"), Authority(tmp_path, "other")
    async with broker(tmp_path, city, city.issue("broker")) as port:
        tls = shown(city, other.issue("cabinet-1"))
        await kept_and_said(tmp_path, port, tls, "refuses this gateway's certificate")


async def test_a_certificate_that_has_expired_is_told_and_a_renewed_one_taken_at_once(
    tmp_path: Path,
) -> None:
    city = Authority(tmp_path, "city")
    own = city.issue("cabinet-1", days=-1)
    with capture_logs() as lines:
        async with (
            broker(tmp_path, city, city.issue("broker")) as port,
            rig(tmp_path, port, tls=shown(city, own)) as town,
        ):
            await town.add(10)
            await eventually(lambda: len(troubles(lines)) >= 3, "tried again")
            assert town.records.rows == 10
            city.issue("cabinet-1")
            await eventually(lambda: town.records.rows == 0, "with the renewed one")
    why = troubles(lines)[0]["why"]
    assert "refuses this gateway's certificate" in why
    assert "certificate expired" in why


async def test_a_half_written_certificate_is_waited_for(tmp_path: Path) -> None:
    city = Authority(tmp_path, "city")
    own = city.issue("cabinet-1")
    whole = own[0].read_bytes()
    own[0].write_bytes(whole[: len(whole) // 2])
    with capture_logs() as lines:
        async with (
            broker(tmp_path, city, city.issue("broker")) as port,
            rig(tmp_path, port, tls=shown(city, own)) as town,
        ):
            await town.add(10)
            await eventually(lambda: len(troubles(lines)) >= 3, "tried again")
            own[0].write_bytes(whole)
            await eventually(lambda: town.records.rows == 0, "with the whole one")


async def test_the_city_reads_in_the_status_document_which_certificate_expires(
    tmp_path: Path,
) -> None:
    city, port = Authority(tmp_path, "city"), free_port()
    own = city.issue("cabinet-1", days=10)
    bus = FakeBus([FakeNode(1)])
    bus.nodes[1].append(20)
    async with street(tmp_path, bus, listener=city.listener(city.issue("broker"), port)) as town:
        town.gateway.write_config()
        config = town.gateway.config.read_text()
        tls = f'[mqtt.tls]\nca_file = "{city.pem}"\ncert_file = "{own[0]}"\nkey_file = "{own[1]}"\n'
        town.gateway.config.write_text(
            config.replace(f"port = {town.broker.port}", f"port = {port}").replace(
                "[updates]", f"{tls}[updates]", 1
            )
        )
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "records by TLS")
        await eventually(lambda: town.city.status.get("alarms"), "an alarm in the status")
        (alarm,) = town.city.status["alarms"]
        assert (alarm["name"], alarm["subject"]) == ("certificate_expiry", str(own[0]))
        assert "(this gateway at the broker) expires in 10 days" in alarm["text"]
