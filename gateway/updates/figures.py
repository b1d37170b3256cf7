"""What updates have cost so far, for whoever watches the gateway."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Figures:
    """Counters since the gateway's start.

    Attributes:
        uploads: uploads to single lampposts that came to their end.
        multicasts: multicasts begun.
        upload_bytes: bytes of files taken by single lampposts.
        multicast_bytes: bytes of files said to all, or to one that had missed them.
        chunks: chunks sent, whichever way.
        chunks_repeated: those of them that had been sent before.
        fallbacks: lampposts that went from a multicast to an upload of their own.
    """

    uploads: int = 0
    multicasts: int = 0
    upload_bytes: int = 0
    multicast_bytes: int = 0
    chunks: int = 0
    chunks_repeated: int = 0
    fallbacks: int = 0
