"""JSON from outside, as far as a JSON object: what it holds is for others to check."""

from __future__ import annotations

import json
from typing import Any, cast


def json_object(payload: bytes, most: int) -> dict[str, Any]:
    """The object in `payload`, of at most `most` bytes. Raises ValueError for anything else."""
    if len(payload) > most:
        raise ValueError(f"{len(payload)} bytes, expected at most {most}")
    try:
        document: Any = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, got {payload[:40]!r}")
    return cast("dict[str, Any]", document)
