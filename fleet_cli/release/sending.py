"""A repository brought to the gateways: retained at the broker, their only way out."""

from collections.abc import Iterable

from aiomqtt import Client

from fleet_cli import topics
from fleet_cli.broker import publish


async def send(
    client: Client,
    files: Iterable[tuple[str, bytes]],
    metadata: Iterable[tuple[str, bytes]],
    outdated: Iterable[str] = (),
    dropped: Iterable[str] = (),
) -> None:
    """Retain `files` and `metadata`, and remove what is outdated; done when all is acknowledged.

    Args:
        client: a connected client.
        files: (SHA-256 in hexadecimal, contents) of targets.
        metadata: (name, contents), timestamp.json last.
        outdated: names of metadata that nothing leads to any more.
        dropped: SHA-256 of files that are targets no more.

    Raises:
        aiomqtt.MqttError: the broker did not acknowledge something; send it again.
    """
    # A file goes before what names it, so that a gateway finds whatever it is led to.
    for digest, data in files:
        await publish(client, topics.release(digest), data, retain=True)
    for name, data in metadata:
        await publish(client, topics.release_metadata(name), data, retain=True)
    for name in outdated:
        await publish(client, topics.release_metadata(name), None, retain=True)
    for digest in dropped:
        await publish(client, topics.release(digest), None, retain=True)
