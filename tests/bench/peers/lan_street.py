"""A street's lampposts on the local network: a process of its own, so that it shares nobody's loop.

`python -m tests.bench.peers.lan_street FOLDER PORT NODES`; a line `N` on stdin has them write N
records among them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.bench.peers.quick_node import QuickNode
from tests.integration.gateway.fake_node import FakeNode
from tests.integration.lan.test_gateway import on_the_local_network


def nodes(count: int) -> list[FakeNode]:
    """The lampposts of a street of `count`."""
    return [QuickNode(address) for address in range(1, count + 1)]


async def _run(folder: Path, port: int, count: int) -> None:
    street = nodes(count)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    async with asyncio.TaskGroup() as group:
        for node in street:
            group.create_task(on_the_local_network(node, folder, port))
        while order := await orders.readline():
            for number, node in enumerate(street):
                node.append((int(order) + count - 1 - number) // count)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
