"""Adverts: of ours, of strangers, replayed, forged, hostile."""

from __future__ import annotations

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ble.adverts import BTHOME, SMP_SERVICE, advert_of, open_values
from gateway.ble.listener import Listened, Listener, address_of
from gateway.ble.strangers import MOST_STRANGERS
from protocol import bthome

NODE = bytes.fromhex("a0b1c2d3e4f5")
KEY = bytes(range(16))
ADDRESS = "A0:B1:C2:D3:E4:F7"
NAME = "lamp-d3e4f5"
LIT = bthome.pack(bthome.POWER_ON, 1)


class Air:
    """Adverts to a listener, at a time that is set by hand."""

    def __init__(self, fixed: str | None = None) -> None:
        self.now = 1000.0
        self.news: list[bytes] = []
        self.listener = Listener(lambda: self.now)
        self.listener.news = self.news.append
        self.ours = self.listener.add(NODE, KEY, fixed)

    def hear(
        self,
        counter: int | None,
        objects: bytes = LIT,
        *,
        address: str = ADDRESS,
        key: bytes = KEY,
        name: str | None = NAME,
        smp: bool = True,
        adapter: str = "hci0",
        rssi: int = -60,
    ) -> None:
        data = {}
        if counter is not None:
            sender = bytes.fromhex(address.replace(":", ""))
            sealed = bthome.seal(bthome.bind_key(key, NODE), sender, counter, objects)
            data = {BTHOME: sealed[2:]}
        self.heard(address, data, name, [SMP_SERVICE] if smp else [], adapter, rssi)

    def heard(
        self,
        address: str,
        data: dict[str, bytes],
        name: str | None,
        services: list[str],
        adapter: str = "hci0",
        rssi: int = -60,
    ) -> None:
        heard = AdvertisementData(name, {}, data, services, None, rssi, ())
        self.listener.hear(adapter, BLEDevice(address, name, None), heard)


def test_values_of_each_advert_in_turn_are_kept_together() -> None:
    air = Air()
    energy = bthome.pack(bthome.POWER, 4321) + LIT + bthome.pack(bthome.VOLTAGE, 2304)
    air.hear(4096, energy + bthome.pack(bthome.ENERGY, 123_456))
    climate = bthome.pack(bthome.TEMPERATURE, -512) + bthome.pack(bthome.HUMIDITY, 8123)
    air.hear(4097, climate + bthome.pack(bthome.PM25, 12) + bthome.pack(bthome.PM10, 20))
    air.hear(4098, bthome.pack(bthome.COUNT, 3) + bthome.pack(bthome.COUNT, 4), rssi=-71)
    assert air.ours.live.values == {
        "power": 43.21, "lit": True, "voltage": 230.4, "energy": 123.456, "temperature": -5.12,
        "humidity": 81.23, "pm25": 12, "pm10": 20, "towards": 3, "away": 4,
    }  # fmt: skip
    assert (air.ours.live.counter, air.ours.live.rssi, air.ours.live.heard) == (4098, -71, 1000.0)


def test_an_advert_shown_several_times_counts_once_and_an_old_one_never() -> None:
    air = Air()
    air.hear(5000)
    air.now += 5
    air.hear(5000)
    air.hear(4999, bthome.pack(bthome.POWER_ON, 0))
    air.hear(4, bthome.pack(bthome.POWER_ON, 0))
    assert air.ours.live.values == {"lit": True}
    assert air.ours.live.heard == 1000.0, "a replay does not make it seem alive"
    assert (air.listener.fresh, air.listener.replayed) == (1, 2)


def test_a_forged_counter_does_not_shut_out_the_lamppost() -> None:
    air = Air()
    air.hear(5000)
    air.hear(0xFFFFFFFF, key=bytes(16))
    air.hear(5001, bthome.pack(bthome.POWER_ON, 0))
    assert air.ours.live.values == {"lit": False}
    assert air.listener.forged == 1


def test_a_plain_advert_from_its_address_is_not_believed() -> None:
    air = Air()
    air.heard(ADDRESS, {BTHOME: b"\x40" + bthome.pack(bthome.POWER_ON, 1) + bytes(20)}, NAME, [])
    assert air.ours.live.values == {}
    assert "hci0" in air.ours.sightings, "it is there, all the same"


def test_a_lamppost_is_known_by_its_node_id_where_a_passive_scan_hears_no_name() -> None:
    air = Air()
    assert address_of(NODE) == ADDRESS
    air.hear(4096, name=None, smp=False)
    assert air.listener.fresh == 1


def test_one_with_an_address_of_its_own_is_known_by_name_and_key() -> None:
    air = Air()
    elsewhere = "C0:FF:EE:00:00:01"
    air.hear(None, adapter="hci1")
    air.hear(4096, address=elsewhere)
    assert air.ours.address == elsewhere
    assert list(air.ours.sightings) == ["hci0"]
    air.hear(4097, address=ADDRESS, key=bytes(16))
    assert air.ours.address == elsewhere
    assert air.listener.strangers.get(ADDRESS) is not None, "whoever is there now is not ours"


def test_a_configured_address_is_kept_to() -> None:
    air = Air(fixed="c0:ff:ee:00:00:02")
    air.hear(4096, address="C0:FF:EE:00:00:01")
    assert air.listener.fresh == 0
    air.hear(4096, address="C0:FF:EE:00:00:02")
    assert air.listener.fresh == 1


def test_whoever_takes_its_name_without_its_key_stays_a_stranger() -> None:
    air = Air()
    air.hear(4096, address="66:66:66:66:66:66", key=bytes(16))
    assert air.ours.address == ADDRESS
    assert air.ours.sightings == {}
    assert [one.name for one in air.listener.strangers.heard_within(60, air.now)] == [NAME]


def test_another_key_is_followed() -> None:
    air = Air()
    new = bytes(16)
    air.hear(4096, key=new)
    air.ours.rekey(new)
    air.hear(4097, key=new)
    assert (air.listener.forged, air.listener.fresh) == (1, 1)


def test_news_is_when_it_comes_back_and_when_it_has_restarted() -> None:
    air = Air()
    air.hear(4096)
    air.now += 3
    air.hear(4097)
    assert air.news == [NODE], "it is back"
    air.now += 3
    air.hear(8192)
    assert air.news == [NODE] * 2, "a new block of counters: it restarted"
    air.now += 100
    air.hear(8193)
    assert air.news == [NODE] * 3, "it was out of reach"


def test_each_adapter_has_its_own_view_until_it_is_gone() -> None:
    air = Air()
    air.hear(4096, rssi=-80)
    air.hear(4096, adapter="hci1", rssi=-50)
    assert {name: one.rssi for name, one in air.ours.sightings.items()} == {
        "hci0": -80,
        "hci1": -50,
    }
    air.listener.lost("hci1")
    assert list(air.ours.sightings) == ["hci0"]


def test_one_that_is_removed_is_a_stranger_then() -> None:
    air = Air()
    air.listener.remove(air.ours)
    air.hear(4096)
    assert [one.address for one in air.listener.strangers.heard_within(60, air.now)] == [ADDRESS]


def test_strangers_are_bounded_and_those_heard_are_not_pushed_out() -> None:
    air = Air()
    for number in range(MOST_STRANGERS + 100):
        air.hear(None, address=f"66:00:00:00:{number >> 8:02X}:{number & 255:02X}", name="lamp-0")
    shown = air.listener.strangers.heard_within(60, air.now)
    assert len(shown) == MOST_STRANGERS
    assert air.listener.strangers.turned_away == 100
    air.now += 61
    air.hear(None, address="67:00:00:00:00:00", name="lamp-1")
    assert [one.name for one in air.listener.strangers.heard_within(60, air.now)] == ["lamp-1"]


def test_phones_and_headphones_are_only_counted() -> None:
    air = Air()
    air.heard("70:00:00:00:00:01", {}, "somebody's phone", [])
    assert (air.listener.ignored, air.listener.strangers.heard_within(60, air.now)) == (1, [])


@settings(max_examples=50)
@given(
    data=st.dictionaries(st.sampled_from([BTHOME, "180f", ""]), st.binary(max_size=260)),
    name=st.none() | st.text(max_size=300),
    services=st.lists(st.sampled_from([SMP_SERVICE, "", "180f"])),
    address=st.sampled_from([ADDRESS, "66:66:66:66:66:66", ""]),
    rssi=st.integers(-1000, 1000),
)
def test_no_advert_upsets_it(
    data: dict[str, bytes], name: str | None, services: list[str], address: str, rssi: int
) -> None:
    air = Air()
    air.heard(address, data, name, services, rssi=rssi)
    assert air.ours.live.values == {}
    for stranger in air.listener.strangers.heard_within(60, air.now):
        assert stranger.name is None or len(stranger.name) <= 30


@given(st.binary(min_size=2, max_size=15), st.integers(0, bthome.MAX_COUNTER))
def test_nor_does_one_that_opens_and_says_anything(objects: bytes, counter: int) -> None:
    # A stolen lamppost has the key: its values are its own, but nothing falls.
    sender = bytes.fromhex(ADDRESS.replace(":", ""))
    sealed = bthome.seal(bthome.bind_key(KEY, NODE), sender, counter, objects)
    heard = AdvertisementData(None, {}, {BTHOME: sealed[2:]}, [], None, -60, ())
    values = open_values(Listened(NODE, KEY, None).bind_key, advert_of(ADDRESS, heard))
    assert values is not None
    assert set(values) <= {
        "temperature", "humidity", "pm25", "pm10", "voltage", "energy", "power", "lit",
        "towards", "away",
    }  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 8, 10])
def test_a_sealed_advert_too_short_is_none(size: int) -> None:
    heard = AdvertisementData(None, {}, {BTHOME: b"\x41" * size}, [], None, -60, ())
    assert advert_of(ADDRESS, heard).data is None
