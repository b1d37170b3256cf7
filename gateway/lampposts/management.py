"""The requests the gateway makes of lampposts, by name.

Group 64 uses the messages of `protocol.messages`. The image group uses those of `smp`, and
uploads are `smpclient`'s: 6 MB that a gateway loads when the first update comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.errors import BadReply, GatewayError
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from protocol import cbor, configuration, messages, smp
from protocol.errors import ProtocolError

# Writing flash, or looking through a whole image, takes a lamppost longer than an answer does.
FLASH_PATIENCE_S = 2.0
# smpclient's own timeout includes waiting for the line; ours are the ones that count.
CLIENT_TIMEOUT_S = 300.0


def _read(command: int, body: dict[str, Any]) -> bytes:
    return smp.pack(smp.OP_READ, smp.GROUP_STREET, 0, command, body)


def _write(command: int, body: dict[str, Any]) -> bytes:
    return smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 0, command, body)


def readings(
    epoch: int, seq: int, limit: int, acknowledged: tuple[int, int] | None, time: int | None
) -> bytes:
    """The message that asks for records."""
    return _read(
        messages.READINGS, messages.readings_request(epoch, seq, limit, acknowledged, time)
    )


def lamp(level: int | None, seconds: int, why: int = 0, groups: int = 0) -> bytes:
    """The message that overrides the lamp; `why` and `groups` as messages.lamp_request has them."""
    return _write(messages.LAMP, messages.lamp_request(level, seconds, why, groups))


def presence(seconds: int, addresses: bytes = b"") -> bytes:
    """The message that says somebody is near, as messages.presence_request has it."""
    return _write(messages.PRESENCE, messages.presence_request(seconds, addresses))


def identify(seconds: int) -> bytes:
    """The message that makes the lamp blink."""
    return _write(messages.IDENTIFY, messages.identify_request(seconds))


def setting(name: str, value: bytes) -> bytes:
    """The message that writes `value` (CBOR) to the setting `name`."""
    body = {"name": name, "val": value}
    return smp.pack(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, smp.SETTINGS_READ_WRITE, body)


async def status(lamppost: Lamppost, attempts: int | None = None) -> dict[str, Any]:
    """Read STATUS, sealed. Raises as Session.ask does."""
    body = await lamppost.session.ask(_read(messages.STATUS, {}), Traffic.POLL, attempts=attempts)
    try:
        parsed = messages.parse_status(body)
    except ProtocolError as error:
        raise BadReply(f"status: {error}") from error
    if parsed["id"] != lamppost.node:
        raise BadReply(f"status of {parsed['id'].hex()} from the address of {lamppost.id}")
    return parsed


async def lamp_override(lamppost: Lamppost) -> tuple[int, int] | None:
    """(why, seconds left) of the override in force, None without one. Raises as Session.ask."""
    body = await lamppost.session.ask(_read(messages.LAMP, {}), Traffic.POLL)
    try:
        messages.parse_lamp_reply(body)
        return messages.parse_lamp_override(body)
    except ProtocolError as error:
        raise BadReply(f"lamp: {error}") from error


async def lamp_groups(lamppost: Lamppost) -> int:
    """The groups that the lamppost is in: lamp/groups, bit 0 for group 1. Raises as Session.ask."""
    request = smp.pack(
        smp.OP_READ, smp.GROUP_SETTINGS, 0, smp.SETTINGS_READ_WRITE, {"name": "lamp/groups"}
    )
    body = await lamppost.session.ask(request, Traffic.POLL)
    value: Any = body.get("val")
    try:
        groups: Any = cbor.loads(value) if isinstance(value, bytes) else None
    except ProtocolError as error:
        raise BadReply(f"lamp/groups: {error}") from error
    if type(groups) is not int or not 0 <= groups <= messages.ALL_GROUPS:
        raise BadReply(f"lamp/groups: expected 0 to {messages.ALL_GROUPS}, got {groups!r}")
    return groups


async def configure(lamppost: Lamppost, version: int, values: dict[str, Any]) -> None:
    """Write a configuration. Raises NodeRefused with the lamppost's reason, and as Session.ask."""
    request = setting("configuration", configuration.document(version, values))
    await lamppost.session.ask(request, Traffic.TRANSFER, patience_s=FLASH_PATIENCE_S)


async def start_on_next_reset(lamppost: Lamppost, image_hash: bytes) -> None:
    """Mark an uploaded image for a trial. Raises as Session.ask does."""
    from smp.image_management import ImageStatesWriteRequest

    request = ImageStatesWriteRequest(hash=image_hash, confirm=False, sequence=0)
    await lamppost.session.ask(bytes(request), Traffic.TRANSFER, patience_s=FLASH_PATIENCE_S)


async def reset(lamppost: Lamppost) -> None:
    """Restart the lamppost, once. Raises Unsettled when it may have happened, else as ask."""
    request = smp.pack(smp.OP_WRITE, smp.GROUP_OS, 0, smp.OS_RESET, {})
    await lamppost.session.ask(request, Traffic.TRANSFER, idempotent=False)


async def images(lamppost: Lamppost) -> list[dict[str, Any]]:
    """The image slots: slot, version, hash, active, confirmed, pending. Sealed: acted upon."""
    from smp import header as smpheader
    from smp.exceptions import SMPException
    from smp.image_management import ImageStatesReadRequest, ImageStatesReadResponse

    request = bytes(ImageStatesReadRequest(sequence=0))
    body = await lamppost.session.ask(request, Traffic.TRANSFER)
    header = smpheader.Header(
        op=smpheader.OP.READ_RSP,
        version=smpheader.Version.V2,
        flags=smpheader.Flag(0),
        length=0,
        group_id=smpheader.GroupId.IMAGE_MANAGEMENT,
        sequence=0,
        command_id=smpheader.CommandId.ImageManagement.STATE,
    )
    try:
        parsed = ImageStatesReadResponse(header=header, smp_data=b"", **body)
    except (ValueError, TypeError, SMPException) as error:
        raise BadReply(f"image state: {error}") from error
    return [state.model_dump() for state in parsed.images]


class Upload:
    """One image going to one lamppost, by smpclient's own upload, each chunk sealed.

    So a refusal is the lamppost's own, and by radio, where anybody may begin an upload but seldom,
    ours is known for ours. It costs a thirtieth of the line.

    Attributes:
        offset: how far the lamppost has it; the upload resumes where the lamppost says.
        repeated: chunks that were sent and then asked for again.
    """

    def __init__(self, lamppost: Lamppost, image: bytes) -> None:
        from gateway.lampposts.smp_transport import SessionTransport

        self._transport = SessionTransport(lamppost.session, FLASH_PATIENCE_S)
        self._lamppost = lamppost
        self._image = image
        self.offset = 0
        self.repeated = 0

    async def run(self, progressed: Callable[[], None]) -> None:
        """Upload to the end, calling `progressed()` after each chunk; it may raise to end it.

        Raises as Session.ask does.
        """
        from smpclient import SMPClient
        from smpclient.exceptions import SMPClientException

        client = SMPClient(self._transport, self._lamppost.id, CLIENT_TIMEOUT_S)
        stalled = 0
        try:
            await client.connect()
            async for offset in client.upload(
                self._image,
                first_timeout_s=CLIENT_TIMEOUT_S,
                subsequent_timeout_s=CLIENT_TIMEOUT_S,
            ):
                if not 0 <= offset <= len(self._image):
                    raise BadReply(f"upload offset {offset} of {len(self._image)}")
                # The same offset again is a chunk lost and asked for again; for ever is a fault.
                stalled = stalled + 1 if offset <= self.offset else 0
                self.repeated += stalled > 0
                if stalled > 10:
                    raise BadReply(f"the upload does not move beyond offset {offset}")
                self.offset = offset
                progressed()
        except SMPClientException as error:
            raise self._transport.refusal or BadReply(f"upload: {error}") from error
        except GatewayError:
            raise
        except Exception as error:
            # What smpclient then stumbles over (its assertions, types, its CBOR) is said by the
            # lamppost, not by us.
            raise BadReply(f"upload: {type(error).__name__}: {error}") from error
