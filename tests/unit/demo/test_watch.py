"""What the demo keeps of what gateways tell the city."""

import json
from typing import Any

from fleet_cli import topics
from fleet_cli.settings import BrokerSettings
from simulators.demo.watch import Watch

NODE = "024067156601"


class Night:
    """A watch, and the messages it is sent, one a second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watch = Watch(BrokerSettings(host="127.0.0.1", port=1883), lambda: self.now)

    def reached(self, by: str | None) -> None:
        link = {"state": "up", "by": by}
        self._send(topics.lamppost("cabinet-1", NODE, "reported"), {"link": link})

    def status(self, state: str, *alarms: str) -> None:
        told = [{"name": name, "severity": "warning", "text": "see to it"} for name in alarms]
        self._send(f"{topics.PREFIX}/cabinet-1/status", {"state": state, "alarms": told})

    def _send(self, topic: str, document: dict[str, Any]) -> None:
        self.now += 1
        self.watch.absorb(topic, json.dumps(document).encode())


def test_each_change_of_a_lampposts_link_is_kept_with_its_time() -> None:
    night = Night()
    for by in (None, "bus", "bus", "ble", "ble", "bus"):
        night.reached(by)
    assert night.watch.links == {NODE: [(2, "bus"), (4, "ble"), (6, "bus")]}
    assert night.watch.reached_by(NODE) == "bus"


def test_an_alarm_stands_until_its_gateway_says_it_is_over_and_may_come_again() -> None:
    night = Night()
    night.status("online", "disk_slow")
    night.status("offline")  # its last will, which knows of no alarm
    night.status("online", "disk_slow", "bus_noise")
    night.status("online", "bus_noise")
    night.status("online", "bus_noise", "disk_slow")
    assert [(one.name, one.seen, one.over) for one in night.watch.alarms] == [
        ("disk_slow", 1, 4),
        ("bus_noise", 3, None),
        ("disk_slow", 5, None),
    ]
