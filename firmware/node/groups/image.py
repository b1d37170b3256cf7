"""SMP group 1: state, upload and erasure of images, all of it the update manager's work.

MULTICAST of group 64 comes here as well.
"""

from protocol import smp

from . import CONSOLE, Refused, unsupported

# Links that anybody in the street may speak on.
_EVERYBODYS = ("ble", "lan")


class ImageGroup:
    """manager: an UpdateManager, whose answers are the bodies of the replies."""

    def __init__(self, manager):
        self._manager = manager

    async def handle(self, request):
        """Answer one request of this group."""
        if request.group == smp.GROUP_STREET:
            return await self._multicast(request)
        if request.command == smp.IMAGE_STATE:
            if not request.writes:
                return self._manager.image_state()
            request.require_presence()
            return await self._set_state(request.body)
        if request.command == smp.IMAGE_UPLOAD and request.writes:
            # Open to all: only a signed image for this board is ever started.
            ours = request.sealed or request.link not in _EVERYBODYS
            certain = request.sealed or request.link == CONSOLE
            return await self._manager.upload(request.body, ours, certain)
        if request.command == smp.IMAGE_ERASE and request.writes:
            request.require_presence()
            return await self._manager.erase()
        raise unsupported()

    async def _multicast(self, request):
        from protocol import multicast

        reception = self._manager.reception()
        if not request.writes:
            return reception.state(*multicast.parse_state_request(request.body))
        if "d" in request.body:
            # Open to all, as an upload is.
            return await reception.chunk(*multicast.parse_chunk(request.body))
        # It drops what is under way, so it is the gateway's, or for who stands at the lamppost.
        request.require_presence()
        start = multicast.parse_start(request.body)
        if start is None:
            return await reception.stop()
        return await reception.start(*start)

    async def _set_state(self, body):
        image_hash = body.get("hash")
        confirm = body.get("confirm", False)
        # Clients name no hash, or an empty one, for the running image.
        if image_hash == b"":
            image_hash = None
        if image_hash is not None and not (isinstance(image_hash, bytes) and len(image_hash) == 32):
            raise Refused(smp.MGMT_ERR_EINVAL, "field hash: expected 32 bytes")
        if confirm not in (True, False):
            raise Refused(smp.MGMT_ERR_EINVAL, "field confirm: expected true or false")
        return await self._manager.set_state(image_hash, confirm)
