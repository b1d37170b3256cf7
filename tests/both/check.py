"""What the tests of this folder need beyond `assert`, for both interpreters."""


def raises(kind, call, *arguments):
    """The text of the error of type `kind` that `call(*arguments)` must raise."""
    try:
        result = call(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError(f"nothing raised, returned {result!r}")


class Random:
    """Park and Miller's generator: the same numbers on both interpreters and both word sizes."""

    def __init__(self, seed=1):
        self._state = seed

    def below(self, limit):
        """An integer from 0 to limit - 1."""
        self._state = self._state * 48271 % 0x7FFFFFFF
        return self._state % limit

    def bytes(self, size):
        """`size` bytes."""
        return bytes([self.below(256) for _ in range(size)])
