"""An image that comes by multicast: the update manager's part in it, loaded when it is needed.

See protocol/multicast.py for how it goes.
"""

from protocol import messages
from protocol import multicast as wire

from . import refusal
from .multicast import Multicast
from .refusal import Refused, failure


class Reception:
    """Multicast for `manager`, an UpdateManager, of which this is a part.

    file: the transfer under way.
    """

    def __init__(self, manager):
        self._manager = manager
        self.file = Multicast(manager.boot.root)

    async def start(self, sha: bytes, length: int, chunk: int) -> dict:
        """Expect the file with this SHA-256 in chunks; {} or {"err": ...}.

        The same once more goes on with what is here.
        """
        async with self._manager.lock:
            return await self._manager.guarded(self._expect(sha, length, chunk), self.file)

    async def chunk(self, name: bytes, index: int, data: bytes) -> dict:
        """Chunk `index` of the transfer `name`; {} also when it is not wanted, or {"err": ...}."""
        if not self._is(name):
            return {}
        async with self._manager.lock:
            return await self._manager.guarded(self._receive(name, index, data), self.file)

    def state(self, name: bytes, first: int) -> dict:
        """What is missing of the transfer `name`, from chunk `first` on."""
        file = self.file
        if self._is(name):
            return wire.state_reply(wire.RECEIVING, file.missing, first, file.bitmap(first))
        progress = self._manager.progress
        state = wire.NONE
        if progress.id[: len(name)] == name:
            state = wire.REFUSED if progress.state == messages.UPDATE_VERIFYING else wire.DONE
        return wire.state_reply(state, 0, first, b"")

    async def stop(self) -> dict:
        """Forget the transfer under way; {} or {"err": ...}."""
        async with self._manager.lock:
            try:
                self.file.drop()
            except OSError:
                return failure(refusal.IMG_FLASH_WRITE_FAILED)
            finally:
                self._manager.changed()
        return {}

    def _is(self, name: bytes) -> bool:
        return self.file.active and self.file.sha[: len(name)] == name

    async def _expect(self, sha: bytes, length: int, chunk: int) -> dict:
        manager = self._manager
        file = self.file
        progress = manager.progress
        if await manager.holds("upload", sha):
            # For `state`, of whoever asks whether we have it.
            if progress.id != sha or progress.state == messages.UPDATE_VERIFYING:
                progress.note(sha, messages.UPDATE_READY)
            return {}
        if manager.boot.trial:
            # The idle slot holds what this trial would revert to.
            return failure(refusal.IMG_ALREADY_PENDING)
        if file.active and (file.sha, file.length, file.chunk) == (sha, length, chunk):
            if file.complete:
                # The power went while it was verified.
                await manager.install(file)
            return {}
        try:
            progress.check(sha)
            shares = manager.budget()
            shares.check_image(length)
            # The last chunk is filled up, and each has its number beside it.
            stored = (length + chunk - 1) // chunk * (chunk + 2)
            shares.check_free(manager.boot.root, stored, manager.offset)
        except Refused as refused:
            return manager.note(refused)
        manager.forget_last()
        manager.drop_upload()
        file.begin(length, sha, chunk)
        manager.gate.begun(True)
        return {}

    async def _receive(self, name: bytes, index: int, data: bytes) -> dict:
        if self._is(name):  # still, after a wait for the lock
            if self.file.take(index, data):
                self._manager.gate.moved()
            if self.file.complete:
                await self._manager.install(self.file)
        return {}
