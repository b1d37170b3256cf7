"""Certificates in PEM files: readable, of the key beside them, and until when they are good."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from gateway.config import Configuration, TlsSection
from gateway.errors import GatewayError

WARN_DAYS = 30
_DAY_S = 86_400
# A bundle of all public authorities has about 230 kB.
_LARGEST = 2_000_000


class CertificateUnusable(GatewayError):
    """A certificate or key file is not what it should be; the text says what to do."""


@dataclass(frozen=True)
class CertificateFile:
    """A file with certificates that this gateway uses.

    Attributes:
        file: PEM, one certificate or several.
        use: what for, in a word or two.
        key_file: PEM file with the private key of the first certificate, None without.
    """

    file: Path
    use: str
    key_file: Path | None = None


def configured(configuration: Configuration) -> list[CertificateFile]:
    """The certificate files that `configuration` names."""
    files = _of(configuration.mqtt.tls, "the broker")
    for name, outlet in configuration.outlet.items():
        files += _of(outlet.tls, f"outlet {name}")
    return files


def _of(tls: TlsSection | None, whose: str) -> list[CertificateFile]:
    files: list[CertificateFile] = []
    if tls is not None and tls.ca_file is not None:
        files.append(CertificateFile(tls.ca_file, f"authority of {whose}"))
    if tls is not None and tls.cert_file is not None:
        key = tls.key_file or tls.cert_file
        files.append(CertificateFile(tls.cert_file, f"this gateway at {whose}", key))
    return files


def expires_at(certificate: CertificateFile) -> int:
    """When it is no longer good, Unix seconds.

    Of several that is the first to expire where they are a chain of this gateway's own, and the
    last where they are authorities, any of which will do.
    Raises CertificateUnusable.
    """
    found = _certificates(certificate.file)
    if certificate.key_file is not None:
        _check_key(certificate.key_file, found[0], certificate.file)
    ends = [int(one.not_valid_after_utc.timestamp()) for one in found]
    return max(ends) if certificate.key_file is None else min(ends)


def days_left(expires: int, now: int) -> float:
    """Days from `now` to `expires`, Unix seconds both; below 0 when it is over."""
    return (expires - now) / _DAY_S


def _certificates(file: Path) -> list[x509.Certificate]:
    data = _read(file, "a certificate")
    try:
        return x509.load_pem_x509_certificates(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateUnusable(
            f"{file}: expected certificates in PEM (-----BEGIN CERTIFICATE-----), "
            f"but {_short(error)}; have it issued again, or convert it with openssl x509"
        ) from error


def _check_key(file: Path, certificate: x509.Certificate, of: Path) -> None:
    try:
        key = serialization.load_pem_private_key(_read(file, "a private key"), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # TypeError: it is encrypted, and nobody is there to type a passphrase.
        raise CertificateUnusable(
            f"{file}: expected a private key in PEM without a passphrase, but {_short(error)}; "
            "convert it with openssl pkey"
        ) from error
    if not _belongs(key.public_key(), certificate):
        raise CertificateUnusable(
            f"{file}: is not the key of the certificate in {of}; put the two that belong together "
            "in place"
        )


def _belongs(key: PublicKeyTypes, certificate: x509.Certificate) -> bool:
    try:
        return key == certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False  # a kind of key that is not known here, and so not that of `key`


def _read(file: Path, what: str) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise CertificateUnusable(
            f"{file}: {what} expected, but it cannot be read ({error.strerror}); put it there, "
            "readable by the gateway's user"
        ) from error
    if len(data) > _LARGEST:
        raise CertificateUnusable(f"{file}: {what} expected, but it has over {_LARGEST} bytes")
    return data


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
