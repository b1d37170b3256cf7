"""A job that fails in a way nobody foresaw says so, and makes room for the next."""

from __future__ import annotations

import asyncio

from gateway.commissioning.jobs import Job, Jobs


async def test_what_nobody_foresaw_is_told_and_ends_the_job_alone() -> None:
    async def broken(job: Job) -> None:
        raise KeyError("q")

    async def sound(job: Job) -> None:
        job.text = "done"

    jobs = Jobs()
    job = jobs.start("a0b1c2d3e4f5", "check", broken)
    assert job.task is not None
    await asyncio.wait([job.task])
    assert not job.running
    assert "KeyError" in job.error
    assert isinstance(job.task.exception(), KeyError)
    assert jobs.start("a0b1c2d3e4f5", "check", sound).error == ""
    await jobs.close()
