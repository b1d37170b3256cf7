"""The log is not filled by whoever may publish to the gateway."""

from __future__ import annotations

from tests.fuzz.city import City
from tests.fuzz.harness import GATEWAY, STRANGER, run


def test_what_is_for_nobody_is_told_once_however_often_it_comes() -> None:
    city = City()
    for number in range(500):
        for topic in (
            f"lamplighter/v1/{GATEWAY}/lamppost/{STRANGER.hex()}/command",
            f"lamplighter/v1/cabinet-8/lamppost/{STRANGER.hex()}/command",
            f"lamplighter/v1/ingest/{number}",
        ):
            run(city.inbox.received(topic, b"x"))
    assert city.inbox.refused == 1000
    assert city.log.loud == 2, "of messages for nobody, and of announcements that are none"
