"""The city's MQTT 5 broker as the commands use it."""

from fleet_cli.broker.connection import connected
from fleet_cli.broker.publishing import publish
from fleet_cli.broker.retained import Retained, read_retained

__all__ = ["Retained", "connected", "publish", "read_retained"]
