"""The gateway's own small authority, and the certificate of its broker, made and renewed here.

Lampposts believe the authority's certificate, which is part of their network document and so stays
for as long as they hang: the broker's certificate is renewed under it and nobody has to be told.
Both keys are ECDSA on P-256 with SHA-256, which mbedTLS takes everywhere, an ESP32's too.

Key and certificate are in one PEM file each: no power cut can leave one without the other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.clock import EARLIEST_PLAUSIBLE
from gateway.errors import GatewayError
from gateway.files import write_atomically

# What lampposts ask the certificate to be made out to, whatever address they reach it under: not
# every mbedTLS compares addresses.
SERVER_NAME = "gateway.lamplighter.internal"

AUTHORITY, BROKER = "authority.pem", "broker.pem"
_AUTHORITY_LIFE = timedelta(days=30 * 365)
_LIFE = timedelta(days=2 * 365)
_RENEW_BEFORE = timedelta(days=365)
# A clock that was wrong when a certificate was made must not make it one of the future.
_NOT_BEFORE = datetime.fromtimestamp(EARLIEST_PLAUSIBLE, UTC)

_Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


class CertificateError(GatewayError):
    """The certificates cannot be made or used; the text says what to do."""


@dataclass(frozen=True)
class Certificates:
    """The certificates in force.

    Attributes:
        authority: certificate of the authority, DER, for network documents.
        broker_file: PEM file with the broker's certificate and key.
        expires_at: when the broker's certificate does, Unix seconds.
        authority_expires_at: when the authority's does, Unix seconds.
        renewed: whether the broker's certificate has just been made.
    """

    authority: bytes
    broker_file: Path
    expires_at: int
    authority_expires_at: int
    renewed: bool


def ensure(folder: Path, names: Sequence[str], now: int) -> Certificates:
    """Make what is not there, and renew the broker's certificate a year before its end.

    Args:
        folder: where the files are kept, for their owner alone.
        names: IPv4 addresses and host names that the broker is reached under.
        now: street time, Unix seconds; 0 while it is not known: nothing is made or renewed then.

    Raises:
        CertificateError: a file is not what it should be, or something has to be made and the time
            is not known.
        OSError: they cannot be read or written.
    """
    authority = _load(folder / AUTHORITY)
    if authority is None:
        authority = _make_authority(_time(now))
        write_atomically(folder / AUTHORITY, _pem(authority))
    broker = _load(folder / BROKER, replaceable=True)
    renewed = broker is None or not _serves(broker[1], authority[1], names, now)
    if broker is None or renewed:
        broker = _make_broker(authority, names, _time(now))
        write_atomically(folder / BROKER, _pem(broker))
    return Certificates(
        authority=authority[1].public_bytes(serialization.Encoding.DER),
        broker_file=folder / BROKER,
        expires_at=int(broker[1].not_valid_after_utc.timestamp()),
        authority_expires_at=int(authority[1].not_valid_after_utc.timestamp()),
        renewed=renewed,
    )


def _time(now: int) -> datetime:
    if now < EARLIEST_PLAUSIBLE:
        raise CertificateError(
            "certificates for the local network have to be made, and the time is not known; "
            "set this machine's clock (NTP)"
        )
    return datetime.fromtimestamp(now, UTC)


def _serves(
    certificate: x509.Certificate, authority: x509.Certificate, names: Sequence[str], now: int
) -> bool:
    """Whether the broker can go on with `certificate`."""
    try:
        certificate.verify_directly_issued_by(authority)
        has = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
    if has != _alternative_names(names):
        return False
    # Near the authority's own end no renewal makes it last longer.
    ends = certificate.not_valid_after_utc
    return (
        now < EARLIEST_PLAUSIBLE
        or ends - datetime.fromtimestamp(now, UTC) > _RENEW_BEFORE
        or ends >= authority.not_valid_after_utc
    )


def _make_authority(now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lamplighter gateway")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _begin(name, name, key)
        .not_valid_after(now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _make_broker(authority: _Pair, names: Sequence[str], now: datetime) -> _Pair:
    authority_key, issuer = authority
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _begin(name, issuer.subject, key)
        .not_valid_after(min(now + _LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_alternative_names(names), critical=False)
        .add_extension(issued_by, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return key, certificate


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    entries: list[x509.GeneralName] = []
    for name in dict.fromkeys((SERVER_NAME, *names)):
        try:
            entries.append(x509.IPAddress(ipaddress.IPv4Address(name)))
        except ValueError:
            entries.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(entries)


def _pem(pair: _Pair) -> bytes:
    key, certificate = pair
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load(file: Path, *, replaceable: bool = False) -> _Pair | None:
    """Key and certificate in `file`; None when it is absent, or damaged and `replaceable`."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        key = serialization.load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data)
        if isinstance(key, ec.EllipticCurvePrivateKey) and (
            certificate.public_key() == key.public_key()
        ):
            return key, certificate
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if replaceable:
            return None
    if replaceable:
        return None
    # A new authority would lock out every lamppost that believes the old one: a person decides.
    raise CertificateError(
        f"{file}: expected a certificate and its key on P-256, in PEM; put it back from a backup, "
        "or remove it and give each lamppost the network again"
    )
