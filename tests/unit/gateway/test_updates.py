"""Updates: withdrawn for good, queued until they move, refused and ended only by sealed words."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.buffer import database
from gateway.buffer.state import State, Transfer, Wish
from gateway.buffer.writer import Writer
from gateway.config import UpdatesSection
from gateway.errors import NodeRefused, NoReply
from gateway.lampposts import management
from gateway.logs import get
from gateway.updates import trial as trial_module
from gateway.updates.figures import Figures
from gateway.updates.images import Images, ImageUnavailable
from gateway.updates.manager import Updates
from gateway.updates.means import Means
from gateway.updates.runner import Runner
from gateway.updates.slots import Slots
from gateway.updates.steps import Step
from gateway.updates.trusted import Delta, NotTrusted, TrustedImage, TrustUnavailable
from protocol import messages, smp
from tests.integration.gateway.images import make_image

NODE = bytes.fromhex("a0b1c2d3e4f5")
IMAGE = make_image(3000)
HASH, OLD = IMAGE[-32:].hex(), "cd" * 32
NAME = sha256(IMAGE).hexdigest()
DELTA = b"what makes the one of the other"
DELTA_NAME = sha256(DELTA).hexdigest()
SETTINGS = UpdatesSection.model_validate({"trial_timeout_s": 1, "settle_s": 0.05, "retry_s": 0.01})


@pytest.fixture
async def state(tmp_path: Path) -> AsyncGenerator[State]:
    writer = Writer(database.open_checked(tmp_path / "gateway.db", get()), lambda why: None)
    writer.start()
    yield State(writer)
    writer.close()


def transfer(step: Step) -> Transfer:
    return Transfer(NODE, "r1", "2.0.0", HASH, NAME, len(IMAGE), step.value)


class Far:
    """A lamppost as `management` shows it."""

    def __init__(self) -> None:
        self.link = "up"
        self.bus = "bus0"
        self.id = NODE.hex()
        self.log = get()
        self.facts: dict[str, Any] | None = None
        self.facts_at = 0.0
        self.kind = "bus"
        self.session = SimpleNamespace(route=SimpleNamespace(best=self))
        self.mtu = 1200
        self.update_state = messages.UPDATE_IDLE
        self.update_reason = ""
        self.slots: list[dict[str, Any]] = [
            {"hash": bytes.fromhex(OLD), "active": True, "confirmed": True, "pending": False,
             "version": "1.0.0"}
        ]  # fmt: skip
        self.refuse_images: Exception | None = None
        # What an upload does after it has called progressed() at these offsets.
        self.offsets = [1000]
        self.then: Callable[[], None] = lambda: None
        self.uploads = 0
        self.sent: list[bytes] = []
        self.uploaded = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def take_facts(self, status: dict[str, Any], now: float) -> None:
        self.facts = status

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        far = self

        class Upload:
            def __init__(self, lamppost: object, image: bytes) -> None:
                self.image = image
                self.offset = 0
                self.repeated = 0

            async def run(self, progressed: Callable[[], None]) -> None:
                far.uploads += 1
                far.sent.append(self.image)
                for self.offset in far.offsets:
                    progressed()
                far.uploaded.set()
                await far.go_on.wait()
                far.then()

        async def status(lamppost: object) -> dict[str, Any]:
            return {"update_state": far.update_state, "update_reason": far.update_reason}

        async def images(lamppost: object) -> list[dict[str, Any]]:
            if far.refuse_images is not None:
                raise far.refuse_images
            return far.slots

        monkeypatch.setattr(management, "Upload", Upload)
        monkeypatch.setattr(management, "status", status)
        monkeypatch.setattr(management, "images", images)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Far:
    made = Far()
    made.install(monkeypatch)
    return made


class Store:
    def __init__(self, **files: bytes) -> None:
        self.files = files or {NAME: IMAGE, DELTA_NAME: DELTA}

    async def get(self, name: str, size: int, timeout: float) -> bytes:
        if name not in self.files:
            raise ImageUnavailable(f"no {name}")
        return self.files[name]

    async def keep_only(self, names: object) -> None:
        pass


def run_of(
    far: Far, state: State, step: Step, trust: Any = None, store: Any = None, slots: Any = None
) -> Runner:
    means = Means(
        store or cast("Any", Store()), state, slots or Slots({"bus0": 1}, 1, 1), {}, trust,
        SETTINGS, Figures(),
    )  # fmt: skip
    return Runner(transfer(step), cast("Any", far), means, lambda: None)


def updates_of(far: Far, state: State) -> Updates:
    configuration = SimpleNamespace(
        updates=SETTINGS, bus={"bus0": SimpleNamespace(uploads_at_once=1)}
    )
    return Updates(
        cast("Any", configuration), {NODE: cast("Any", far)}, cast("Any", Store()), state,
        lambda node: None, get(),
    )  # fmt: skip


async def stop(updates: Updates) -> None:
    task = asyncio.create_task(updates.run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


WISH = Wish(
    {"rollout": "r1", "version": "2.0.0", "hash": HASH, "image": NAME, "size": len(IMAGE)}, {}
)


@pytest.mark.parametrize("step", [Step.FETCH, Step.UPLOAD, Step.VERIFY])
async def test_an_update_withdrawn_while_the_gateway_died_stays_withdrawn(
    far: Far, state: State, step: Step
) -> None:
    await state.save_transfer(transfer(step))
    updates = updates_of(far, state)
    await updates.load()
    shown = updates.describe(NODE)
    await stop(updates)
    assert (shown["state"], shown["reason"]) == ("failed", "withdrawn")
    assert (await state.transfers())[NODE].step == Step.FAILED
    assert far.uploads == 0


@pytest.mark.parametrize("step", [Step.TEST, Step.RESET, Step.TRIAL])
async def test_a_withdrawal_after_the_image_may_be_marked_lets_the_trial_end(
    far: Far, state: State, step: Step
) -> None:
    far.link = "silent"
    await state.save_wish(NODE, "release", WISH)
    await state.save_transfer(transfer(step))
    updates = updates_of(far, state)
    await updates.load()
    await updates.received(NODE, b"")
    shown = updates.describe(NODE)["state"]
    await stop(updates)
    assert shown in ("verifying", "trial")
    assert (await state.transfers())[NODE].reason != "withdrawn"


async def test_an_update_is_queued_until_its_lamppost_takes_a_chunk(far: Far, state: State) -> None:
    far.link = "silent"
    far.go_on.clear()
    await state.save_wish(NODE, "release", WISH)
    await state.save_transfer(transfer(Step.UPLOAD))
    updates = updates_of(far, state)
    await updates.load()
    await asyncio.sleep(0.05)
    silent = updates.describe(NODE)
    far.link = "up"
    await asyncio.wait_for(far.uploaded.wait(), 30)
    moving = updates.describe(NODE)
    far.go_on.set()
    await stop(updates)
    assert (silent["state"], silent["progress"]) == ("queued", 0)
    assert (moving["state"], moving["progress"]) == ("uploading", round(1000 / len(IMAGE), 3))


async def test_an_offset_of_nothing_is_no_chunk_taken(far: Far, state: State) -> None:
    far.offsets = [0]
    far.go_on.clear()
    run = run_of(far, state, Step.UPLOAD)
    task = asyncio.create_task(run.run())
    await asyncio.wait_for(far.uploaded.wait(), 30)
    assert not run.uploading
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def refuse(code: int) -> Callable[[], None]:
    def then() -> None:
        raise NodeRefused(smp.GROUP_IMAGE, code)

    return then


async def test_a_sealed_refusal_ends_an_update_with_the_lampposts_own_words(
    far: Far, state: State
) -> None:
    far.then, far.update_reason = refuse(29), "for another board"
    run = run_of(far, state, Step.UPLOAD)
    await asyncio.wait_for(run.run(), 30)
    assert (run.step, run.transfer.reason, far.uploads) == (Step.REFUSED, "for another board", 1)


async def test_a_file_that_arrives_altered_is_sent_again_but_not_for_ever(
    far: Far, state: State
) -> None:
    far.then = refuse(24)
    run = run_of(far, state, Step.UPLOAD)
    await asyncio.wait_for(run.run(), 30)
    assert (run.step, far.uploads) == (Step.REFUSED, 3)


async def test_an_upload_waits_while_an_image_is_on_trial(far: Far, state: State) -> None:
    def then() -> None:
        if far.uploads < 3:
            raise NodeRefused(smp.GROUP_IMAGE, 28)
        far.slots.append(idle(HASH))
        far.refuse_images = RuntimeError("enough seen")

    far.then = then
    run = run_of(far, state, Step.UPLOAD)
    with pytest.raises(RuntimeError, match="enough seen"):
        await asyncio.wait_for(run.run(), 30)
    assert (run.step, far.uploads) == (Step.VERIFY, 3)


def idle(image_hash: str, pending: bool = False) -> dict[str, Any]:
    return {"hash": bytes.fromhex(image_hash), "active": False, "confirmed": False,
            "pending": pending, "version": "2.0.0"}  # fmt: skip


class Signed:
    """Signed metadata: whatever is asked for it is `answer`, or is raised."""

    def __init__(self, *answers: TrustedImage | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def release(self, image_sha256: str) -> TrustedImage:
        assert image_sha256 == NAME
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def signed(board: str = "b1", size: int = len(IMAGE), base: str = OLD) -> TrustedImage:
    delta = Delta(base, DELTA_NAME, len(DELTA))
    return TrustedImage(NAME, size, HASH, board, "2.0.0", 1, (delta,))


async def test_nothing_is_sent_of_a_release_that_is_not_signed(far: Far, state: State) -> None:
    run = run_of(far, state, Step.FETCH, Signed(NotTrusted("no such target")))
    await asyncio.wait_for(run.run(), 30)
    assert (run.step, run.transfer.reason, far.uploads) == (Step.REFUSED, "no such target", 0)


async def test_an_update_waits_for_metadata_and_asks_again(far: Far, state: State) -> None:
    trust = Signed(TrustUnavailable("expired"), TrustUnavailable("expired"), signed(size=7))
    run = run_of(far, state, Step.FETCH, trust)
    await asyncio.wait_for(run.run(), 30)
    assert (trust.asked, run.step, far.uploads) == (3, Step.REFUSED, 0)
    assert "7 bytes" in run.transfer.reason


async def test_a_release_taken_off_the_list_is_not_sent_although_it_was_chosen(
    far: Far, state: State
) -> None:
    run = run_of(far, state, Step.UPLOAD, Signed(NotTrusted("taken off")))
    await asyncio.wait_for(run.run(), 30)
    assert (run.step, far.uploads) == (Step.REFUSED, 0)


async def test_a_refused_delta_is_followed_by_the_whole_image_also_after_a_restart(
    far: Far, state: State
) -> None:
    def then() -> None:
        if far.sent[-1] == DELTA:
            refuse(3)()
        raise RuntimeError("enough seen")

    far.then = then
    run = run_of(far, state, Step.FETCH, Signed(signed()))
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(run.run(), 30)
    assert far.sent == [DELTA, IMAGE]
    kept = (await state.transfers())[NODE]
    assert (kept.step, kept.file, kept.whole) == (Step.UPLOAD, NAME, True)
    again = run_of(far, state, Step.FETCH, Signed(signed()))
    again.transfer.whole = True
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(again.run(), 30)
    assert far.sent[2:] == [IMAGE]


@pytest.mark.parametrize(
    ("store", "base"), [(Store(**{NAME: IMAGE}), OLD), (Store(), "aa" * 32)],
    ids=["the delta is not at the broker", "another release runs"],
)  # fmt: skip
async def test_the_whole_image_is_sent_where_no_delta_will_do(
    far: Far, state: State, store: Store, base: str
) -> None:
    far.then = refuse(29)
    run = run_of(far, state, Step.FETCH, Signed(signed(base=base)), store)
    await asyncio.wait_for(run.run(), 30)
    assert far.sent == [IMAGE]


async def test_an_upload_goes_on_by_another_link_in_one_of_its_slots(
    far: Far, state: State
) -> None:
    slots = Slots({"bus0": 1}, 1, 1)
    held: list[bool] = []

    def then() -> None:
        held.append(slots.of_bus("bus0").locked())
        raise RuntimeError("enough seen")

    class Turning(list[int]):
        def __iter__(self) -> Any:
            # The bus goes away after the second chunk.
            for number, offset in enumerate([1000, 2000, 3000]):
                if number == 2 and far.kind == "bus":
                    far.kind = "lan"
                yield offset

    far.offsets = Turning()
    far.then = then
    run = run_of(far, state, Step.UPLOAD, slots=slots)
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(run.run(), 30)
    assert (far.uploads, held) == (2, [False])


async def test_an_image_that_a_power_cut_started_meanwhile_is_not_marked_again(
    far: Far, state: State
) -> None:
    far.slots[0]["hash"] = bytes.fromhex(HASH)
    run = run_of(far, state, Step.TEST)
    await asyncio.wait_for(run.run(), 30)
    assert run.step == Step.CONFIRMED


async def test_that_a_multicast_arrived_is_believed_only_when_it_is_there(
    far: Far, state: State
) -> None:
    # Left over from a release before; the multicast's end was said by somebody else on the line.
    far.update_state, far.update_reason = messages.UPDATE_REFUSED, "for another board"
    far.then = refuse(30)
    run = run_of(far, state, Step.VERIFY)
    run.transfer.multicast = True
    await asyncio.wait_for(run.run(), 30)
    assert (run.step, far.uploads) == (Step.REFUSED, 1)


@pytest.mark.parametrize(
    "answer", [NodeRefused(None, smp.MGMT_ERR_EBUSY), NodeRefused(None, 1), NoReply("silent")]
)
async def test_a_trial_that_never_tells_ends_at_its_deadline(
    far: Far, state: State, monkeypatch: pytest.MonkeyPatch, answer: Exception
) -> None:
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now += 0.1
        return now

    monkeypatch.setattr(trial_module, "time", SimpleNamespace(monotonic=monotonic))
    far.refuse_images = answer
    run = run_of(far, state, Step.TRIAL)
    await asyncio.wait_for(run.run(), 30)
    assert run.step == Step.FAILED
    assert "after the restart" in run.transfer.reason


async def test_an_image_that_comes_when_nobody_waits_any_more_is_kept_without_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed = asyncio.Event()

    class Link:
        async def subscribe(self, topic: str) -> None:
            subscribed.set()

        async def unsubscribe(self, topic: str) -> None: ...

    data = bytes(100)
    name = sha256(data).hexdigest()
    images = Images(tmp_path, cast("Any", Link()), get())
    writing, given_up = threading.Event(), threading.Event()
    real = Images._store  # pyright: ignore[reportPrivateUsage]

    def slow(self: Images, name: str, data: bytes) -> None:
        writing.set()
        given_up.wait(30)
        real(self, name, data)

    monkeypatch.setattr(Images, "_store", slow)
    asked = asyncio.create_task(images.get(name, len(data), 0.2))
    await subscribed.wait()
    arriving = asyncio.create_task(images.received(name, data))
    with pytest.raises(ImageUnavailable):
        await asked
    assert writing.is_set()
    given_up.set()
    await arriving
    assert await images.get(name, len(data), 0) == data
