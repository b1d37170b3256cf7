"""The whole examination: everything around the gateway that can keep it from working."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.cabinet import (
    adapters,
    broker,
    certificates,
    clock_state,
    disk,
    local_broker,
    processes,
    serial_ports,
    services,
)
from gateway.cabinet.broker import BrokerAddress
from gateway.cabinet.certificates import WARN_DAYS, CertificateFile, CertificateUnusable
from gateway.cabinet.findings import Finding, Level, fail, ok, warn
from gateway.clock import SystemClock
from gateway.config import Configuration, load
from gateway.errors import ConfigurationError
from gateway.metrics import asking

_GRADES = {"ok": Level.OK, "warning": Level.WARN, "critical": Level.FAIL}


def examine(file: Path, timeout_s: float = broker.TIMEOUT_S) -> Iterator[Finding]:
    """Look at everything that the configuration in `file` names, one finding after the other.

    Nothing is changed, and a gateway that runs is not disturbed. timeout_s: of each step that waits
    for another machine.
    """
    try:
        configuration, warnings = load(file)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            found, _, action = line.rpartition("; ")
            yield fail("configuration", found or line, action or "correct the file")
        yield from services.check(None)
        return
    yield ok("configuration", f"{file}: gateway {configuration.gateway.id}")
    for line in warnings:
        found, _, action = line.rpartition("; ")
        yield warn("configuration", found or line, action or "see to it")

    folder = configuration.gateway.data_dir
    gateway = processes.gateway_process(folder)
    yield from services.check(gateway)
    yield from _answers(configuration, gateway)
    for name, bus in configuration.bus.items():
        yield from serial_ports.check(name, bus, gateway)
    if configuration.ble is not None:
        yield from adapters.check(configuration.ble.adapters)
    yield from clock_state.check(folder)
    yield from disk.check(folder, configuration.buffer.max_bytes)
    yield from certificate_findings(_files(configuration), SystemClock().now())
    mqtt = configuration.mqtt
    address = BrokerAddress(mqtt.host, mqtt.port, mqtt.username, mqtt.password_file, mqtt.tls)
    # Its own client id would end the running gateway's connection.
    client_id = f"lamplighter-{configuration.gateway.id}-doctor"
    yield from broker.check(address, client_id, timeout_s=timeout_s)
    if mqtt.tls is None and not _local(mqtt.host):
        yield warn("broker", "no TLS: readings and commands are readable on the way",
                   "add [mqtt.tls] if the broker has it")  # fmt: skip
    for name, outlet in configuration.outlet.items():
        address = BrokerAddress(
            outlet.host, outlet.port, outlet.username, outlet.password_file, outlet.tls
        )
        yield from broker.check(address, client_id, f"outlet {name}", timeout_s)
    if configuration.lan is not None and configuration.lan.enabled:
        yield from local_broker.check(configuration.lan, folder, timeout_s)


def certificate_findings(files: Iterable[CertificateFile], now: int) -> Iterator[Finding]:
    """Look at each certificate file. now: Unix seconds, 0 while not known."""
    for one in files:
        about = "certificate"
        try:
            expires = certificates.expires_at(one)
        except CertificateUnusable as error:
            found, _, action = str(error).rpartition("; ")
            yield fail(about, found or str(error), action or "put it right")
            continue
        left = certificates.days_left(expires, now)
        said = f"{one.file} ({one.use})"
        if not now:
            yield warn(about, f"{said}: readable, but the time is not known", "set the clock")
        elif left <= 0:
            yield fail(about, f"{said} expired {-left:.0f} days ago", "put a new one in its place")
        elif left <= WARN_DAYS:
            yield warn(about, f"{said} expires in {left:.0f} days", "have a new one issued now")
        else:
            yield ok(about, f"{said} is good for {left:.0f} days")


def _files(configuration: Configuration) -> list[CertificateFile]:
    files = certificates.configured(configuration)
    if configuration.lan is not None and configuration.lan.enabled:
        files += local_broker.certificate_files(configuration.lan, configuration.gateway.data_dir)
    return files


def _answers(configuration: Configuration, gateway: int | None) -> Iterator[Finding]:
    """What a running gateway says of itself, where that is not all well."""
    if gateway is None or not configuration.metrics.enabled:
        return
    about = "gateway"
    try:
        _, document = asking.ask(configuration.metrics.address, "/health", configuration.gateway.id)
        checks = [
            (_GRADES[check["status"]], str(check["name"]), str(check["text"]))
            for check in document["checks"]
        ]
    except asking.NotAnswered as error:
        yield fail(about, str(error), "systemctl restart lamplighter-gateway, and look at its log")
        return
    except (KeyError, TypeError, AttributeError):
        yield fail(about, f"what answers at {configuration.metrics.listen} is no gateway",
                   'set another listen = "..." in [metrics]')  # fmt: skip
        return
    bad = [check for check in checks if check[0] is not Level.OK]
    if not bad:
        yield ok(about, "says that all is well")
    for level, name, text in bad:
        yield Finding(
            level, about, f"{name}: {text}", "see its log: journalctl -u " + services.SERVICE
        )


def _local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
