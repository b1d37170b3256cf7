"""The ring of segment files behind the node's log.

Knows the files and what each holds; the newest records, not yet in a segment, are the log's own.
"""

import os

from . import segments

# A segment that cannot be read so often in a row is given up, so that it cannot hold up the rest.
_READ_ATTEMPTS = 3

# Most segments deleted in one go: each keeps flash, and with it the lamp, waiting.
_FORGOTTEN_AT_ONCE = 2

# Fields of a segment in the index.
_NUMBER = 0
_SIZE = 1
_FIRST = 2
_LAST = 3
_ORDINAL = 4
_COUNT = 5


class Ring:
    """Segments of at most `segment_size` bytes, `limit` bytes in all.

    The index in memory is one small list a segment, so a read opens only the files it needs.

    overwritten: records dropped unacknowledged, or lost with a segment beyond reading. failures:
    deletions and reads that failed, with `last_failure`. damaged: records and segments whose CRC
    was wrong. acked: (epoch, sequence) up to which all may be forgotten. Raises OSError when the
    folder cannot be listed.
    """

    def __init__(self, folder, limit, segment_size):
        self._folder = folder
        self._segment_size = segment_size
        self._limit = max(limit, 2 * segment_size)
        self.overwritten = 0
        self.failures = 0
        self.damaged = 0
        self.last_failure = ""
        self.acked = (0, 0)
        # Place after the last record read: segment number, offset, epoch, sequence, records before.
        self._hint = None
        self._read_failures = 0
        self._segments = []
        self._next_number = 0
        self._appendable = False
        self._load()

    def end(self):
        """(epoch, sequence) of the newest record in a segment, (0, 0) when there is none."""
        return self._segments[-1][_LAST] if self._segments else (0, 0)

    def add(self, entries):
        """Put `entries`, (epoch, sequence, body) each, behind the newest segment in one write.

        Drops the oldest segment when the ring is full. Raises OSError; nothing was added then.
        """
        last = self.end()
        if self._segments and self._appendable:
            segment = self._segments[-1]
            data = segments.frames(entries, (last[0], last[1] + 1))
            if segment[_SIZE] + len(data) <= self._segment_size:
                self._write(segment, data, entries)
                return
        while self._segments and (len(self._segments) + 1) * self._segment_size > self._limit:
            if not self.drop_oldest():
                raise OSError(5)
        first = (entries[0][0], entries[0][1])
        ordinal = self._segments[-1][_ORDINAL] + self._segments[-1][_COUNT] if self._segments else 0
        data = segments.header_frame(first[0], first[1], ordinal, last[0], last[1])
        segment = [self._next_number, 0, first, first, ordinal, 0]
        self._next_number += 1
        self._write(segment, data + segments.frames(entries, first), entries)

    def _write(self, segment, data, entries):
        # Until it is known to be whole nothing more goes behind it.
        self._appendable = False
        with open(self._path(_name(segment[_NUMBER])), "ab") as file:
            file.write(data)
        if segment[_SIZE] == 0:
            self._segments.append(segment)
        segment[_SIZE] += len(data)
        segment[_COUNT] += len(entries)
        segment[_LAST] = (entries[-1][0], entries[-1][1])
        self._appendable = True

    def drop_oldest(self):
        """Forget the oldest segment and count what was not acknowledged; False without any."""
        if not self._segments:
            return False
        segment = self._segments[0]
        lost = segment[_COUNT]
        if segment[_LAST] <= self.acked:
            lost = 0
        elif segment[_FIRST] <= self.acked:
            lost = self._count_after(segment, self.acked)
        if not self._remove(segment):
            return False
        self.overwritten += lost
        return True

    def read(self, wanted, batch):
        """Let `batch` take records from `wanted`, (epoch, sequence), on.

        True when it was offered all there are, so that what is newer than any segment may follow.
        """
        for segment in self._segments:
            if segment[_LAST] < wanted:
                continue
            try:
                more = self._read_segment(segment, wanted, batch)
            except OSError as error:
                self._fail(error)
                self._read_failures += 1
                if self._read_failures < _READ_ATTEMPTS:
                    return False
                more = True
            else:
                self._read_failures = 0
            if not more:
                return False
        return True

    def _read_segment(self, segment, wanted, batch):
        """Take records from one segment; True when it was read to its end and more may be taken."""
        number = segment[_NUMBER]
        start = (0, 0, 0, 0)
        hint = self._hint
        if hint is not None and hint[0] == number and (hint[2], hint[3]) <= wanted:
            start = hint[1:]
        with open(self._path(_name(number)), "rb") as file:
            reader = segments.Reader(file, *start)
            while True:
                record = reader.next()
                if record is None:
                    if reader.torn:
                        self.damaged += 1
                    return True
                position = (record[0], record[1])
                if position > segment[_LAST]:
                    return True  # left by a write that failed; these stand in the next segment
                if position < wanted:
                    continue
                if not batch.take(record):
                    return False
                self._hint = (number, reader.offset, reader.epoch, reader.sequence, reader.passed)

    def waiting(self, last) -> int:
        """How many records after `last`, (epoch, sequence), the segments hold."""
        waiting = 0
        for segment in self._segments:
            if segment[_FIRST] > last:
                waiting += segment[_COUNT]
            elif segment[_LAST] > last:
                waiting += self._count_after(segment, last)
        return waiting

    def _count_after(self, segment, position):
        hint = self._hint
        follows = (position[0], position[1] + 1)
        if hint is not None and hint[0] == segment[_NUMBER] and hint[2:4] == follows:
            return max(0, segment[_COUNT] - hint[4])
        count = 0
        try:
            with open(self._path(_name(segment[_NUMBER])), "rb") as file:
                reader = segments.Reader(file)
                record = reader.next()
                while record is not None:
                    count += position < (record[0], record[1]) <= segment[_LAST]
                    record = reader.next()
        except OSError as error:
            self._fail(error)
        return count

    def forget(self, most=_FORGOTTEN_AT_ONCE):
        """Delete segments that are acknowledged whole, the `most` oldest of them."""
        for _ in range(most):
            if not self._segments or self._segments[0][_LAST] > self.acked:
                break
            if not self._remove(self._segments[0]):
                break

    def _load(self):
        numbers = []
        for name in os.listdir(self._folder):
            if len(name) == 8:
                try:
                    numbers.append(int(name, 16))
                except ValueError:
                    continue
        numbers.sort()
        previous = None
        for number in numbers:
            self._next_number = number + 1
            try:
                segment = self._load_segment(number, previous)
            except OSError as error:
                self._fail(error)
            else:
                previous = segment or previous
        if previous is not None:
            self._appendable = self._scan(previous)

    def _load_segment(self, number, previous):
        path = self._path(_name(number))
        header = None
        for _ in range(_READ_ATTEMPTS):
            # More than once: a bit misread now is no reason to delete what is there.
            with open(path, "rb") as file:
                header = segments.parse_header(file.read(segments.HEADER_SIZE))
            if header is not None:
                break
        size = os.stat(path)[6]
        segment = [number, size, (0, 0), (0, 0), 0, 0]
        if header is None:
            # Created and not yet written when the power went, or beyond reading.
            lost = 0
            if size:
                self.damaged += 1
                lost = self._frames(path)
            os.remove(path)
            self.overwritten += lost
            return None
        segment[_FIRST] = header[:2]
        segment[_ORDINAL] = header[2]
        if previous is not None:
            if previous[_NUMBER] + 1 == number:
                previous[_LAST] = header[3:]
                previous[_COUNT] = header[2] - previous[_ORDINAL]
            else:
                self._scan(previous)
        self._segments.append(segment)
        return segment

    def _frames(self, path):
        """How many records a segment seems to hold, of which nobody knows the keys any more."""
        with open(path, "rb") as file:
            reader = segments.Reader(file, segments.HEADER_SIZE)
            while reader.next() is not None:
                continue
        return reader.passed

    def _scan(self, segment):
        """Find what a segment ends with by reading it; True when it is whole to its end."""
        try:
            with open(self._path(_name(segment[_NUMBER])), "rb") as file:
                reader = segments.Reader(file)
                record = reader.next()
                while record is not None:
                    segment[_LAST] = (record[0], record[1])
                    record = reader.next()
        except OSError as error:
            return self._fail(error)
        segment[_COUNT] = reader.passed
        self.damaged += reader.damaged + reader.torn
        return not reader.torn and (reader.epoch, reader.sequence - 1) == segment[_LAST]

    def _remove(self, segment):
        try:
            os.remove(self._path(_name(segment[_NUMBER])))
        except OSError as error:
            self._fail(error)
            return False
        self._segments.remove(segment)
        if not self._segments:
            self._appendable = False
        return True

    def _path(self, name):
        return self._folder + "/" + name

    def _fail(self, error):
        self.failures += 1
        self.last_failure = str(error)
        return False


def _name(number):
    return "%08x" % number
