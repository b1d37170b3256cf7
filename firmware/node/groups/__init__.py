"""The SMP groups a node answers, a module each, and how a request reaches them.

A group has `async def handle(self, request) -> dict`, the body of the reply; it raises `Refused`,
or ProtocolError for a field that is missing or wrong.
"""

from protocol import smp

# The link at which whoever sends stands before the open door of the lamppost.
CONSOLE = "console"


class Refused(Exception):
    """A request that is not carried out.

    code: an MGMT_ERR of all groups, or with `group` a code of that group alone. reason: text for a
    person. extra: further fields of the reply's body.
    """

    def __init__(self, code, reason="", group=None, extra=None):
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.group = group
        self.extra = extra


class Request:
    """One request as a group sees it.

    writes: whether it is a write. command: its number. body: a dict from the wire, unchecked. link:
    name of the link it came by. sealed: whether it came sealed; key_id: under which key of this
    node's own, 0 in a broadcast and without a seal.
    """

    def __init__(self, writes, group, command, body, link, sealed, switch_closed):
        self.writes = writes
        self.group = group
        self.command = command
        self.body = body
        self.link = link
        self.sealed = sealed
        self.key_id = 0
        self._switch_closed = switch_closed

    def require_seal(self):
        """Raise Refused unless the request came sealed."""
        if self.sealed:
            return
        if self.group == smp.GROUP_STREET:
            raise Refused(smp.STREET_ERR_NOT_SEALED, "send it sealed", smp.GROUP_STREET)
        raise Refused(smp.MGMT_ERR_EACCESSDENIED, "send it sealed")

    def require_switch(self):
        """Raise Refused unless it is sealed, or the service switch is closed."""
        if not (self.sealed or self._switch_closed()):
            raise Refused(smp.MGMT_ERR_EACCESSDENIED, "send it sealed, or close the service switch")

    def require_presence(self):
        """Raise Refused unless it is sealed, or sent from the open door of the lamppost."""
        if not (self.sealed or self.link == CONSOLE or self._switch_closed()):
            raise Refused(smp.MGMT_ERR_EACCESSDENIED, "send it sealed, or close the service switch")


def unsupported():
    """The refusal of an unknown command, or of a read or write it does not have."""
    return Refused(smp.MGMT_ERR_ENOTSUP)
