"""The city's broker, step by step: its name, a connection, TLS, and MQTT's own answer."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.cabinet.findings import Finding, fail, ok, warn
from gateway.config.mqtt import TlsSection
from gateway.uplink.credentials import password, tls_context

TIMEOUT_S = 10.0
# MQTT 5.0, 3.2.2.2, CONNACK reason codes: what to do about each.
_ACTIONS = {
    0x84: "the broker must speak MQTT 5: ask its staff",
    0x86: "look at username and password_file with the broker's staff",
    # mosquitto says this of a wrong password too.
    0x87: "look at username and password_file; if right, ask the broker's staff to let it in",
    0x88: "the broker is not ready: try again in a minute",
    0x89: "the broker is busy: try again in a minute",
    0x8A: "the broker's staff has banned this user or client",
    0x9F: "too many connections lately: try again in a minute",
}
_CLIENT_ID_REFUSED = 0x85


@dataclass(frozen=True)
class BrokerAddress:
    """What is needed to connect.

    Attributes:
        host: name or address.
        port: TCP port.
        username: None without.
        password_file: None without.
        tls: None without TLS.
    """

    host: str
    port: int
    username: str | None = None
    password_file: Path | None = None
    tls: TlsSection | None = None


def check(
    broker: BrokerAddress, client_id: str, about: str = "broker", timeout_s: float = TIMEOUT_S
) -> list[Finding]:
    """Connect as far as it goes, each step one finding; the first failure is the last.

    client_id: another than the gateway's own, whose connection it would end.
    """
    try:
        addresses = _resolve(broker, timeout_s)
    except (OSError, TimeoutError) as error:
        return [
            fail(
                about,
                f"the name {broker.host} has no address ({_why(error)})",
                "look at the name in [mqtt] host, and at this machine's network and DNS "
                "(resolvectl status)",
            )
        ]
    findings = [ok(about, f"{broker.host} is {', '.join(addresses[:3])}")]
    try:
        socket.create_connection((broker.host, broker.port), timeout_s).close()
    except OSError as error:
        findings.append(
            fail(
                about,
                f"no connection to {broker.host} port {broker.port} ({_why(error)})",
                "look at the port, at the network (ping), and whether a firewall lets it through",
            )
        )
        return findings
    if broker.tls is not None:
        findings.append(_tls(about, broker, broker.tls, timeout_s))
    else:
        findings.append(ok(about, f"port {broker.port} is open"))
    if findings[-1].level == "FAIL":
        return findings
    findings.append(_mqtt(about, broker, client_id, timeout_s))
    return findings


def _resolve(broker: BrokerAddress, timeout_s: float) -> list[str]:
    """The addresses of its name; getaddrinfo itself knows no timeout."""
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told = socket.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
        except OSError as error:
            found.put(error)
        else:
            found.put(list(dict.fromkeys(str(one[4][0]) for one in told)))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = found.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError(f"no answer in {timeout_s:.0f} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _tls(about: str, broker: BrokerAddress, tls: TlsSection, timeout_s: float) -> Finding:
    try:
        context = tls_context(tls)
    except (OSError, ValueError) as error:
        return fail(
            about,
            f"the certificate files of [mqtt.tls] cannot be used ({_why(error)})",
            "see the lines on certificates",
        )
    if context is None:
        raise AssertionError("a section gives a context")
    try:
        with (
            socket.create_connection((broker.host, broker.port), timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as secured,
        ):
            ends = (secured.getpeercert() or {}).get("notAfter", "an unknown time")
            return ok(about, f"{secured.version()}, the broker's certificate is good until {ends}")
    except ssl.SSLCertVerificationError as error:
        return fail(
            about,
            f"the broker's certificate is not believed: {error.verify_message}",
            _verify_action(error, tls),
        )
    except OSError as error:
        return fail(
            about,
            f"no TLS on port {broker.port} ({_why(error)})",
            "look whether that port speaks TLS (8883 does as a rule), and whether this gateway's "
            "certificate is wanted",
        )


def _verify_action(error: ssl.SSLCertVerificationError, tls: TlsSection) -> str:
    said = error.verify_message.lower()
    if "not yet valid" in said or "expired" in said:
        return "look at this machine's clock first; if it is right, the broker's staff must renew"
    if "hostname" in said or "ip address" in said:
        return "write in [mqtt] host the name that the certificate is made out to"
    if tls.ca_file is None:
        return "set ca_file in [mqtt.tls] to the city's authority, if it is one of its own"
    return f"look whether {tls.ca_file} is the authority that issued it"


class _Answer:
    """What the broker says to CONNECT."""

    def __init__(self) -> None:
        self.code: ReasonCode | None = None
        self.lost = ""

    def connected(
        self, _client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode,
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        self.code = code

    def disconnected(
        self, _client: Client, _data: Any, _flags: Any, code: ReasonCode,
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        self.lost = str(code)


def _mqtt(about: str, broker: BrokerAddress, client_id: str, timeout_s: float) -> Finding:
    answer = _Answer()
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5)
    client.on_connect = answer.connected
    client.on_disconnect = answer.disconnected
    client.connect_timeout = timeout_s
    try:
        secret = password(broker.password_file)
        context = tls_context(broker.tls)
        if context is not None:
            client.tls_set_context(context)  # pyright: ignore[reportUnknownMemberType]
        client.username_pw_set(broker.username, secret)
        client.connect(broker.host, broker.port, keepalive=30)
        until = time.monotonic() + timeout_s
        while answer.code is None and not answer.lost and time.monotonic() < until:
            client.loop(0.1)
        client.disconnect()
        client.loop(0.1)
    except (OSError, ValueError) as error:
        return fail(
            about,
            f"MQTT does not begin ({_why(error)})",
            "look at password_file and the certificate files",
        )
    if answer.code is None:
        return fail(
            about,
            f"no answer to MQTT CONNECT ({answer.lost or f'within {timeout_s:.0f} s'})",
            "look whether it is an MQTT broker, and whether it wants a client certificate",
        )
    return _judge(about, broker, answer.code)


def _judge(about: str, broker: BrokerAddress, code: ReasonCode) -> Finding:
    number = int(code.value)
    said = f"MQTT answers {code} (0x{number:02X})"
    if number == 0:
        who = f"as {broker.username}" if broker.username else "without a user name"
        return ok(about, f"{said}, connected {who}")
    if number == _CLIENT_ID_REFUSED:
        return warn(
            about,
            f"{said}: only the gateway's own client id may connect",
            "see whether the gateway itself is connected (lamplighter-gateway health)",
        )
    return fail(about, said, _ACTIONS.get(number, "ask the broker's staff what this means"))


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
