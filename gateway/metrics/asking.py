"""The questions that the gateway's own commands put to a running gateway, over loopback."""

from __future__ import annotations

import http.client
import json
from typing import Any, cast

from gateway.config.metrics import Address
from gateway.errors import GatewayError

# The endpoint answers within 8 s, even when the event loop hangs.
TIMEOUT_S = 10.0
_LARGEST = 10_000_000


class NotAnswered(GatewayError):
    """No gateway answers at the address, or not as one does."""


def ask(
    address: Address, path: str, gateway: str, timeout_s: float = TIMEOUT_S
) -> tuple[int, dict[str, Any]]:
    """GET `path` of the gateway with the id `gateway` at `address`.

    Gives the HTTP status and the JSON object in the answer. Raises NotAnswered.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(_LARGEST + 1)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotAnswered(f"no gateway answers at {address.url} ({why})") from error
    finally:
        connection.close()
    try:
        if len(body) > _LARGEST:
            raise ValueError(f"over {_LARGEST} bytes")
        document: Any = json.loads(body)
        if not isinstance(document, dict) or "gateway" not in document:
            raise ValueError("no answer of a gateway")
    except (ValueError, RecursionError) as error:
        raise NotAnswered(f"{address.url}{path} is no gateway's: {error}") from error
    answer = cast("dict[str, Any]", document)
    if answer["gateway"] != gateway:
        raise NotAnswered(
            f"not gateway {gateway} answers at {address.url}, but {str(answer['gateway'])[:50]!r}; "
            'give each gateway of this machine its own listen = "..." in [metrics]'
        )
    return response.status, answer
