"""Readings as they come to the broker; what ingest does is not disturbed."""

import asyncio
import time
from collections.abc import AsyncGenerator

from aiomqtt import Client

from fleet_cli import topics
from fleet_cli.broker.retained import as_bytes, next_message
from fleet_cli.ingest.payloads import Batch
from fleet_cli.store.rows import RecordRow, RejectedRow

_POLL_S = 1.0


async def tail(
    client: Client, *, run_for_s: float | None = None
) -> AsyncGenerator[RecordRow | RejectedRow]:
    """Each record as it comes, and each thing that is no record.

    Raises:
        aiomqtt.MqttError: the connection was lost.
    """
    await client.subscribe(topics.RECORDS, qos=1)
    loop = asyncio.get_running_loop()
    end = loop.time() + run_for_s if run_for_s is not None else None
    while end is None or loop.time() < end:
        left = _POLL_S if end is None else max(0.0, min(_POLL_S, end - loop.time()))
        message = await next_message(client, left)
        if message is None:
            continue
        batch = Batch()
        batch.add(str(message.topic), as_bytes(message), int(time.time()))
        for row in (*batch.records, *batch.rejected):
            yield row
