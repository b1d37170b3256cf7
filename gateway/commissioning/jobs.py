"""What is under way: one thing at a lamppost at a time, a few lampposts at once, all bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import GatewayError

_MOST: Final = 8
# No job is meant to take so long; one that does is ended.
LONGEST_S: Final = 1800.0


class Busy(GatewayError):
    """Something is under way already; the text says what."""


@dataclass
class Job:
    """One thing under way, or the last that was.

    Attributes:
        step: what it does.
        text: how far it is.
        level: what the lamp said of its level last, percent.
        error: why it ended without a result, "" when it did not.
        running: whether it still goes on.
    """

    step: str
    text: str = ""
    level: int | None = None
    error: str = ""
    running: bool = True
    task: asyncio.Task[None] | None = None

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "step": self.step,
            "text": self.text,
            "level": self.level,
            "error": self.error,
            "running": self.running,
        }


class Jobs:
    """Jobs by what they are about: a node id, or "search". `latest` keeps the last of each."""

    def __init__(self) -> None:
        self.latest: dict[str, Job] = {}

    def start(self, about: str, step: str, work: Callable[[Job], Coroutine[Any, Any, None]]) -> Job:
        """Begin `work`, which is handed the job to tell its progress. Raises Busy."""
        known = self.latest.get(about)
        if known is not None and known.running:
            raise Busy(f"{known.step} is under way there; wait for it, or stop it")
        if sum(job.running for job in self.latest.values()) >= _MOST:
            raise Busy(f"{_MOST} things are under way already; wait for one of them")
        job = Job(step)
        self.latest.pop(about, None)
        self.latest[about] = job
        job.task = asyncio.create_task(self._run(job, work), name=f"commissioning {step}")
        self._tidy()
        return job

    async def stop(self, about: str) -> bool:
        """End what is under way about `about`, and wait for that; whether there was anything."""
        job = self.latest.get(about)
        if job is None or job.task is None or not job.running:
            return False
        job.task.cancel()
        await asyncio.wait([job.task], timeout=10)
        return True

    async def close(self) -> None:
        """End all of it."""
        tasks = [job.task for job in self.latest.values() if job.task is not None and job.running]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    async def _run(self, job: Job, work: Callable[[Job], Coroutine[Any, Any, None]]) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                await work(job)
        except asyncio.CancelledError:
            job.error = "stopped"
            raise
        except TimeoutError:
            job.error = f"not done within {LONGEST_S:.0f} s"
        except (GatewayError, OSError) as error:
            job.error = str(error)
        except Exception as error:
            # A mistake of ours: whoever waits is told, and asyncio logs where it was.
            job.error = f"{job.step} failed: {error!r}"[:300]
            raise
        finally:
            job.running = False

    def _tidy(self) -> None:
        while len(self.latest) > 400:
            ended = next((about for about, job in self.latest.items() if not job.running), None)
            if ended is None:
                return
            del self.latest[ended]
