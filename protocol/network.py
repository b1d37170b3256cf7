"""The network document: how a lamppost reaches the local network and the broker on it.

It holds secrets, so it is no part of the configuration: it is written sealed (or with the service
switch closed), and read back without them. A CBOR map, every field but the first optional:

    h   host: IPv4 address or name of the broker; a name ending in .local is asked by multicast
    p   port, 1..65535; default 1883, with TLS 8883
    s   SSID, 1..32 bytes; without it the lamppost is on the network already (a wired board)
    k   passphrase of the Wi-Fi, 8..63 characters; without it the network is open
    t   1: TLS, the broker's certificate verified against `c`
    c   certificate of the authority, DER; a PEM text is taken and turned into DER
    n   name that the broker's certificate must be made out to; default the host
    u   user name at the broker
    w   password at the broker
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from binascii import a2b_base64
from hashlib import sha256

from . import cbor
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "network"
# What fits a sealed message in one bus frame, with the setting's name around it.
MAX_DOCUMENT = 1024

_PORT = 1883
_TLS_PORT = 8883
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"


def document(
    host: str,
    port: "int | None" = None,
    ssid: "str | None" = None,
    passphrase: "str | None" = None,
    authority: "bytes | None" = None,
    user: "str | None" = None,
    password: "str | None" = None,
    name: "str | None" = None,
) -> bytes:
    """A document; with the certificate of an `authority` (DER or PEM) the broker is asked for TLS.

    Raises ProtocolError for values that no lamppost would take.
    """
    body: dict[str, Any] = {"h": host}
    for key, value in (
        ("p", port),
        ("s", ssid),
        ("k", passphrase),
        ("c", None if authority is None else _der(authority)),
        ("u", user),
        ("w", password),
        ("n", name),
    ):
        if value is not None:
            body[key] = value
    if authority is not None:
        body["t"] = 1
    data = cbor.dumps(body)
    parse(data)
    return data


def parse(data: "bytes | bytearray | memoryview") -> "dict[str, Any]":
    """All fields of a document, "" or b"" for one that is not given, "p" and "t" integers.

    Raises ProtocolError, which never quotes a secret.
    """
    if len(data) > MAX_DOCUMENT:
        raise ProtocolError("network: %d bytes, at most %d" % (len(data), MAX_DOCUMENT))
    body = cbor.loads(data)
    if not isinstance(body, dict):
        raise ProtocolError("network: expected a map")
    for key in body:
        if key not in ("h", "p", "s", "k", "t", "c", "u", "w", "n"):
            raise ProtocolError("network: no such field as %r" % (str(key)[:20],))
    tls = _number(body, "t", 0, 0, 1)
    out: dict[str, Any] = {
        "h": _text(body, "h", 1, 63),
        "p": _number(body, "p", _TLS_PORT if tls else _PORT, 1, 65535),
        "s": _text(body, "s", 0, 32),
        "k": _text(body, "k", 0, 63),
        "t": tls,
        "c": b"",
        "u": _text(body, "u", 0, 64),
        "w": _text(body, "w", 0, 128),
        "n": _text(body, "n", 0, 63),
    }
    out["n"] = out["n"] or out["h"]
    for char in out["h"] + out["n"]:
        if not ("0" <= char <= "9" or "a" <= char <= "z" or "A" <= char <= "Z" or char in ".-"):
            raise ProtocolError("network: fields h, n: expected an IPv4 address or a name")
    if out["k"] and (len(out["k"]) < 8 or not out["s"]):
        raise ProtocolError("network: field k: expected 8 to 63 characters, and an SSID with it")
    if out["w"] and not out["u"]:
        raise ProtocolError("network: field w: expected a user name with it")
    certificate = body.get("c", b"")
    if not isinstance(certificate, bytes):
        raise ProtocolError("network: field c: expected a byte string")
    if certificate:
        out["c"] = _der(certificate)
    if tls and not certificate:
        raise ProtocolError("network: field c: TLS needs the certificate of the authority")
    return out


def public(values: "dict[str, Any]") -> bytes:
    """What anybody may read of a parsed document: no secrets, 8 bytes of SHA-256 for the DER."""
    certificate = values["c"]
    return cbor.dumps(
        {
            "h": values["h"],
            "p": values["p"],
            "s": values["s"],
            "t": values["t"],
            "c": sha256(certificate).digest()[:8] if certificate else b"",
            "u": values["u"],
            "n": values["n"],
        }
    )


def _der(certificate: bytes) -> bytes:
    """The DER of a certificate in DER or PEM: a sequence, as long as it says."""
    if certificate.lstrip().startswith(_BEGIN):
        body = certificate.lstrip()[len(_BEGIN) :]
        end = body.find(_END)
        try:
            certificate = a2b_base64(body[:end].replace(b"\n", b"").replace(b"\r", b""))
        except ValueError:
            raise ProtocolError("network: field c: its base64 cannot be read") from None
        if end < 0:
            raise ProtocolError("network: field c: the PEM text does not end")
    size = len(certificate)
    if (
        size < 64
        or certificate[:2] != b"\x30\x82"
        or certificate[2] << 8 | certificate[3] != size - 4
    ):
        raise ProtocolError("network: field c: expected one X.509 certificate in DER or PEM")
    return certificate


def _text(body: "dict[Any, Any]", key: str, least: int, most: int) -> str:
    value = body.get(key, "")
    if not isinstance(value, str) or not least <= len(value.encode()) <= most:
        raise ProtocolError(
            "network: field %s: expected text of %d to %d bytes" % (key, least, most)
        )
    for char in value:
        # A byte below a space ends strings in C, and a line in whatever prints it.
        if ord(char) < 32 or ord(char) == 127:
            raise ProtocolError("network: field %s: expected printable text" % key)
    return value


def _number(body: "dict[Any, Any]", key: str, default: int, low: int, high: int) -> int:
    value = body.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ProtocolError("network: field %s: expected %d to %d" % (key, low, high))
    return value
