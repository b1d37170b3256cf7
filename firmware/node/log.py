"""The node's log: every record on flash until the gateway has it.

A record's key is (epoch, sequence): the epoch goes up at each start, the sequence counts from 0
within it. New records go into `tail`, a file small enough for littlefs to keep inside its metadata;
when it is full its records move to the newest segment, a file of at most one flash block, and the
oldest segments make a ring. What is acknowledged before it has moved is never moved.

Every write is one littlefs commit, which a power cut leaves done or not done. Between moving a tail
and writing the next one its records stand in both places; the second copy is known by its keys.

Wear, measured under the real littlefs with 4 KiB blocks: with a gateway that acknowledges, a record
costs 113 bytes programmed and 0.03 erasures, all in the metadata; with none, 680 bytes and 0.28
erasures, since some five records share the rewrite of a segment's block. At a record each 30 s and
half a megabyte of free blocks that is 230 or 2,300 erasures of each block in a year, of 100,000.
"""

import gc
import os

from protocol import records

from . import segments
from .epoch import highest, next_epoch
from .ring import Ring

# A littlefs file of up to 128 bytes (cache size of MicroPython's VfsLfs2) lives in its folder's
# metadata. Above it every write would copy a block.
TAIL_SIZE = 120
SEGMENT_SIZE = 4096
# Beside two slots and an upload in 1 MiB of flash, with room for littlefs to move blocks.
DEFAULT_LIMIT = 192 * 1024

_ENOSPC = 28
_ATTEMPTS = 4


class NodeLog:
    """Append, read from a position, acknowledge.

    folder: where its files are, made when missing. clock: gives `stamp()`. limit: most bytes of
    segments, at least two segments. observer: `logged(epoch, sequence, body)` is called after each
    durable append. nvs: an `esp32.NVS` for the second copy of the epoch.

    Raises OSError when the folder cannot be used at all.
    """

    def __init__(
        self,
        folder,
        clock,
        nvs=None,
        observer=None,
        limit=DEFAULT_LIMIT,
        segment_size=SEGMENT_SIZE,
    ):
        self._tail_path = folder + "/tail"
        self._clock = clock
        self._observer = observer
        # Called with (kind, values) of each record, whether it could be written or not.
        self.on_record = None
        self._failures = 0
        self._last_failure = ""
        # Losses that no EVENT record tells of yet are those above these.
        self._told = 0
        self._unwritten = 0
        self._unwritten_told = 0
        self._tail = []
        try:
            os.mkdir(folder)
        except OSError:
            os.listdir(folder)  # there already, or of no use at all
        self._ring = Ring(folder, limit, segment_size)
        self._load_tail()
        seen = max(self._ring.end()[0], self._tail[-1][0] if self._tail else 0)
        self.epoch = self._take_epoch(folder + "/epoch", nvs, seen)
        self.next_seq = 0

    @property
    def overwritten(self) -> int:
        """Records lost before they were acknowledged, since start."""
        return self._ring.overwritten

    @property
    def failures(self) -> int:
        """Appends, deletions and reads that failed, since start."""
        return self._failures + self._ring.failures

    @property
    def damaged(self) -> int:
        """Records and segments found with a wrong CRC, since start."""
        return self._ring.damaged

    @property
    def last_failure(self) -> str:
        """What the newest failure said."""
        return self._last_failure or self._ring.last_failure

    def append(self, kind, *values) -> bool:
        """Stamp and persist a record of `kind`; True once it is durable.

        Never raises: values are brought inside their bounds, and what still fails is counted.
        """
        stored = False
        try:
            body = records.encode(kind, self._clock.stamp(), *records.clamp(kind, values))
            stored = self._store(body)
            if stored:
                self._tell_losses()
                self._ring.forget(1)
            else:
                self._unwritten += 1
            if self.on_record is not None:
                self.on_record(kind, values)
        except MemoryError as error:
            gc.collect()
            self._unwritten += not stored
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - no task ends because it had something to say
            self._fail(error)
        return stored

    def _tell_losses(self):
        lost = self._ring.overwritten
        if lost > self._told and self._tell(records.EVENT_LOG_OVERWRITTEN, lost - self._told):
            self._told = lost
        lost = self._unwritten
        if lost > self._unwritten_told and self._tell(
            records.EVENT_LOG_FAILED, lost - self._unwritten_told
        ):
            self._unwritten_told = lost

    def _tell(self, code, count):
        return self._store(records.encode(records.EVENT, self._clock.stamp(), code, count))

    def _store(self, body):
        failure = None
        for _ in range(_ATTEMPTS):
            try:
                self._persist(body)
            except OSError as error:
                failure = error
                # Only a full flash is helped by forgetting; any other error costs no records.
                if error.errno == _ENOSPC and not self._ring.drop_oldest():
                    break
            except MemoryError as error:
                failure = error
                gc.collect()
            else:
                return True
        return self._fail(failure)

    def _persist(self, body):
        while self._tail and (self._tail[0][0], self._tail[0][1]) <= self._ring.acked:
            self._tail.pop(0)
        epoch = self.epoch
        sequence = self.next_seq
        entry = (epoch, sequence, body)
        data = segments.frames(self._tail + [entry], None)
        if len(data) > TAIL_SIZE and self._tail:
            self._ring.add(self._tail)
            self._tail = []
            data = segments.frames([entry], None)
        with open(self._tail_path, "wb") as file:
            file.write(data)
        self._tail.append(entry)
        self.next_seq = sequence + 1
        if self._observer is not None:
            self._observer.logged(epoch, sequence, body)

    def read(self, epoch, sequence, max_bytes):
        """(epoch, first sequence, bodies, waiting) of the oldest records from (epoch, sequence) on.

        Consecutive records of one epoch, whose bytes with their CBOR heads are at most `max_bytes`,
        but always at least one where there is one. waiting: how many follow these. Where there is
        nothing, the position is that of the next record to come.
        """
        wanted = (epoch, sequence)
        batch = _Batch(max_bytes)
        if self._ring.read(wanted, batch):
            for entry in self._tail:
                if (entry[0], entry[1]) >= wanted and not batch.take(entry):
                    break
        if not batch.bodies:
            return self.epoch, self.next_seq, [], 0
        last = batch.last()
        waiting = self._ring.waiting(last)
        for entry in self._tail:
            waiting += (entry[0], entry[1]) > last
        return batch.epoch, batch.first, batch.bodies, waiting

    def acknowledge(self, epoch, sequence) -> bool:
        """Forget everything up to and including (epoch, sequence): whole segments are deleted.

        At most two of them here, the others with the calls and appends that follow: a deletion
        holds up the lamp. False, and nothing is forgotten, for a record that was never written.
        """
        position = (epoch, sequence)
        if position >= (self.epoch, self.next_seq):
            return False
        if position > self._ring.acked:
            self._ring.acked = position
        self._ring.forget()
        return True

    def _load_tail(self):
        end = self._ring.end()
        try:
            with open(self._tail_path, "rb") as file:
                reader = segments.Reader(file)
                record = reader.next()
                while record is not None:
                    # A tail that was moved just before the power went stands in a segment as well.
                    if (record[0], record[1]) > end:
                        self._tail.append(record)
                    record = reader.next()
                self._ring.damaged += reader.damaged + reader.torn
        except OSError:
            return  # nothing was written yet

    def _take_epoch(self, path, nvs, seen):
        while True:
            try:
                return next_epoch(path, nvs, seen)
            except OSError as error:
                self._fail(error)
                if error.errno != _ENOSPC or not self._ring.drop_oldest():
                    # The first record carries it to flash, if flash can be written at all. Never
                    # one that was used before, whose keys would come twice.
                    return highest(path, nvs, seen) + 1

    def _fail(self, error):
        self._failures += 1
        self._last_failure = _text(error)
        return False


def _text(error):
    """What an error says, whatever it is; the log must not fail in telling that it failed."""
    try:
        return str(error) or type(error).__name__
    except MemoryError:
        return "out of memory"


class _Batch:
    """Consecutive records of one epoch that fit some bytes."""

    def __init__(self, room):
        self._room = room
        self.epoch = 0
        self.first = 0
        self.bodies = []

    def take(self, record):
        """Add (epoch, sequence, body); False when it does not continue or does not fit."""
        epoch, sequence, body = record
        cost = len(body) + (1 if len(body) < 24 else 2)
        if self.bodies:
            if epoch != self.epoch or sequence != self.first + len(self.bodies):
                return False
            if cost > self._room:
                return False
        else:
            self.epoch = epoch
            self.first = sequence
        self.bodies.append(body)
        self._room -= cost
        return True

    def last(self):
        """(epoch, sequence) of the newest record taken."""
        return self.epoch, self.first + len(self.bodies) - 1
