"""Certificates: what is found out about them, and the alarm before they end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway import logs
from gateway.alarms import Alarms
from gateway.cabinet.certificate_watch import CertificateWatch
from gateway.cabinet.certificates import (
    CertificateFile,
    CertificateUnusable,
    days_left,
    expires_at,
)
from tests.unit.cabinet import pem


class Clock:
    def __init__(self) -> None:
        self.time = pem.NOW

    def now(self) -> int:
        return self.time


def test_when_a_certificate_expires(tmp_path: Path) -> None:
    file, key = pem.write(tmp_path, "own", 12.5)
    assert expires_at(CertificateFile(file, "own", key)) == pem.NOW + 12.5 * 86_400
    assert days_left(expires_at(CertificateFile(file, "own")), pem.NOW) == 12.5


def test_of_a_chain_the_first_end_counts_of_authorities_the_last(tmp_path: Path) -> None:
    early, key = pem.write(tmp_path, "early", 10)
    late, _ = pem.write(tmp_path, "late", 400)
    early.write_bytes(early.read_bytes() + late.read_bytes())
    assert expires_at(CertificateFile(early, "own", key)) == pem.NOW + 10 * 86_400
    assert expires_at(CertificateFile(early, "authorities")) == pem.NOW + 400 * 86_400


def test_what_is_no_certificate_says_so(tmp_path: Path) -> None:
    file, key = pem.write(tmp_path, "own", 10)
    _, other = pem.write(tmp_path, "other", 10)
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_bytes(b"\0\xff hello")
    for wrong, said in [
        (CertificateFile(tmp_path / "none.pem", "own"), "cannot be read"),
        (CertificateFile(rubbish, "own"), "expected certificates in PEM"),
        (CertificateFile(file, "own", other), "is not the key of the certificate"),
        (CertificateFile(file, "own", rubbish), "expected a private key in PEM"),
        (CertificateFile(key, "own"), "expected certificates in PEM"),
    ]:
        with pytest.raises(CertificateUnusable, match=said):
            expires_at(wrong)


async def test_an_alarm_is_raised_in_time_and_ends_with_a_new_certificate(tmp_path: Path) -> None:
    file, key = pem.write(tmp_path, "own", 31)
    clock = Clock()
    alarms = Alarms(clock, logs.get())
    files = [CertificateFile(file, "own", key)]
    watch = CertificateWatch(lambda: files, alarms, clock, kept=lambda: True)
    watch.look()
    assert alarms.raised == []
    assert watch.expires == {str(file): pem.NOW + 31 * 86_400}

    clock.time += 2 * 86_400
    watch.look()
    assert [(a.name, a.severity, a.since) for a in alarms.raised] == [
        ("certificate_expiry", "warning", clock.time)
    ]
    assert "expires in 29 days" in alarms.raised[0].text
    first_told = clock.time

    clock.time += 30 * 86_400
    watch.look()
    assert [(a.severity, a.since) for a in alarms.raised] == [("critical", first_told)]
    assert "has expired" in alarms.raised[0].text

    pem.write(tmp_path, "own", 500)
    watch.look()
    assert alarms.raised == []

    key.unlink()
    watch.look()
    assert [a.name for a in alarms.raised] == ["certificate_unusable"]


async def test_by_a_clock_that_nobody_keeps_no_certificate_is_declared_expired(
    tmp_path: Path,
) -> None:
    file, _ = pem.write(tmp_path, "own", 100)
    clock = Clock()
    clock.time += 365 * 86_400
    alarms = Alarms(clock, logs.get())
    files = [CertificateFile(file, "own")]
    kept = False
    watch = CertificateWatch(lambda: files, alarms, clock, kept=lambda: kept)
    watch.look()
    assert [alarm.severity for alarm in alarms.raised] == ["warning"]
    assert "by a clock that no time server keeps: give the machine NTP" in alarms.raised[0].text
    kept = True
    watch.look()
    assert [alarm.severity for alarm in alarms.raised] == ["critical"]


async def test_without_a_time_nothing_is_said_of_an_end(tmp_path: Path) -> None:
    file, _ = pem.write(tmp_path, "own", 1)
    clock = Clock()
    clock.time = 0
    alarms = Alarms(clock, logs.get())
    CertificateWatch(lambda: [CertificateFile(file, "own")], alarms, clock).look()
    assert alarms.raised == []


async def test_alarms_are_told_when_they_change_and_only_then() -> None:
    clock = Clock()
    alarms = Alarms(clock, logs.get())
    told: list[list[str]] = []
    again = asyncio.Event()

    async def status() -> None:
        told.append([str(document["name"]) for document in alarms.documents()])
        again.set()

    publishing = asyncio.create_task(alarms.publish(status))

    async def next_time() -> None:
        async with asyncio.timeout(20):
            await again.wait()
        again.clear()

    alarms.set("salvaged", "look at it")
    await next_time()
    alarms.set("salvaged", "look at it")
    alarms.over("nothing of the kind")
    alarms.over("salvaged")
    await next_time()
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    assert told == [["salvaged"], []]


def test_alarms_are_bounded() -> None:
    alarms = Alarms(Clock(), logs.get())
    for number in range(1000):
        alarms.set("certificate_expiry", "x" * 10_000, subject=str(number))
    assert len(alarms.raised) < 100
    assert len(alarms.raised[0].text) < 1000
