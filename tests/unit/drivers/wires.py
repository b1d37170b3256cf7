"""Ends of wires that say what a test put there."""


class ScriptedPort:
    """A UART whose far end says ``coming``."""

    def __init__(self) -> None:
        self.coming = b""
        self.said = b""

    def any(self) -> int:
        return len(self.coming)

    def read(self, size: int) -> bytes | None:
        data, self.coming = self.coming[:size], self.coming[size:]
        return data or None

    def write(self, data: bytes) -> None:
        self.said += data


class Level:
    """A pin that has ``level`` and remembers what it was set to."""

    IRQ_RISING = 1

    def __init__(self, level: int = 0) -> None:
        self.level = level

    def value(self, level: int | None = None) -> int | None:
        if level is None:
            return self.level
        self.level = level
        return None
