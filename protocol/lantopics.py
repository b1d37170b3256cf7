"""The topics of the local network: SMP messages and the state of a lamppost, over MQTT.

    lamplighter/v1/node/<id>/smp/req    a whole SMP message to the lamppost, QoS 0, never retained
    lamplighter/v1/node/<id>/smp/rsp    its reply, QoS 1
    lamplighter/v1/node/<id>/state      CBOR map, retained: birth and last will, QoS 1

<id> is the node id, 12 lower case hexadecimal digits. A reply belongs to the request whose SMP
sequence, group and command it carries: whoever asks has one request under way for each lamppost,
takes a new sequence for each, and passes over replies that match none. Requests are QoS 0 so that
the broker keeps none for a lamppost that is away: who asked has given up long before it is back.

State: {"on": true, "v": version, "ep": epoch, "lk": link code (messages, STATUS)} while it is
connected, {"on": false} from the broker when it is gone.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from . import cbor
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROOT = "lamplighter/v1/node/"
REQUEST = "/smp/req"
REPLY = "/smp/rsp"
STATE = "/state"

_ID_DIGITS = 12
_MAX_STATE = 128


def topic(node: str, kind: str) -> str:
    """The topic of `kind` (REQUEST, REPLY or STATE) of the lamppost `node` (12 hex digits)."""
    return ROOT + node + kind


def parse_topic(text: str) -> "tuple[str, str]":
    """(node, kind) of a topic. Raises ProtocolError when it is none of ours."""
    end = len(ROOT) + _ID_DIGITS
    node = text[len(ROOT) : end]
    kind = text[end:]
    known = text.startswith(ROOT) and kind in (REQUEST, REPLY, STATE)
    if not known or len(node) != _ID_DIGITS or not all(c in "0123456789abcdef" for c in node):
        raise ProtocolError(
            "topic: expected %s<node id>%s, %s or %s, got %s"
            % (ROOT, REQUEST, REPLY, STATE, text[:80])
        )
    return node, kind


def online(version: str, epoch: int, link: int) -> bytes:
    """State of a lamppost that is connected: firmware version, log epoch, link code chosen."""
    return cbor.dumps({"on": True, "v": version, "ep": epoch, "lk": link})


def offline() -> bytes:
    """State of a lamppost that is gone: its last will."""
    return cbor.dumps({"on": False})


def parse_state(data: "bytes | bytearray | memoryview") -> "dict[str, Any]":
    """{"on", "v", "ep", "lk"} of a state; a lamppost that is gone has "on" alone.

    Raises ProtocolError for anything else.
    """
    if len(data) > _MAX_STATE:
        raise ProtocolError("state: %d bytes, at most %d" % (len(data), _MAX_STATE))
    body = cbor.loads(data)
    if not isinstance(body, dict):
        raise ProtocolError("state: expected a map")
    on = body.get("on")
    if on is False:
        return {"on": False}
    version = body.get("v")
    epoch = body.get("ep")
    link = body.get("lk")
    if (
        on is not True
        or not isinstance(version, str)
        or not _in_range(epoch, 0xFFFFFFFF)
        or not _in_range(link, 0xFF)
    ):
        raise ProtocolError(
            "state: expected on true or false, and with true v, ep and lk, got %r" % (body,)
        )
    return {"on": True, "v": version, "ep": epoch, "lk": link}


def _in_range(value: "Any", most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
