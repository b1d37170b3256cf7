"""What can go wrong in the gateway, as one tree."""


class GatewayError(Exception):
    """Any failure the gateway itself names."""


class ConfigurationError(GatewayError):
    """The configuration file cannot be used; the text lists every problem, one a line."""


class DataFolderInUse(GatewayError):
    """Another gateway holds the data folder."""


class LinkUnavailable(GatewayError):
    """The link to a lamppost (port, broker, adapter) is not there at the moment."""


class NoReply(GatewayError):
    """A lamppost did not answer in time, after all attempts."""


class SealBroken(GatewayError):
    """A reply that should be sealed is not, or its seal does not open with the lamppost's key."""


class Unsettled(GatewayError):
    """A request may or may not have taken effect, and repeating it could make it happen twice."""


class NodeRefused(GatewayError):
    """A lamppost answered with an error.

    Attributes: `group` and `code` as in SMP (group None for a version 1 error), `reason` the
    lamppost's own words or "".
    """

    def __init__(self, group: int | None, code: int, reason: str = "") -> None:
        where = "" if group is None else f"group {group} "
        super().__init__(f"lamppost answered with {where}error {code}" + (reason and f": {reason}"))
        self.group = group
        self.code = code
        self.reason = reason

    @property
    def passing(self) -> bool:
        """Whether the same request may well succeed a little later."""
        return (self.group, self.code) in _PASSING


# MGMT_ERR_EBUSY, ENOMEM and ETIMEOUT, as version 1 or 2 errors; busy in group 64; and image group
# 28, an image on trial, which ends by itself.
_PASSING = frozenset(
    {(group, code) for group in (None, 0) for code in (2, 4, 10)} | {(64, 6), (1, 28)}
)


class BadReply(GatewayError):
    """A lamppost's reply does not follow the protocol."""


class BufferUnavailable(GatewayError):
    """The database could not commit (disk full, I/O error); nothing of the request was stored."""


class CursorMoved(GatewayError):
    """A batch does not follow what is committed for its lamppost; it must be read again."""
