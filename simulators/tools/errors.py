"""The one error that obtaining a program ends in."""


class ToolError(Exception):
    """A program could not be obtained or does not do what it is needed for.

    The message is one line: what was expected, what happened, what to do next.
    """
