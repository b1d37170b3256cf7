"""The image group of a node: upload, multicast, verification, unpacking, slot states, trial."""

import asyncio
import os
from binascii import hexlify

from protocol import image as layout
from protocol import messages

from ..log import DEFAULT_LIMIT
from . import budget, image, refusal, romfs
from .gate import Gate
from .progress import Progress
from .refusal import Refused, failure
from .store import slot_store
from .upload import Upload


class UpdateManager:
    """Takes images in and says what starts next.

    boot: what the boot stage handed over; identity: this node's identity (board, release_key);
    log_limit: bytes of flash that are the log's, which no update may take.

    Attributes:
        reason: why the last image was refused or reverted, in words; "" when neither.
        code: code of the last refusal (refusal.py), 0 when there is none.
        taken: bytes of the last image when it came by multicast, else 0.
        on_change: called without arguments when `state` or `reason` may have changed, or None.
    """

    def __init__(self, boot, identity: dict, clock=None, log_limit: int = DEFAULT_LIMIT):
        self.boot = boot
        self.code = 0
        self.on_change = None
        self._identity = identity
        self._clock = clock
        self.taken = 0
        self._upload = Upload(boot.root)
        self._reception = None
        self.progress = Progress(boot.root)
        self._refusal = ""
        self._verifying = False
        # Length of the last file installed: its last chunk may come again when the answer was lost.
        self._installed = 0
        self.lock = asyncio.Lock()
        self.gate = Gate()
        self._log_limit = log_limit
        self._shares = None
        try:
            os.stat(boot.root + "/multicast.json")
        except OSError:
            return  # none under way
        self.reception()

    @property
    def offset(self) -> int:
        """Bytes of the upload or multicast under way that are here."""
        return self._upload.offset + (self._reception.file.offset if self._reception else 0)

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
        if self._upload.active or (self._reception and self._reception.file.active):
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

    async def upload(self, body: dict, ours: bool = True, certain: bool = False) -> dict:
        """Image upload: {"off", "data", and at off 0 "len", optional "sha", "image", "upgrade"}.

        ours: it came sealed, or by a link that is not in everybody's reach; certain: sealed, or by
        the console; see `Gate`.

        Answers {"off": bytes that are here}, with "match": True once the image is verified and in
        the idle slot; or {"err": ...} when it is not taken (`code` and `reason` say why).
        """
        async with self.lock:
            return await self.guarded(self._take(body, ours, certain), self._upload)

    def reception(self):
        """What takes an image that comes by multicast; its code is loaded at the first call."""
        if self._reception is None:
            from .reception import Reception

            self._reception = Reception(self)
        return self._reception

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
        async with self.lock:
            try:
                rc = self._set_state(image_hash, confirm)
            except Refused as refused:
                self.note(refused)
                rc = refused.rc
            except OSError:
                rc = refusal.IMG_FLASH_WRITE_FAILED
            finally:
                self.changed()
        return failure(rc) if rc else self.image_state()

    async def erase(self) -> dict:
        """Empty the idle slot and drop the upload; {} or {"err": ...}."""
        async with self.lock:
            try:
                self._drop()
                self.progress.clear()
                await slot_store(self.boot, self.budget()).erase()
            except Refused as refused:
                return failure(refused.rc)
            except OSError:
                return failure(refusal.IMG_FLASH_WRITE_FAILED)
            finally:
                self.changed()
        return {}

    def close(self) -> None:
        """Before a reset that is meant: commit the part of an upload that is here."""
        try:
            self._upload.close()
            if self._reception is not None:
                self._reception.file.close()
        except OSError as error:
            # A few KB are sent again, no more.
            print("update: the upload cannot be committed:", error)

    def confirm(self) -> None:
        """The running image is good. OSError when the flash does not take it."""
        self.boot.confirm()
        if self.progress.state in (messages.UPDATE_PENDING, messages.UPDATE_TRIAL):
            self.progress.note(self._running("upload"), messages.UPDATE_CONFIRMED)
        self.changed()

    def begin_trial(self) -> None:
        """The running image is on trial; told once at its start. Raises nothing."""
        try:
            self.progress.enter(self._running("upload"), messages.UPDATE_TRIAL)
        except (Refused, OSError) as error:
            # The trial has begun already, and ends by its deadline.
            print("update: the trial cannot be counted:", error)

    def give_up(self, why: str) -> None:
        """The trial ends unconfirmed; `why` is told after the reset that has to follow."""
        try:
            self.boot.give_up(why)
        except OSError as error:
            # The reset reverts without it; only the reason is poorer.
            print("update: the reason cannot be written:", error)

    async def guarded(self, work, source) -> dict:
        """The answer of `work`, or the refusal it ends with, for which `source` is dropped."""
        try:
            return await work
        except Refused as refused:
            return self._refuse(refused, source)
        except OSError as error:
            refused = Refused(refusal.FLASH, "writing to flash failed (%s)" % error)
            return self._refuse(refused, source)
        finally:
            self.changed()

    def drop_upload(self) -> None:
        """Forget the upload under way. OSError from the flash."""
        self._upload.drop()

    def _drop(self) -> None:
        """Forget what is under way. OSError from the flash."""
        self._upload.drop()
        if self._reception is not None:
            self._reception.file.drop()
            self._reception = None

    def forget_last(self) -> None:
        """Another image is coming: what became of the last one is of no interest."""
        self._refusal = ""
        self.code = 0
        self._installed = 0
        self.taken = 0

    async def _take(self, body: dict, ours: bool, certain: bool) -> dict:
        offset = body.get("off")
        data = body.get("data", b"")
        if not isinstance(offset, int) or offset < 0:
            return failure(refusal.IMG_INVALID_OFFSET)
        if not isinstance(data, bytes):
            return failure(refusal.IMG_INVALID_LENGTH)
        upload = self._upload
        if offset == 0:
            answer = await self._begin(body, data, ours)
            if answer is not None:
                return answer
            self.gate.certain = self.gate.certain or certain
        if offset != upload.offset or not upload.active or (self.gate.certain and not certain):
            # A repeated or lost chunk, or a begin that resumes: say where to go on.
            if not upload.active and data and offset + len(data) == self._installed:
                return {"off": self._installed, "match": True}
            if not upload.complete:
                return {"off": upload.offset}
        else:
            if offset + len(data) > upload.length:
                return failure(refusal.IMG_DATA_OVERRUN)
            upload.append(data)
            self.gate.moved()
        if not upload.complete:
            return {"off": upload.offset}
        length = upload.length
        await self.install(upload)
        return {"off": length, "match": True}

    async def _begin(self, body: dict, data: bytes, ours: bool):
        """Look at the first chunk; an answer, or None when its bytes are to be taken.

        Anybody on the bus may send one: nothing is written, and no upload under way dropped, for a
        chunk that cannot be the beginning of an image for which there is room.
        """
        length = body.get("len")
        sha = body.get("sha")
        upload = self._upload
        if not isinstance(length, int) or length <= 0:
            return failure(refusal.IMG_INVALID_LENGTH)
        if sha is not None and (not isinstance(sha, bytes) or len(sha) != 32):
            return failure(refusal.IMG_INVALID_HASH)
        if body.get("image") not in (None, 0):
            return failure(refusal.IMG_INVALID_SLOT)
        if sha is not None and await self.holds("upload", sha):
            return {"off": length, "match": True}
        if self.boot.trial:
            # The idle slot holds what this trial would revert to.
            return failure(refusal.IMG_ALREADY_PENDING)
        if upload.active and sha is not None and upload.sha == sha and upload.length == length:
            return None
        if not self.gate.opens(ours, self.state == messages.UPDATE_UPLOADING):
            # Without a word in STATUS, which a stranger is not to fill.
            return failure(refusal.IMG_ALREADY_PENDING)
        upgrade = body.get("upgrade") is True
        try:
            self.progress.check(sha)
            shares = self.budget()
            shares.check_image(length)
            header, _, _, version = image.parse_head(data, length)
            if upgrade:
                self._check_newer(version)
            preface = layout.parse_delta_preface(data[header:])
            if preface is not None:
                if await self.holds("hash", preface[1]):
                    return {"off": length, "match": True}
                self._check_base(preface[0])
            shares.check_free(self.boot.root, length, self.offset)
        except Refused as refused:
            return self.note(refused)
        self.forget_last()
        self._drop()
        upload.begin(length, sha, upgrade)
        self.gate.begun(ours)
        return None

    def _check_base(self, base_hash: bytes) -> None:
        """Refused when a delta was made from another release than the running one."""
        running = self._running("hash")
        if running != base_hash:
            raise Refused(
                refusal.DELTA_BASE,
                "delta from release %s, %s runs; send the whole image"
                % (_hex(base_hash), _hex(running)),
            )

    def _running(self, key: str):
        """What the running slot's entry has for `key`; b"" when the slot does not say."""
        running = self.boot.slots()[self.boot.slot]
        return running[key] if running is not None else b""

    async def holds(self, key: str, value: bytes) -> bool:
        """Whether a slot with `key` ("upload": SHA-256 of the file, or "hash") can be started."""
        for slot in self.boot.slots():
            if slot is None or slot[key] != value:
                continue
            if slot["active"]:
                return True  # it was checked before it was started
            problem = ""
            for problem in self.boot.checking_installed(slot["slot"]):  # noqa: B007 - the last
                await asyncio.sleep(0)
            if not problem:
                return True
        return False

    def budget(self):
        """Who may have how much of the flash: a Budget, made at the first call."""
        if self._shares is None:
            slots = self.boot.slots_store
            self._shares = budget.of(self.boot.root, self._log_limit, slots.capacity)
        return self._shares

    def _check_newer(self, version: tuple) -> None:
        running = self.boot.slots()[self.boot.slot]
        if running is not None and version[:3] <= _numbers(running["version"]):
            raise Refused(
                refusal.NOT_NEWER,
                "version %d.%d.%d, %s runs already" % (version[:3] + (running["version"],)),
            )

    async def install(self, source) -> None:
        """Verify the complete upload or multicast and unpack it to the idle slot."""
        # No step yet: anybody may send rubbish under the SHA-256 of a release.
        self.progress.note(source.sha, messages.UPDATE_VERIFYING)
        self._verifying = True
        self.changed()
        shares = self.budget()
        store = slot_store(self.boot, shares)
        base = None
        try:
            with source.open() as file:
                info = await image.verify(
                    file,
                    source.length,
                    self._identity["release_key"],
                    self._identity["board"],
                    self.boot.security_counter(),
                    source.sha,
                )
                self.progress.enter(source.sha, messages.UPDATE_VERIFYING)
                if source.upgrade:
                    self._check_newer(info.version)
                shares.check_inflated(info.inflated_size)
                if info.base is not None:
                    base = await self._base(info.base)
                await store.erase()
                store.begin(info)
                file.seek(info.payload_offset)
                stream = _inflated(file)
                if base is not None:
                    from .delta import Patched

                    stream = Patched(stream, base, info.inflated_size)
                await romfs.unpack(stream, info.inflated_size, info.inflated_sha, store)
            await store.finish()
        except (Refused, OSError):
            await store.abandon()
            raise
        finally:
            self._verifying = False
            if base is not None:
                base.close()
        self.progress.note(source.sha, messages.UPDATE_READY)
        self.gate.well()
        self._installed = source.length
        self.taken = 0 if source is self._upload else source.length
        source.drop()

    async def _base(self, described: tuple):
        """The running release as the base that a delta describes. Raises Refused, OSError."""
        from . import base, delta

        self._check_base(described[0])
        reader = base.running(self.boot)
        try:
            await delta.check_base(reader, described[1], described[2])
        except (Refused, OSError):
            reader.close()
            raise
        return reader

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
        self.progress.enter(slot["upload"], messages.UPDATE_PENDING)
        self._refusal = ""
        self.code = 0
        self.boot.mark_pending(slot["slot"], confirm)
        return 0

    def _refuse(self, refused: Refused, source) -> dict:
        try:
            source.drop()
        except OSError as error:
            print("update: the upload cannot be removed:", error)
        return self.note(refused)

    def note(self, refused: Refused) -> dict:
        """Keep why an image is not taken; the answer that says so."""
        self.code = refused.code
        self._refusal = refused.text
        print("update: refused:", refused.text)
        return failure(refused.rc)

    def changed(self) -> None:
        """Tell whoever listens that `state` or `reason` may be another."""
        if self.on_change is not None:
            self.on_change()


def _inflated(file):
    import deflate

    # 1 KiB of window: 2.5 KB of heap, where the full one takes 34 KB.
    return deflate.DeflateIO(file, deflate.RAW, 10)


def _numbers(version: str) -> tuple:
    return tuple([int(part) if part.isdigit() else 0 for part in version.split(".")[:3]])


def _hex(digest: bytes) -> str:
    return hexlify(digest[:4]).decode()
