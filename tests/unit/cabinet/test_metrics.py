"""What is served on loopback: figures, health, lampposts; also when the event loop hangs."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from gateway import logs
from gateway.config import MetricsSection
from gateway.config.metrics import Address
from gateway.metrics.endpoint import Endpoint, EndpointUnavailable
from gateway.metrics.health import Grade, judge
from tests.unit.cabinet.sources import NOW, Street

ANY = Address("127.0.0.1", 0)


def get(url: str, method: str = "GET") -> tuple[int, str]:
    there, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(there, timeout=30)
    try:
        connection.request(method, f"/{path}")
        got = connection.getresponse()
        return got.status, got.read().decode()
    finally:
        connection.close()


async def fetch(url: str, method: str = "GET") -> tuple[int, str]:
    return await asyncio.to_thread(get, url, method)


def figures(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(tmp_path)


@pytest.fixture
async def url(street: Street) -> AsyncGenerator[str]:
    endpoint = Endpoint(street.sources, street.clock, logs.get(), loop_s=0.3)
    address = endpoint.start(ANY)
    yield address.url
    await endpoint.close()


async def test_prometheus_gets_every_figure(street: Street, url: str) -> None:
    street.alarms.set("certificate_expiry", "soon", subject="/etc/own.pem")
    status, text = await fetch(f"{url}/metrics")
    assert status == 200
    got = figures(text)
    for name, labels, value in [
        ("gateway_info", ("cabinet-1", "1.2.3"), 1),
        ("records_added_total", (), 100),
        ("records_sent_total", (), 90),
        ("records_rejected_total", (), 1),
        ("records_dropped_total", ("age",), 2),
        ("records_dropped_total", ("disk",), 3),
        ("records_events_dropped_total", (), 1),
        ("records_missed_total", (), 5),
        ("storage_written_bytes_total", (), 80_000),
        ("storage_salvages_total", (), 1),
        ("running_seconds_total", (), 3600),
        ("buffer_outlet_bytes", (), 600),
        ("buffer_records", (), 7),
        ("buffer_bytes", (), 700),
        ("buffer_limit_bytes", (), 10_000),
        ("database_commits_total", (), 12),
        ("bus_port_open", ("north",), 1),
        ("bus_requests_total", ("north",), 1000),
        ("bus_timeouts_total", ("north",), 10),
        ("bus_rejected_total", ("north",), 5),
        ("bus_reopened_total", ("north",), 1),
        ("uplink_connected", (), 1),
        ("uplink_connections_total", (), 3),
        ("lampposts", ("up",), 2),
        ("lampposts", ("silent",), 1),
        ("updates", ("uploading",), 2),
        ("certificate_expiry_timestamp_seconds", ("/etc/own.pem",), NOW + 100 * 86_400),
        ("alarms", ("certificate_expiry",), 1),
        ("ble_total", ("adverts",), 12),
        ("loop_responds", (), 1),
        ("storage_answers", (), 1),
    ]:
        assert got[f"lamplighter_{name}", labels] == value, name
    assert got["process_resident_memory_bytes", ()] > 1_000_000
    assert ("process_cpu_seconds_total", ()) in got


async def test_a_storage_that_fails_leaves_its_counters_out(street: Street, url: str) -> None:
    street.buffer.broken = True
    got = figures((await fetch(f"{url}/metrics"))[1])
    assert got["lamplighter_storage_answers", ()] == 0
    assert ("lamplighter_records_added_total", ()) not in got
    assert got["lamplighter_buffer_records", ()] == 7
    assert (await fetch(f"{url}/health"))[0] == 503


async def test_health_and_lampposts_are_json(street: Street, url: str) -> None:
    status, text = await fetch(f"{url}/health")
    document: dict[str, Any] = json.loads(text)
    assert status == 200
    assert document["figures"]["lampposts"] == 3
    assert {"loop", "storage", "broker", "lampposts", "buffer", "disk"} <= {
        check["name"] for check in document["checks"]
    }
    status, text = await fetch(f"{url}/lampposts")
    listed = json.loads(text)
    assert (status, listed["gateway"]) == (200, "cabinet-1")
    assert listed["lampposts"][0]["name"] == "Södra 1"


async def test_a_loop_that_hangs_is_told_of(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.metrics.endpoint._STORAGE_S", 0.1)
    asked = asyncio.create_task(fetch(f"{url}/health"))
    also = asyncio.create_task(fetch(f"{url}/metrics"))
    await asyncio.sleep(0)  # both are on their way in threads of their own
    time.sleep(2)  # noqa: ASYNC251 - the hang
    status, text = await asked
    assert status == 503
    assert json.loads(text)["checks"][0]["text"].startswith("the event loop has not answered")
    got = figures((await also)[1])
    assert got["lamplighter_loop_responds", ()] == 0
    assert ("process_resident_memory_bytes", ()) in got


async def test_what_is_not_there_and_what_is_not_asked_for(url: str) -> None:
    assert (await fetch(f"{url}/etc/passwd"))[0] == 404
    assert (await fetch(f"{url}/health", "POST"))[0] == 405
    assert (await fetch(f"{url}/health", "HEAD")) == (200, "")


async def test_a_client_that_says_nothing_does_not_keep_others_out(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.metrics.endpoint._Handler.timeout", 0.1)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as silent:
        assert (await fetch(f"{url}/health"))[0] == 200
        silent.sendall(b"\xff\0\r\n\r\n")
        assert (await fetch(f"{url}/health"))[0] == 200


async def test_a_taken_address_says_what_to_do(street: Street) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        with pytest.raises(EndpointUnavailable, match=r"\[metrics\]"):
            Endpoint(street.sources, street.clock, logs.get()).start(Address("127.0.0.1", port))


@pytest.mark.parametrize("listen", ["0.0.0.0:9477", "127.0.0.1", "127.0.0.1:0", "x:1", "[::]:1"])
def test_only_loopback_is_listened_on(listen: str) -> None:
    with pytest.raises(ValidationError):
        MetricsSection(listen=listen)  # pyright: ignore[reportCallIssue]


def test_an_ipv6_address_becomes_a_url() -> None:
    section = MetricsSection(listen="[::1]:9477")  # pyright: ignore[reportCallIssue]
    assert section.address.url == "http://[::1]:9477"


def judged(street: Street, **changed: Any) -> dict[str, tuple[Grade, str]]:
    now = time.monotonic()
    settings: dict[str, Any] = {
        "storage": True, "lag_s": 0.01, "running_s": 1000.0, "now": now, "unix": NOW,
    }  # fmt: skip
    found = judge(street.sources, **{**settings, **changed})
    return {matter.name: (matter.grade, matter.text) for matter in found.matters}


def test_health_weighs_each_matter(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.metrics.health.DISK_WARNING_BYTES", 1)
    street.posts = street.posts[:2]
    assert {grade for grade, _ in judged(street).values()} == {Grade.OK}

    assert judged(street, storage=False)["storage"][0] is Grade.CRITICAL
    assert judged(street, lag_s=2.0)["loop"][0] is Grade.WARNING
    street.late = ["bus north"]
    assert judged(street)["loop"] == (Grade.CRITICAL, "no progress: bus north")

    street.uplink.connected = False
    now = street.uplink.since
    for away, grade in [(10, Grade.OK), (400, Grade.WARNING), (4000, Grade.CRITICAL)]:
        assert judged(street, now=now + away)["broker"][0] is grade

    street.posts[0].link = "silent"
    assert judged(street)["lampposts"] == (Grade.WARNING, "1 of 2 lampposts silent")
    street.posts[1].link = "silent"
    assert judged(street)["lampposts"][0] is Grade.CRITICAL
    assert judged(street, running_s=5.0)["lampposts"][0] is Grade.OK

    street.buffer.bytes = 8_500
    assert judged(street)["buffer"][0] is Grade.WARNING
    street.buffer.full = True
    assert judged(street)["buffer"][0] is Grade.CRITICAL

    for days, grade in [(31, Grade.OK), (29, Grade.WARNING), (-1, Grade.CRITICAL)]:
        street.certificates.expires = {"/etc/own.pem": NOW + days * 86_400}
        assert judged(street)["certificates"][0] is grade
    assert "certificates" not in judged(street, unix=0)

    street.alarms.set("database_salvaged", "look at it")
    assert judged(street)["database_salvaged"] == (Grade.WARNING, "look at it")

    monkeypatch.setattr("gateway.metrics.health.DISK_CRITICAL_BYTES", 1 << 62)
    assert judged(street)["disk"][0] is Grade.CRITICAL
