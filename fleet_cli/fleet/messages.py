"""The JSON documents on a lamppost's topics, checked: whoever published them is not trusted.

A member that is absent or null takes its default, members we do not know are ignored, and a wrong
type or an absurd size refuses the document as a whole.
"""

from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def printable(text: str) -> str:
    """`text` without what could move a terminal's cursor or colour it."""
    return "".join(character if character.isprintable() else "?" for character in text)


Text = Annotated[str, Field(max_length=300), AfterValidator(printable)]
Count = Annotated[int, Field(ge=0, lt=2**53, strict=True)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        members = cast(dict[str, Any], data)
        return {key: value for key, value in members.items() if value is not None}


class Link(_Document):
    """How the gateway gets on with the lamppost; `by` is the link it last answered over."""

    state: Text = "silent"
    by: Text = ""
    last_heard: Count | None = None
    backlog: Count = 0
    rejected: Count = 0


class Firmware(_Document):
    """What runs on the lamppost; `hash` is the MCUboot image hash in hexadecimal."""

    version: Text = ""
    slot: Count | None = None
    hash: Text = ""
    confirmed: bool = False
    security_counter: Count | None = None


class Update(_Document):
    """How far the update asked for has come; progress 0..1."""

    state: Text = "idle"
    version: Text = ""
    hash: Text = ""
    progress: Annotated[float, Field(ge=0, le=1)] = 0.0
    reason: Text = ""
    rollout: Text = ""


class Configuration(_Document):
    """Which configuration the lamppost has, and what became of the one desired."""

    version: Count = 0
    digest: Text = ""
    state: Text = ""
    reason: Text = ""


class Lamp(_Document):
    """The dimming level now in %, and why."""

    level: Annotated[int, Field(ge=0, le=100)] | None = None
    reason: Text | Count = ""


class Reported(_Document):
    """`<gateway>/lamppost/<node>/reported`; times are Unix seconds on the street."""

    node: Text = ""
    name: Text = ""
    address: Count | None = None
    board: Text = ""
    time: Count | None = None
    link: Link = Link()
    firmware: Firmware = Firmware()
    update: Update = Update()
    configuration: Configuration = Configuration()
    lamp: Lamp = Lamp()
    epoch: Count | None = None
    uptime: Count | None = None


class DesiredConfiguration(_Document):
    """`.../desired/configuration`: values by field name, in the units of protocol.configuration."""

    version: Count
    digest: Text
    values: dict[Text, Any]


class DesiredRelease(_Document):
    """`.../desired/release`: `image` is the SHA-256 of the file, `hash` MCUboot's, both hex."""

    rollout: Text
    version: Text
    hash: Text
    image: Text
    size: Count


class Alarm(_Document):
    """What a person has to see to at a gateway; `subject` is what it is about, where need be."""

    name: Text
    subject: Text = ""
    severity: Text = "warning"
    text: Text = ""
    since: Count | None = None


class GatewayStatus(_Document):
    """`<gateway>/status`, which the broker itself sets to offline when the gateway is lost."""

    state: Text = "offline"
    since: Count | None = None
    version: Text = ""
    alarms: Annotated[tuple[Alarm, ...], Field(max_length=50)] = ()
