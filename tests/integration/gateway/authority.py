"""Certificates of brokers and gateways to order."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


class Authority:
    """Signs certificates; `pem` holds its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.pem = folder / f"{name}.pem"
        usage = x509.BasicConstraints(ca=True, path_length=0)
        builder = _begin(self._name, self._name, self._key, -400, 400)
        certificate = builder.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self.pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, days: float = 30, host: str = HOST, file: str | None = None
    ) -> tuple[Path, Path]:
        """Files of a certificate for `name` and of its key, good until in `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        certificate = (
            _begin(_named(name), self._name, key, -300, days)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = self._folder / f"{file or name}.pem", self._folder / f"{file or name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def listener(self, certificate: tuple[Path, Path], port: int) -> str:
        """Lines of mosquitto's configuration: who comes needs a certificate of this authority."""
        return (
            f"allow_anonymous true\nlistener {port} {HOST}\ncafile {self.pem}\n"
            f"certfile {certificate[0]}\nkeyfile {certificate[1]}\nrequire_certificate true\n"
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    since: float,
    days: float,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=since))
        .not_valid_after(now + timedelta(days=days))
    )
