"""The one error that building ends in."""


class BuildError(Exception):
    """A release cannot be made; the text says what was expected, what came, what to do next."""
