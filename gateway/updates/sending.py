"""The file's way to a lamppost: trusted, chosen, fetched, sent with others or alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.buffer.state import Transfer
from gateway.errors import BadReply, GatewayError, NodeRefused, NoReply
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.updates.choice import asks_for_the_whole_image, choose
from gateway.updates.images import ImageUnavailable, hash_of
from gateway.updates.installed import active, hash_in, idle_with, image_slots
from gateway.updates.means import Means
from gateway.updates.members import Outcome
from gateway.updates.multicast import Multicasts
from gateway.updates.steps import Step
from gateway.updates.trusted import NotTrusted, TrustedImage
from protocol import smp
from protocol.errors import ProtocolError

_IMAGE_TIMEOUT_S = 60.0
# SMP's image group answers so to a file that arrived altered, whoever altered it.
_ALTERED = (smp.GROUP_IMAGE, 24)
_MOST_ALTERED = 3


class Next(NamedTuple):
    """The step that follows, and why when it is an end."""

    step: Step
    reason: str = ""


class NotTheImage(GatewayError):
    """The file is not the image that the release speaks of; another will not come."""


class LinkChanged(GatewayError):
    """The upload goes on by another link, whose slots are others."""


class Sending:
    """Of `transfer`, whose file it chooses, to `lamppost`.

    changed: called when there is something new to report.

    Attributes:
        progress: share of the file that the lamppost has, 0..1.
        uploading: whether it has taken a chunk.
    """

    def __init__(
        self, transfer: Transfer, lamppost: Lamppost, means: Means, changed: Callable[[], None]
    ) -> None:
        self.progress = 0.0
        self.uploading = False
        self._transfer = transfer
        self._lamppost = lamppost
        self._means = means
        self._changed = changed
        self._fresh = False
        self._altered = 0

    async def choose(self) -> Next:
        """FETCH: what brings the lamppost to the release, and whether that is here.

        Raises NotTrusted and NotTheImage, which end it, TrustUnavailable, ImageUnavailable, and as
        Session.ask does.
        """
        running = await self._running()
        if isinstance(running, Next):
            return running
        transfer = self._transfer
        trusted = await self._trusted()
        if trusted is not None:
            board = self._lamppost.facts["board"] if self._lamppost.facts else None
            refused = [delta.sha256 for delta in trusted.deltas] if transfer.whole else []
            choice = choose(trusted, board, running, refused)
            transfer.file, transfer.file_size = choice.sha256, choice.size
        if trusted is None or not await self._delta_is_here():
            transfer.file, transfer.file_size = transfer.image, transfer.size
            await self._file()
        self._fresh = True
        return Next(self._way())

    async def multicast(self) -> Next:
        """MULTICAST: with others of the bus. Raises as `choose` does."""
        multicasts = self._multicasts()
        if multicasts is None:
            return self._alone()
        if self._lamppost.link != "up":
            raise NoReply("the lamppost is silent")
        await self._trusted()
        fresh, self._fresh = self._fresh, False
        outcome = await multicasts.receive(
            self._lamppost, self._transfer.file, self._file, fresh, self._progressed
        )
        self._lamppost.log.debug("multicast ended", outcome=outcome.name.lower())
        match outcome:
            case Outcome.COMPLETE:
                return Next(Step.VERIFY)
            case Outcome.SILENT:
                raise NoReply("silent during the multicast")
            case Outcome.ALONE:
                return self._alone()
            case Outcome.REFUSED | Outcome.LEFT:
                self._means.figures.fallbacks += 1
                self._lamppost.log.info(
                    "multicast did not do: uploaded alone", outcome=outcome.name.lower()
                )
                return self._alone()

    async def upload(self) -> Next:
        """UPLOAD: to this lamppost alone. Raises as `choose` does, and LinkChanged."""
        async with self._means.slots.of(self._lamppost):
            slots = await image_slots(self._lamppost)
            running = active(slots)
            if running is not None and hash_in(running) == self._transfer.hash:
                return Next(Step.CONFIRMED if running["confirmed"] else Step.TRIAL)
            if idle_with(slots, self._transfer.hash) is not None:
                return Next(Step.VERIFY)
            await self._trusted()
            try:
                await self._send(await self._file())
            except NodeRefused as refused:
                return self._refused(refused)
        self._means.figures.uploads += 1
        return Next(Step.VERIFY)

    def _alone(self) -> Next:
        self._transfer.multicast = False
        return Next(Step.UPLOAD)

    def _way(self) -> Step:
        multicasts = self._multicasts()
        self._transfer.multicast = multicasts is not None
        return Step.UPLOAD if multicasts is None else Step.MULTICAST

    def _multicasts(self) -> Multicasts | None:
        if self._lamppost.bus is None or self._lamppost.session.route.best.kind != "bus":
            return None
        multicasts = self._means.multicasts.get(self._lamppost.bus)
        return multicasts if multicasts is not None and multicasts.any_others() else None

    async def _running(self) -> Next | str:
        """The hash of what runs, or what follows when that is the release."""
        lamppost = self._lamppost
        # Facts read since this start, which are read again whenever they change.
        known = lamppost.facts if lamppost.link == "up" and lamppost.facts_at > 0 else None
        if known is not None and known["hash"] != self._transfer.hash:
            return str(known["hash"])
        slot = active(await image_slots(self._lamppost))
        if slot is None or hash_in(slot) != self._transfer.hash:
            return "" if slot is None else hash_in(slot)
        return Next(Step.CONFIRMED if slot["confirmed"] else Step.TRIAL)

    async def _trusted(self) -> TrustedImage | None:
        if self._means.trust is None:
            return None
        transfer = self._transfer
        trusted = await self._means.trust.release(transfer.image)
        if (trusted.hash, trusted.size) != (transfer.hash, transfer.size):
            raise NotTrusted(
                f"the release asked for has hash {transfer.hash} and {transfer.size} bytes, "
                f"signed is hash {trusted.hash} and {trusted.size} bytes"
            )
        return trusted

    async def _delta_is_here(self) -> bool:
        if not self._transfer.is_delta:
            return False
        try:
            await self._file()
        except ImageUnavailable as error:
            # The image does as well, at the cost of time.
            self._lamppost.log.warning(
                "delta not to be had: the whole image is sent", why=str(error)
            )
            return False
        return True

    async def _file(self) -> bytes:
        transfer = self._transfer
        name, size = transfer.file or transfer.image, transfer.file_size or transfer.size
        data = await self._means.images.get(name, size, _IMAGE_TIMEOUT_S)
        if not transfer.is_delta:
            try:
                found = hash_of(data)
            except ProtocolError as error:
                raise NotTheImage(str(error)) from error
            if found != transfer.hash:
                raise NotTheImage(f"the image has hash {found}, the release says {transfer.hash}")
        return data

    async def _send(self, data: bytes) -> None:
        upload = management.Upload(self._lamppost, data)
        kind = self._lamppost.session.route.best.kind
        before = 0

        def progressed() -> None:
            nonlocal before
            # The first chunk of an upload that is resumed brings no bytes.
            if before or upload.offset <= self._lamppost.session.route.best.mtu:
                self._means.figures.upload_bytes += max(0, upload.offset - before)
                self._means.figures.chunks += 1
            before = upload.offset
            self._progressed(upload.offset / len(data))
            now = self._lamppost.session.route.best.kind
            if now != kind and upload.offset < len(data):
                raise LinkChanged(f"from {kind} to {now} at {upload.offset} of {len(data)} bytes")

        try:
            await upload.run(progressed)
        finally:
            self._means.figures.chunks_repeated += upload.repeated

    def _progressed(self, share: float) -> None:
        self.progress = share
        self.uploading = self.uploading or share > 0
        self._changed()

    def _refused(self, refused: NodeRefused) -> Next:
        """What follows when the lamppost refuses the file. Raises NodeRefused when that ends it."""
        transfer = self._transfer
        if transfer.is_delta and asks_for_the_whole_image(refused):
            self._lamppost.log.info("delta refused: the whole image follows", why=str(refused))
            transfer.whole = True
            return Next(Step.FETCH)
        self._altered += (refused.group, refused.code) == _ALTERED
        if (refused.group, refused.code) == _ALTERED and self._altered < _MOST_ALTERED:
            raise BadReply(f"the file arrived altered: {refused}") from refused
        raise refused
