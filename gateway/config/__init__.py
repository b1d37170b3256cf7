"""The gateway's configuration: one TOML file, one module a section.

Every field's description says what is expected; the messages of `problems` quote it.
"""

from gateway.config.ble import BleSection
from gateway.config.buffer import BufferSection
from gateway.config.bus import BusSection
from gateway.config.clock import ClockSection
from gateway.config.file import load
from gateway.config.identity import GatewaySection
from gateway.config.lamppost import LamppostSection
from gateway.config.lan import LanSection
from gateway.config.log import LogSection
from gateway.config.metrics import MetricsSection
from gateway.config.model import Configuration
from gateway.config.mqtt import MqttSection, TlsSection
from gateway.config.presence import PresenceSection
from gateway.config.updates import UpdatesSection
from gateway.config.web import WebSection

__all__ = [
    "BleSection",
    "BufferSection",
    "BusSection",
    "ClockSection",
    "Configuration",
    "GatewaySection",
    "LamppostSection",
    "LanSection",
    "LogSection",
    "MetricsSection",
    "MqttSection",
    "PresenceSection",
    "TlsSection",
    "UpdatesSection",
    "WebSection",
    "load",
]
