"""What an ingest asks of its session with the broker."""

from typing import Any, cast

from fleet_cli.ingest.subscription import Subscription
from fleet_cli.settings import BrokerSettings


async def test_session_of_an_ingest_never_expires() -> None:
    """Gateways delete what the broker has acknowledged: it must not drop it with the session."""
    client = cast(Any, Subscription(BrokerSettings(), "city"))._client
    # MQTT 5, 3.1.2.11.2: of all intervals only this one means never.
    assert client._properties.SessionExpiryInterval == 0xFFFFFFFF
