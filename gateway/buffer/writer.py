"""The one thread that writes: jobs from everywhere, as many as wait in one transaction.

A commit costs a flush to the disk; sharing it among the jobs that came meanwhile (group commit) is
what lets many lampposts be served from a memory card. Each job stands alone: one that raises is
rolled back by itself.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from gateway.buffer.database import mark_damaged
from gateway.buffer.schema import Database, is_damage
from gateway.errors import BufferUnavailable

T = TypeVar("T")
# Bounds how long a transaction, and with it the wait of its first job, can grow.
_MOST_JOBS = 256
# What concerns one job alone; any other failure of SQLite's (space, I/O, damage) concerns all.
_OF_ONE_JOB = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)


@dataclass
class _Job:
    run: Callable[[Database], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    settled: Callable[[Any], None] | None = None
    alone: bool = False
    result: Any = None
    error: BaseException | None = field(default=None)

    def settle(self) -> None:
        # Whoever waited may be gone; what was committed has happened all the same.
        if self.error is None and self.settled is not None:
            self.settled(self.result)
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Runs jobs against `database`, each in a transaction that is durable when its future is done.

    `on_damage` is called when the file itself turns out to be damaged, from the thread that found
    it. The file is marked by then, so that the next start sets it aside.
    """

    def __init__(self, database: Database, on_damage: Callable[[str], None]) -> None:
        self._database = database
        self._on_damage = on_damage
        self._path = Path(database.execute("PRAGMA database_list").fetchone()[2])
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="buffer-writer", daemon=True)
        self.commits = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(
        self, run: Callable[[Database], T], settled: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """Have `run` done in a transaction; the future is set after the commit.

        It fails with what `run` raised, or with BufferUnavailable when the commit failed.
        settled: called with what `run` gave once that is committed, in the event loop and in the
        order of the jobs, even when the future was cancelled.
        """
        return self._queue(run, settled, alone=False)

    def submit_alone(self, run: Callable[[Database], T]) -> asyncio.Future[T]:
        """As `submit`, outside of any transaction: for a checkpoint."""
        return self._queue(run, None, alone=True)

    def _queue(
        self, run: Callable[[Database], T], settled: Callable[[T], None] | None, *, alone: bool
    ) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(run, future, loop, settled, alone))
        return future

    def close(self) -> None:
        """Do the jobs that wait, then stop the thread and close the database."""
        self._jobs.put(None)
        self._thread.join()
        self._database.conn.close()

    def report(self, error: Exception) -> None:
        """Have the database set aside at the next start if `error` says that it is damaged."""
        if not is_damage(error):
            return
        why = str(error)
        try:
            mark_damaged(self._path, why)
        except OSError as failure:
            why = f"{why}; and it could not be marked for the next start: {failure}"
        self._on_damage(why)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job]
            last = False
            while len(batch) < _MOST_JOBS and not self._jobs.empty():
                more = self._jobs.get()
                if more is None:
                    last = True
                    break
                batch.append(more)
            for alone, jobs in groupby(batch, lambda job: job.alone):
                self._do(list(jobs), alone=alone)
            if last:
                return

    def _do(self, jobs: list[_Job], *, alone: bool) -> None:
        try:
            if alone:
                for job in jobs:
                    self._run(job)
            else:
                self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any failure
            for job in jobs:
                job.error = job.error or BufferUnavailable(f"the database cannot commit: {error}")
            self.report(error)
        for loop, settled in groupby(jobs, lambda job: job.loop):
            try:
                loop.call_soon_threadsafe(_settle, list(settled))
            except RuntimeError:
                # The loop is closed: nobody waits for these results any more.
                continue

    def _transact(self, jobs: Sequence[_Job]) -> None:
        connection = self._database.conn
        connection.execute("BEGIN IMMEDIATE")
        try:
            if len(jobs) == 1:
                # It needs no savepoint: whatever it did goes with the transaction.
                self._run(jobs[0])
                if jobs[0].error is not None:
                    connection.execute("ROLLBACK")
                    return
            else:
                for job in jobs:
                    connection.execute("SAVEPOINT job")
                    self._run(job)
                    if job.error is not None:
                        connection.execute("ROLLBACK TO job")
                    connection.execute("RELEASE job")
            connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some failures.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.commits += 1

    def _run(self, job: _Job) -> None:
        try:
            job.result = job.run(self._database)
        except _OF_ONE_JOB as error:
            job.error = error
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the job
            job.error = error


def _settle(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.settle()
