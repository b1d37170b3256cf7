"""The whole configuration file, as one model."""

from __future__ import annotations

from pydantic import Field

from gateway.config.base import Name, Section
from gateway.config.ble import BleSection
from gateway.config.buffer import BufferSection
from gateway.config.bus import BusSection
from gateway.config.clock import ClockSection
from gateway.config.identity import GatewaySection
from gateway.config.lamppost import LamppostSection
from gateway.config.lan import LanSection
from gateway.config.log import LogSection
from gateway.config.metrics import MetricsSection
from gateway.config.mqtt import MqttSection
from gateway.config.outlet import OutletSection
from gateway.config.presence import PresenceSection
from gateway.config.updates import UpdatesSection
from gateway.config.web import WebSection


class Configuration(Section):
    """The whole file."""

    gateway: GatewaySection = Field(description="a [gateway] section")
    clock: ClockSection = Field(default_factory=ClockSection.model_construct)
    bus: dict[Name, BusSection] = Field(default={}, description="[bus.<name>] sections")
    lan: LanSection | None = None
    ble: BleSection | None = None
    lamppost: list[LamppostSection] = Field(default=[], description="[[lamppost]] sections")
    mqtt: MqttSection = Field(description="a [mqtt] section")
    outlet: dict[Name, OutletSection] = Field(
        default={}, description="[outlet.<name>] sections: second outlets"
    )
    buffer: BufferSection = Field(default_factory=BufferSection.model_construct)
    updates: UpdatesSection = Field(default_factory=UpdatesSection.model_construct)
    presence: PresenceSection = Field(default_factory=PresenceSection.model_construct)
    metrics: MetricsSection = Field(default_factory=MetricsSection.model_construct)
    web: WebSection = Field(default_factory=WebSection.model_construct)
    log: LogSection = Field(default_factory=LogSection.model_construct)
