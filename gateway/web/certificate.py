"""The certificate of the page, from an authority of this gateway, and how a person knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.lan import certificates

FOLDER: Final = "web"


def ensure(data_dir: Path, address: str, now: int) -> Path:
    """The PEM file with certificate and key for the page at `address`, made when it is not there.

    now: street time, Unix seconds, 0 while not known. Raises CertificateError, OSError.
    """
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return certificates.ensure(folder, [address], now).broker_file


def fingerprint(file: Path) -> str:
    """SHA-256 of the certificate in `file`, as browsers show it. Raises OSError, ValueError."""
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    digest = certificate.fingerprint(hashes.SHA256()).hex().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
