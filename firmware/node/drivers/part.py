"""What a measuring part is to the task that samples it.

Every driver of such a part has, beside the constants below:

- `values`: a list of integers, the newest sample, changed in place;
- `mark`: a number that changes whenever anything the part says of its surroundings does;
- `junk`: how many bytes made no sense so far;
- `fault`: whether the part itself says that it is broken;
- `async start()`: have it measure, from whatever state it is in;
- `async poll()`: NOTHING, SAMPLE, or BEYOND for a sample outside what the part can measure;
- `async rest()`: stop what wears out, until `start`;
- `async reset()`: the strongest restart there is, before another `start`.

All of them end within a second, and raise OSError when nobody is there.
"""

NOTHING = 0
SAMPLE = 1
BEYOND = 2


class Part:
    """The constants of a part that is sampled each second.

    POLL_MS: how often to look for a sample. SLOWEST_MS: the longest time from one sample to the
    next. SILENT_MS: without a sample for so long it is lost. WARM_MS: what it says in that time
    after a start is thrown away. SELF_STARTING: it measures again by itself after its power failed,
    so that nothing but its samples tells. MEASURES_PM1: of a particulate sensor, whether it does.
    """

    POLL_MS = 100
    SLOWEST_MS = 1500
    SILENT_MS = 5000
    WARM_MS = 30000
    SELF_STARTING = False
    MEASURES_PM1 = True


class UartPart(Part):
    """A part on `uart`, which has `any()`, `readinto(buffer)` and `write(data)` that do not wait.

    parser: has `feed(data)`, which returns how many measurements that completed, `clear()`,
    `skipped` bytes, and `values`, `mark` and `beyond` (the part's range) of the newest one.
    """

    SELF_STARTING = True
    # Not more at once: a part that babbles gets its share of the time and no other.
    _AT_ONCE = 128

    def __init__(self, uart, parser):
        self._uart = uart
        self._buffer = bytearray(self._AT_ONCE)
        self.parser = parser
        self.values = parser.values
        self.fault = False

    @property
    def mark(self):
        """See the module."""
        return self.parser.mark

    @property
    def junk(self):
        """See the module."""
        return self.parser.skipped

    async def poll(self):
        """See the module. Of several frames that came at once the newest counts."""
        if not self._uart.any():
            return NOTHING
        count = self._uart.readinto(self._buffer)
        if not count or not self.parser.feed(memoryview(self._buffer)[:count]):
            return NOTHING
        return BEYOND if self.parser.beyond else SAMPLE
