"""Tasks that die, hang, end, or cannot be stopped, under the supervisor's eyes."""

import asyncio
import time as real_time

import node.supervisor
from node.supervisor import Supervisor
from protocol import records

# Where ticks wrap: 2^30 with 32-bit words.
PERIOD = real_time.ticks_add(0, -1) + 1


class FakeTime:
    """Machine time that moves when told, so that no test waits."""

    now = 0

    @classmethod
    def ticks_ms(cls):
        return cls.now % PERIOD

    ticks_diff = staticmethod(real_time.ticks_diff)
    ticks_add = staticmethod(real_time.ticks_add)


# So that they wrap soon after the start of the first test.
FakeTime.now = PERIOD - 3000
node.supervisor.time = FakeTime


class Log:
    def __init__(self):
        self.events = []

    def append(self, kind, code, value):
        assert kind == records.EVENT
        self.events.append((code, value))


class Dog:
    fed = 0

    def feed(self):
        self.fed += 1


class Task:
    """What `act` does, having checked in."""

    def __init__(self, act=None):
        self.act = act
        self.began = 0

    async def run(self, check_in):
        self.began += 1
        check_in()
        while True:
            if self.act is not None:
                await self.act(check_in)
            else:
                check_in()
                await asyncio.sleep_ms(0)


async def let_run():
    for _ in range(6):
        await asyncio.sleep_ms(0)


async def watch(supervisor, seconds, step_ms=500):
    for _ in range(seconds * 1000 // step_ms):
        supervisor.step()
        await let_run()
        FakeTime.now += step_ms


def made(supervisor, name, act=None, **options):
    task = Task(act)
    supervisor.add(name, lambda: task, **options)
    return task


def case():
    log, dog = Log(), Dog()
    return Supervisor(log, dog), log, dog


async def die(check_in):
    raise ValueError("dead")


async def starve(check_in):
    raise MemoryError()


async def hang(check_in):
    await asyncio.sleep_ms(100_000)


async def refuse_to_end(check_in):
    while True:
        try:
            await asyncio.sleep_ms(100_000)
        except asyncio.CancelledError:
            pass


async def test_tasks_begin_in_their_order():
    supervisor, _, _ = case()
    order = []
    for name in ("lamp", "bus", "air"):
        supervisor.add(name, lambda name=name: order.append(name) or Task())
    supervisor.step()
    await let_run()
    assert order == ["lamp", "bus", "air"]


async def test_a_dying_task_is_begun_again_ever_more_slowly():
    supervisor, log, dog = case()
    well = made(supervisor, "lamp")
    dying = made(supervisor, "air", die)
    await watch(supervisor, 300)
    assert well.began == 1
    # Pauses of 1, 2, 4, 8, 16, 32, 60, 60, 60 s.
    assert 8 <= dying.began <= 11, dying.began
    assert supervisor.restarts == dying.began
    assert (records.EVENT_TASK_RESTARTED, 1) in log.events
    assert "dead" in supervisor.last_failure
    assert dog.fed == 600, "a dead sensor does not starve the watchdog"
    assert supervisor.is_well("lamp")
    assert not supervisor.is_well("air")


async def test_the_lamp_may_be_given_a_short_pause():
    supervisor, _, _ = case()
    dying = made(supervisor, "lamp", die, longest_pause_ms=1000)
    await watch(supervisor, 60)
    assert dying.began >= 35


async def test_a_task_that_cannot_be_made_or_has_no_memory_is_begun_again():
    supervisor, _, _ = case()
    attempts = []

    def make():
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("no such bus")
        return Task()

    supervisor.add("people", make)
    starving = made(supervisor, "air", starve)
    await watch(supervisor, 20)
    assert len(attempts) == 3
    assert supervisor.is_well("people")
    assert starving.began > 2


async def test_a_task_that_returns_is_begun_again():
    supervisor, _, _ = case()

    class Short:
        async def run(self, check_in):
            check_in()

    supervisor.add("short", Short)
    await watch(supervisor, 10)
    assert supervisor.restarts >= 3


async def test_a_hung_task_is_cancelled_and_begun_again():
    supervisor, log, dog = case()
    well = made(supervisor, "lamp")
    hung = made(supervisor, "bus", hang, limit_ms=5000)
    await watch(supervisor, 20)
    assert hung.began >= 2
    assert well.began == 1
    assert log.events[0] == (records.EVENT_TASK_HUNG, 1)
    assert log.events[1] == (records.EVENT_TASK_RESTARTED, 1)
    assert dog.fed == 40


async def test_a_task_that_cannot_be_cancelled_starves_the_watchdog():
    supervisor, _, dog = case()
    well = made(supervisor, "lamp")
    made(supervisor, "bus", refuse_to_end, limit_ms=5000)
    await watch(supervisor, 9)
    assert dog.fed == 18
    await watch(supervisor, 4)
    fed = dog.fed
    await watch(supervisor, 60)
    assert dog.fed == fed, "still fed"
    assert well.began == 1


async def test_a_task_that_proved_itself_starts_over_with_short_pauses():
    supervisor, _, _ = case()
    state = {"dead": True}

    async def sometimes(check_in):
        check_in()
        await asyncio.sleep_ms(0)
        if state["dead"]:
            raise ValueError

    task = made(supervisor, "air", sometimes)
    await watch(supervisor, 100)
    state["dead"] = False
    await watch(supervisor, 300)
    state["dead"] = True
    began = task.began
    await watch(supervisor, 8)
    assert task.began - began >= 2, "pauses of 1 and 2 s again"


async def test_a_lamp_that_keeps_failing_starves_the_watchdog_until_it_runs_again():
    supervisor, _, dog = case()
    state = {"dead": True}

    async def sometimes(check_in):
        check_in()
        await asyncio.sleep_ms(0)
        if state["dead"]:
            raise MemoryError

    dying = made(supervisor, "lamp", sometimes, longest_pause_ms=1000, most_failures=10)
    seen = []
    while dying.began < 10:
        await watch(supervisor, 1)
        seen.append(supervisor.is_well("lamp"))
    assert dog.fed > 10, "a few failures are no reason"
    await watch(supervisor, 3)
    fed = dog.fed
    await watch(supervisor, 60)
    assert dog.fed == fed, "fed with a lamp that does not work"
    seen.append(supervisor.is_well("lamp"))
    assert seen.count(True) <= 1, "well before it ever failed, if at all"
    state["dead"] = False
    await watch(supervisor, 9)
    assert dog.fed == fed
    assert not supervisor.is_well("lamp"), "not before it has run for a while"
    await watch(supervisor, 5)
    assert dog.fed > fed
    assert supervisor.is_well("lamp")
    fed = dog.fed
    state["dead"] = True
    await watch(supervisor, 8)
    assert dog.fed == fed + 16, "counted anew"


async def test_a_look_that_finds_no_memory_is_not_the_end():
    supervisor, _, dog = case()
    well = made(supervisor, "lamp")
    feed, fails = dog.feed, [1, 1, 1]

    def starved():
        if fails:
            fails.pop()
            raise MemoryError
        feed()

    dog.feed = starved
    step, node.supervisor.STEP_MS = node.supervisor.STEP_MS, 1
    task = asyncio.create_task(supervisor.run())
    for _ in range(100):
        await asyncio.sleep_ms(2)
        if dog.fed:
            break
    node.supervisor.STEP_MS = step
    assert dog.fed
    assert well.began == 1
    task.cancel()


async def main():
    count = 0
    for name, value in sorted(globals().items(), key=lambda item: item[0]):
        if name.startswith("test_"):
            print(name)
            await value()
            count += 1
    print("passed", count)


asyncio.run(main())
