"""A bus of lampposts at a pseudo-terminal, in a process of its own; no line to wait for.

`python -m tests.bench.peers.serial_street LINK NODES`: LINK becomes a symbolic link to the port. A
line `N` on stdin has them write N records among them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.bench.peers.lan_street import nodes
from tests.integration.gateway.fake_node import FakeBus


async def _run(link: Path, count: int) -> None:
    street = nodes(count)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    with FakeBus(street) as bus:
        await asyncio.to_thread(link.symlink_to, bus.path)
        while order := await orders.readline():
            for number, node in enumerate(street):
                node.append((int(order) + count - 1 - number) // count)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), int(sys.argv[2])))
