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
from gateway.updates import runner as runner_module
from gateway.updates.images import Images, ImageUnavailable
from gateway.updates.manager import Updates
from gateway.updates.runner import Runner
from gateway.updates.steps import Step
from protocol import messages, smp

NODE = bytes.fromhex("a0b1c2d3e4f5")
HASH, OLD = "ab" * 32, "cd" * 32
SETTINGS = UpdatesSection(trial_timeout_s=1, settle_s=0.05, retry_s=0.01)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncGenerator[State]:
    writer = Writer(database.open_checked(tmp_path / "gateway.db", get()), lambda why: None)
    writer.start()
    yield State(writer)
    writer.close()


def transfer(step: Step) -> Transfer:
    return Transfer(NODE, "r1", "2.0.0", HASH, "ef" * 32, 3000, step.value)


class Far:
    """A lamppost as `management` shows it."""

    def __init__(self) -> None:
        self.link = "up"
        self.bus = "bus0"
        self.id = NODE.hex()
        self.log = get()
        self.facts: dict[str, Any] | None = None
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
        self.uploaded = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def take_facts(self, status: dict[str, Any], now: float) -> None:
        self.facts = status

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        far = self

        class Upload:
            def __init__(self, lamppost: object, image: bytes) -> None:
                self.offset = 0

            async def run(self, progressed: Callable[[], None]) -> None:
                far.uploads += 1
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
    async def get(self, name: str, size: int, timeout: float) -> bytes:
        return bytes(size)

    async def keep_only(self, names: object) -> None:
        pass


def run_of(far: Far, state: State, step: Step) -> Runner:
    return Runner(
        transfer(step), cast("Any", far), cast("Any", Store()), state, asyncio.Semaphore(1),
        SETTINGS, lambda: None,
    )  # fmt: skip


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
    {"rollout": "r1", "version": "2.0.0", "hash": HASH, "image": "ef" * 32, "size": 3000}, {}
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
    assert (moving["state"], moving["progress"]) == ("uploading", 0.333)


async def test_an_offset_of_nothing_is_no_chunk_taken(far: Far, state: State) -> None:
    far.offsets = [0]
    far.go_on.clear()
    run = run_of(far, state, Step.UPLOAD)
    task = asyncio.create_task(run.run())
    await asyncio.wait_for(far.uploaded.wait(), 30)
    assert not run.uploading
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def refused(*_: object) -> None:
    raise NodeRefused(smp.GROUP_IMAGE, 24, "forged")


async def test_a_refusal_of_a_chunk_counts_only_when_the_sealed_status_says_so(
    far: Far, state: State
) -> None:
    run = run_of(far, state, Step.UPLOAD)

    def refuse() -> None:
        if far.uploads == 3:
            far.update_state = messages.UPDATE_REFUSED
            far.update_reason = "for another board"
        refused()

    far.then = refuse
    await asyncio.wait_for(run.run(), 30)
    assert far.uploads == 3
    assert (run.step, run.transfer.reason) == (Step.REFUSED, "for another board")


async def test_a_refusal_left_over_from_another_image_is_doubted_but_not_for_ever(
    far: Far, state: State
) -> None:
    far.update_state, far.update_reason = messages.UPDATE_REFUSED, "for another board"
    far.then = refused
    run = run_of(far, state, Step.UPLOAD)
    await asyncio.wait_for(run.run(), 30)
    assert run.step == Step.REFUSED
    assert far.uploads == 3


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

    monkeypatch.setattr(runner_module, "time", SimpleNamespace(monotonic=monotonic))
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
