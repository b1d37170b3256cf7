"""One connection to the broker, whose failures are told as one line."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from aiomqtt import Client, MqttError, ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from fleet_cli.errors import BadInput, Unreachable, reason_of
from fleet_cli.settings import BrokerSettings

_KEEPALIVE_S: Final = 30


@asynccontextmanager
async def connected(settings: BrokerSettings) -> AsyncGenerator[Client]:
    """A connection with a session that ends with it.

    Raises:
        BadInput: the password or a certificate cannot be used.
        Unreachable: there is no connection, or it was lost before the block ended.
    """
    client = new_client(settings, identifier=None, session_expiry_s=0)
    with _told(settings):
        async with client:
            yield client


def new_client(
    settings: BrokerSettings,
    *,
    identifier: str | None,
    session_expiry_s: int,
    receive_maximum: int | None = None,
) -> Client:
    """A client not yet connected.

    Args:
        settings: where the broker is.
        identifier: the session's name; None lets the broker choose one.
        session_expiry_s: for how long the broker keeps the session when we are away, s; with 0 it
            starts clean.
        receive_maximum: how many messages the broker may have unacknowledged with us, 1..65535.

    Raises:
        BadInput: the password or a certificate cannot be used.
    """
    properties = Properties(PacketTypes.CONNECT)
    if session_expiry_s:
        properties.SessionExpiryInterval = session_expiry_s
    if receive_maximum is not None:
        properties.ReceiveMaximum = receive_maximum
    return Client(
        settings.host,
        settings.effective_port,
        username=settings.username,
        password=settings.password(),
        identifier=identifier,
        protocol=ProtocolVersion.V5,
        clean_start=session_expiry_s == 0,
        timeout=settings.timeout,
        keepalive=_KEEPALIVE_S,
        properties=properties,
        tls_context=_tls_context(settings) if settings.uses_tls else None,
    )


class _told:  # noqa: N801 - reads as a statement: with _told(settings)
    """Turns what the MQTT library raises into one line that names the broker."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MqttError):
            raise unreachable(self._settings, error) from error


def unreachable(settings: BrokerSettings, error: MqttError) -> Unreachable:
    """What to tell the user of `error` from the MQTT library."""
    reason = str(error) or type(error).__name__
    return Unreachable(
        f"broker {settings.host}:{settings.effective_port}: {reason}; "
        "see --host, --port and [broker] in lamplighter.toml"
    )


def _tls_context(settings: BrokerSettings) -> ssl.SSLContext:
    if settings.key_file and not settings.cert_file:
        raise BadInput("broker: --key-file needs --cert-file as well")
    try:
        context = ssl.create_default_context(
            cafile=str(settings.ca_file) if settings.ca_file else None
        )
    except OSError as error:  # ssl.SSLError is one
        expected = "expected the certificates to trust as a PEM file"
        raise _bad_file(f"--ca-file {settings.ca_file}", expected, error) from error
    if settings.cert_file:
        named = f"--cert-file {settings.cert_file}"
        if settings.key_file:
            named += f", --key-file {settings.key_file}"
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        except OSError as error:
            expected = "expected a certificate and the private key that fits it, as PEM"
            raise _bad_file(named, expected, error) from error
    return context


def _bad_file(named: str, expected: str, error: OSError) -> BadInput:
    got = "got something else" if isinstance(error, ssl.SSLError) else reason_of(error)
    return BadInput(f"broker: {named}: {expected}; {got}")
