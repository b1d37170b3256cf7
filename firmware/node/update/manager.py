"""The image group of a node: upload, verification, unpacking, slot states, trial."""

import asyncio

from protocol import messages, smp

from ..log import DEFAULT_LIMIT
from . import budget, image, refusal, romfs
from .refusal import Refused
from .store import SlotStore
from .upload import Upload


class UpdateManager:
    """Takes images in and says what starts next.

    boot: what the boot stage handed over; identity: this node's identity (board, release_key);
    log_limit: bytes of flash that are the log's, which no update may take.

    Attributes:
        reason: why the last image was refused or reverted, in words; "" when neither.
        code: code of the last refusal (refusal.py), 0 when there is none.
        on_change: called without arguments when `state` or `reason` may have changed, or None.
    """

    def __init__(self, boot, identity: dict, clock=None, log_limit: int = DEFAULT_LIMIT):
        self.boot = boot
        self.code = 0
        self.on_change = None
        self._identity = identity
        self._clock = clock
        self._upload = Upload(boot.root)
        self._refusal = ""
        self._verifying = False
        # Length of the last file installed: its last chunk may come again when the answer was lost.
        self._installed = 0
        self._lock = asyncio.Lock()
        self._log_limit = log_limit
        self._shares = None

    @property
    def offset(self) -> int:
        """Bytes of the upload under way that are here."""
        return self._upload.offset

    @property
    def reason(self) -> str:
        """Why the image wanted last does not run; "" when it does, or none was."""
        return self._refusal or self.boot.reverted

    @property
    def state(self) -> int:
        """One of messages.UPDATE_*."""
        if self._verifying:
            return messages.UPDATE_VERIFYING
        if self.boot.trial:
            return messages.UPDATE_TRIAL
        if self._upload.active:
            return messages.UPDATE_UPLOADING
        if self._refusal:
            return messages.UPDATE_REFUSED
        other = self.boot.slots()[self.boot.idle_slot]
        if other is not None and other["pending"]:
            return messages.UPDATE_PENDING
        if self.boot.reverted:
            return messages.UPDATE_REVERTED
        if other is None:
            return messages.UPDATE_IDLE
        return messages.UPDATE_CONFIRMED if other["proven"] else messages.UPDATE_READY

    async def upload(self, body: dict) -> dict:
        """Image upload: {"off", "data", and at off 0 "len", optional "sha", "image", "upgrade"}.

        Answers {"off": bytes that are here}, with "match": True once the image is verified and in
        the idle slot; or {"err": ...} when it is not taken (`code` and `reason` say why).
        """
        async with self._lock:
            try:
                return await self._take(body)
            except Refused as refused:
                return self._refuse(refused)
            except OSError as error:
                return self._refuse(Refused(refusal.FLASH, "writing to flash failed (%s)" % error))
            finally:
                self._changed()

    def image_state(self) -> dict:
        """Image state read: {"images": [one map per slot that holds an image]}."""
        images = []
        for slot in self.boot.slots():
            if slot is not None:
                images.append(
                    {
                        "image": 0,
                        "slot": slot["slot"],
                        "version": slot["version"],
                        "hash": slot["hash"],
                        "bootable": True,
                        "pending": slot["pending"],
                        "confirmed": slot["confirmed"],
                        "active": slot["active"],
                        "permanent": slot["permanent"],
                    }
                )
        return {"images": images, "splitStatus": 0}

    async def set_state(self, image_hash, confirm: bool) -> dict:
        """Image state write: test the image with this hash, or confirm it.

        image_hash: 32 bytes, or None for the running image (confirm only). Answers `image_state`
        or {"err": ...}. An image that never ran here is not confirmed unseen: test it first.
        """
        async with self._lock:
            try:
                rc = self._set_state(image_hash, confirm)
            except OSError:
                rc = refusal.IMG_FLASH_WRITE_FAILED
            finally:
                self._changed()
        return _error(rc) if rc else self.image_state()

    async def erase(self) -> dict:
        """Empty the idle slot and drop the upload; {} or {"err": ...}."""
        async with self._lock:
            try:
                self._upload.drop()
                await SlotStore(self.boot, self._budget()).erase()
            except Refused as refused:
                return _error(refused.rc)
            except OSError:
                return _error(refusal.IMG_FLASH_WRITE_FAILED)
            finally:
                self._changed()
        return {}

    def close(self) -> None:
        """Before a reset that is meant: commit the part of an upload that is here."""
        try:
            self._upload.close()
        except OSError as error:
            # A few KB are sent again, no more.
            print("update: the upload cannot be committed:", error)

    def confirm(self) -> None:
        """The running image is good. OSError when the flash does not take it."""
        self.boot.confirm()
        self._changed()

    def give_up(self, why: str) -> None:
        """The trial ends unconfirmed; `why` is told after the reset that has to follow."""
        try:
            self.boot.give_up(why)
        except OSError as error:
            # The reset reverts without it; only the reason is poorer.
            print("update: the reason cannot be written:", error)

    async def _take(self, body: dict) -> dict:
        offset = body.get("off")
        data = body.get("data", b"")
        if not isinstance(offset, int) or offset < 0:
            return _error(refusal.IMG_INVALID_OFFSET)
        if not isinstance(data, bytes):
            return _error(refusal.IMG_INVALID_LENGTH)
        upload = self._upload
        if offset == 0:
            answer = await self._begin(body, data)
            if answer is not None:
                return answer
        if offset != upload.offset or not upload.active:
            # A repeated or lost chunk, or a begin that resumes: say where to go on.
            if not upload.active and data and offset + len(data) == self._installed:
                return {"off": self._installed, "match": True}
            if not upload.complete:
                return {"off": upload.offset}
        else:
            if offset + len(data) > upload.length:
                return _error(refusal.IMG_DATA_OVERRUN)
            upload.append(data)
        if not upload.complete:
            return {"off": upload.offset}
        length = upload.length
        await self._install()
        return {"off": length, "match": True}

    async def _begin(self, body: dict, data: bytes):
        """Look at the first chunk; an answer, or None when its bytes are to be taken.

        Anybody on the bus may send one: nothing is written, and no upload under way dropped, for a
        chunk that cannot be the beginning of an image for which there is room.
        """
        length = body.get("len")
        sha = body.get("sha")
        upload = self._upload
        if not isinstance(length, int) or length <= 0:
            return _error(refusal.IMG_INVALID_LENGTH)
        if sha is not None and (not isinstance(sha, bytes) or len(sha) != 32):
            return _error(refusal.IMG_INVALID_HASH)
        if body.get("image") not in (None, 0):
            return _error(refusal.IMG_INVALID_SLOT)
        if sha is not None and await self._holds(sha):
            return {"off": length, "match": True}
        if self.boot.trial:
            # The idle slot holds what this trial would revert to.
            return _error(refusal.IMG_ALREADY_PENDING)
        if upload.active and sha is not None and upload.sha == sha and upload.length == length:
            return None
        upgrade = body.get("upgrade") is True
        try:
            shares = self._budget()
            shares.check_image(length)
            version = image.parse_head(data, length)[3]
            if upgrade:
                self._check_newer(version)
            shares.check_free(self.boot.root, length, upload.offset)
        except Refused as refused:
            return self._note(refused)
        self._refusal = ""
        self.code = 0
        self._installed = 0
        upload.begin(length, sha, upgrade)
        return None

    async def _holds(self, sha: bytes) -> bool:
        """Whether a slot holds the image file with this SHA-256, and can be started."""
        for slot in self.boot.slots():
            if slot is None or slot["upload"] != sha:
                continue
            if slot["active"]:
                return True  # it was checked before it was started
            problem = ""
            for problem in self.boot.checking_installed(slot["slot"]):  # noqa: B007 - the last
                await asyncio.sleep(0)
            if not problem:
                return True
        return False

    def _budget(self):
        if self._shares is None:
            self._shares = budget.of(self.boot.root, self._log_limit)
        return self._shares

    def _check_newer(self, version: tuple) -> None:
        running = self.boot.slots()[self.boot.slot]
        if running is not None and version[:3] <= _numbers(running["version"]):
            raise Refused(
                refusal.NOT_NEWER,
                "version %d.%d.%d, %s runs already" % (version[:3] + (running["version"],)),
            )

    async def _install(self) -> None:
        """Verify the complete upload and unpack it to the idle slot."""
        upload = self._upload
        self._verifying = True
        self._changed()
        shares = self._budget()
        store = SlotStore(self.boot, shares)
        try:
            with open(upload.path, "rb") as file:
                info = await image.verify(
                    file,
                    upload.length,
                    self._identity["release_key"],
                    self._identity["board"],
                    self.boot.security_counter(),
                    upload.sha,
                )
                if upload.upgrade:
                    self._check_newer(info.version)
                shares.check_inflated(info.inflated_size)
                await store.erase()
                store.begin(info)
                file.seek(info.payload_offset)
                await romfs.unpack(_inflated(file), info.inflated_size, info.inflated_sha, store)
            await store.finish()
        except (Refused, OSError):
            await store.abandon()
            raise
        finally:
            self._verifying = False
        self._installed = upload.length
        upload.drop()

    def _set_state(self, image_hash, confirm: bool) -> int:
        """0, or a result code of the image group."""
        if image_hash is None:
            if not confirm:
                return refusal.IMG_INVALID_HASH
            self.boot.confirm()
            return 0
        if not isinstance(image_hash, bytes):
            return refusal.IMG_INVALID_HASH
        for slot in self.boot.slots():
            if slot is not None and slot["hash"] == image_hash:
                break
        else:
            return refusal.IMG_NO_IMAGE
        if slot["active"]:
            if not confirm:
                return refusal.IMG_TEST_TO_ACTIVE_DENIED
            self.boot.confirm()
            return 0
        if slot["security_counter"] < self.boot.security_counter():
            return refusal.IMG_NOT_NEWER
        if self.boot.trial or (confirm and not slot["proven"]):
            return refusal.IMG_CONFIRMATION_DENIED
        self._refusal = ""
        self.code = 0
        self.boot.mark_pending(slot["slot"], confirm)
        return 0

    def _refuse(self, refused: Refused) -> dict:
        try:
            self._upload.drop()
        except OSError as error:
            print("update: the upload cannot be removed:", error)
        return self._note(refused)

    def _note(self, refused: Refused) -> dict:
        self.code = refused.code
        self._refusal = refused.text
        print("update: refused:", refused.text)
        return _error(refused.rc)

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()


def _inflated(file):
    import deflate

    # 1 KiB of window: 2.5 KB of heap, where the full one takes 34 KB.
    return deflate.DeflateIO(file, deflate.RAW, 10)


def _numbers(version: str) -> tuple:
    return tuple([int(part) if part.isdigit() else 0 for part in version.split(".")[:3]])


def _error(rc: int) -> dict:
    return smp.error(smp.GROUP_IMAGE, rc)
