"""The whole gateway with lampposts within Bluetooth range alone."""

from __future__ import annotations

from pathlib import Path

from simulators.radio.street_radio import StreetRadio
from tests.integration.gateway.air_node import AirNode
from tests.integration.gateway.fake_node import KEY_ID, FakeNode
from tests.integration.gateway.harness import eventually, street

LAMPPOSTS = 5


async def test_a_street_within_bluetooth_range_is_collected_over_kill_9(tmp_path: Path) -> None:
    radio = StreetRadio()
    hci = tmp_path / "hci"
    await radio.serve_hci(hci)
    posts = [AirNode(radio.air, FakeNode(number)) for number in range(1, LAMPPOSTS + 1)]
    try:
        async with street(tmp_path) as made:
            made.gateway.program = ["simulators.radio.gateway"]
            made.gateway.write_config()
            text = made.gateway.config.read_text() + f'[ble]\nadapters = ["{hci}"]\nvisit_s = 1\n'
            for post in posts:
                post.node.append(40)
                text += (
                    f'[[lamppost]]\nid = "{post.node.hex}"\nname = "air {post.node.address}"\n'
                    f'ble = true\nkey = "{post.node.key.hex()}"\nkey_id = {KEY_ID}\n'
                )
                await post.on()
            made.gateway.config.write_text(text)
            await made.gateway.start()
            await eventually(lambda: len(made.city.records) > 40, "some of what they logged")
            await made.gateway.kill()
            await made.gateway.start()
            await eventually(
                lambda: len(made.city.records) == 40 * LAMPPOSTS, "all that they logged"
            )
            for post in posts:
                await eventually(lambda post=post: not post.node.log, "it may forget them")
                post.node.append(2)
            await eventually(lambda: len(made.city.records) == 42 * LAMPPOSTS, "what they log now")
            for post in posts:
                reported = made.city.reported[post.node.hex]
                assert (reported["address"], reported["link"]["state"]) == (None, "up")
            assert not made.city.conflicts
            assert await made.gateway.stop() == 0
    finally:
        for post in posts:
            post.off()
        radio.close()
