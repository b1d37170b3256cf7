"""One lamppost as the broker knows it."""

from dataclasses import dataclass
from typing import Any

from fleet_cli.fleet.messages import DesiredConfiguration, DesiredRelease, Reported


@dataclass
class Lamppost:
    """What is reported by and desired of one lamppost behind one gateway.

    Attributes:
        gateway: the gateway's id.
        node: the lamppost's id, 12 hexadecimal characters.
        reported: None while its gateway has reported nothing.
        configuration: the configuration desired, None when none is.
        release: the release desired, None when none is.
        gateway_online: whether its gateway is connected to the broker.
    """

    gateway: str
    node: str
    reported: Reported | None = None
    configuration: DesiredConfiguration | None = None
    release: DesiredRelease | None = None
    gateway_online: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """(gateway, node)."""
        return self.gateway, self.node

    @property
    def state(self) -> Reported:
        """What is reported, or the defaults of a lamppost of which nothing is known."""
        return self.reported or Reported()

    @property
    def label(self) -> str:
        """Its name, else its id."""
        return self.state.name or self.node

    @property
    def link(self) -> str:
        """up, silent, or unknown when its gateway is offline or has said nothing of it."""
        if self.reported is None or not self.gateway_online:
            return "unknown"
        return self.reported.link.state

    @property
    def reachable(self) -> bool:
        """Whether something published for it now can be expected to arrive now."""
        return self.link == "up"

    @property
    def has_desired(self) -> bool:
        """Whether it has the configuration desired of it, or none is desired."""
        desired, reported = self.configuration, self.state.configuration
        if desired is None:
            return True
        return (reported.version, reported.digest) == (desired.version, desired.digest)

    @property
    def configuration_state(self) -> str:
        """What became of the configuration desired: one applied before it is no answer to it."""
        reported = self.state.configuration.state
        if self.configuration and not self.has_desired and reported in ("", "applied"):
            return "pending"
        return reported

    def labels(self) -> dict[str, str]:
        """What `-l key=value` can select by."""
        state = self.state
        return {
            "gateway": self.gateway,
            "node": self.node,
            "name": state.name,
            "board": state.board,
            "link": self.link,
            "version": state.firmware.version,
            "update": state.update.state,
            "rollout": state.update.rollout,
            "configuration": str(state.configuration.version),
            "configuration-state": self.configuration_state,
            "lamp-reason": str(state.lamp.reason),
        }

    def to_json(self) -> dict[str, Any]:
        """Everything known, for `--json`."""
        return {
            "node": self.node,
            "gateway": self.gateway,
            "gateway_online": self.gateway_online,
            "link": self.link,
            "reported": self.reported.model_dump() if self.reported else None,
            "desired": {
                "configuration": self.configuration.model_dump() if self.configuration else None,
                "release": self.release.model_dump() if self.release else None,
            },
        }
