"""The one error that leaves this package."""


class ProtocolError(ValueError):
    """Bytes or values that do not follow the protocol; the text says what was expected."""
