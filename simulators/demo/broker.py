"""mosquitto for the demo: on the loopback interface only, keeping what it holds over a restart."""

import asyncio
import contextlib
import os
from pathlib import Path

from simulators.demo.children import Child, ChildFailed, Children
from simulators.ports import free_port
from simulators.tools import mosquitto

_ANSWER_SECONDS = 15.0
_RETRY_SECONDS = 0.05

CONFIGURATION = """\
# The demo's broker. It listens on this machine only, so it asks nobody who they are.
listener {port} 127.0.0.1
allow_anonymous true
{user}persistence true
persistence_location {folder}/
# A session that is away may hold any number of messages: none of them is dropped.
max_queued_messages 0
log_dest stdout
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S
"""


class Broker:
    """The broker as a child process, on the same port however often it is started.

    Raises:
        ToolError: there is no mosquitto.
    """

    def __init__(self, children: Children, folder: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "mosquitto.conf"
        # As root, mosquitto would become a user who cannot write our folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        configuration.write_text(
            CONFIGURATION.format(port=self.port, folder=folder, user=user), encoding="utf-8"
        )
        self.child: Child = children.add("broker", [*mosquitto(), "-c", str(configuration)])

    async def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises:
            ChildFailed: it ends, or takes none in time.
        """
        await self.child.start()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                while not await _answers(self.port):
                    self.child.check()
                    await asyncio.sleep(_RETRY_SECONDS)
        except TimeoutError as error:
            raise ChildFailed(
                f"expected the broker to listen on port {self.port} within {_ANSWER_SECONDS:g} s; "
                f"{self.child.last_words()}"
            ) from error

    async def stop(self) -> None:
        """Stop it as a service manager would; what it holds is on disk afterwards."""
        await self.child.terminate()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
