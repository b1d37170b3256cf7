"""What a broker is shown to be let in: the password from its file, the TLS context."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.config.mqtt import TlsSection


def password(file: Path | None) -> str | None:
    """The password that `file` holds; None without one. Raises OSError, ValueError."""
    return None if file is None else file.read_text(encoding="utf-8").strip()


def tls_context(settings: TlsSection | None) -> ssl.SSLContext | None:
    """A context for a client of a broker; None without TLS. Raises OSError, as SSLError is."""
    if settings is None:
        return None
    ca_file = settings.ca_file
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    if settings.cert_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context
