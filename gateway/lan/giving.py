"""How a lamppost comes to know the local network: over a link that works already, sealed."""

from __future__ import annotations

from gateway.errors import BadReply
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.management import FLASH_PATIENCE_S
from gateway.lampposts.turns import Traffic
from protocol import cbor, messages, network, smp
from protocol.errors import ProtocolError

_SWITCH = "link/lan"
_COMMIT = smp.pack(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, smp.SETTINGS_COMMIT, {})
_LAN = messages.LINK_NAMES.index("lan")


async def give_network(lamppost: Lamppost, document: bytes, *, switch_on: bool = True) -> bool:
    """Write the network `document` (of protocol.network) to `lamppost`; whether that restarts it.

    switch_on: also turn its local network on, for which it has to start again when it was off.
    Without, or when the configuration that the city desires says that it is off, it stays off.

    May be made again, after a failure too. Raises NodeRefused with the lamppost's reason, and as
    Session.ask does.
    """
    await _write(lamppost, network.NAME, document)
    if not switch_on or await lan_state(lamppost) is not None:
        return False
    await _write(lamppost, _SWITCH, cbor.dumps(1))
    await _ask(lamppost, _COMMIT)
    await management.reset(lamppost)
    return True


async def lan_state(lamppost: Lamppost) -> tuple[bool, str] | None:
    """(whether its local network is up, why not or ""); None while it is off.

    Raises as Session.ask does.
    """
    request = smp.pack(smp.OP_READ, smp.GROUP_STREET, 0, messages.LINKS, {})
    body = await lamppost.session.ask(request, Traffic.TRANSFER)
    try:
        links = messages.parse_links_reply(body)[2]
    except ProtocolError as error:
        raise BadReply(f"links: {error}") from error
    for code, up, *_, why in links:
        if code == _LAN:
            return up, why
    return None


async def _write(lamppost: Lamppost, name: str, value: bytes) -> None:
    await _ask(lamppost, management.setting(name, value))


async def _ask(lamppost: Lamppost, request: bytes) -> None:
    await lamppost.session.ask(request, Traffic.TRANSFER, patience_s=FLASH_PATIENCE_S)
