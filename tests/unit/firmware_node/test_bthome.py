"""The node's Bluetooth adverts, as an independent listener decodes them: the library bthome-ble."""

from pathlib import Path
from typing import Any

import pytest
from bthome_ble import BTHomeBluetoothDeviceData
from habluetooth import BluetoothServiceInfoBleak

from firmware.node.links.bthome import TURNS, Adverts, Live
from protocol import bthome, records
from tests.unit.firmware_node.test_epoch import Nvs

NODE = bytes.fromhex("02b1c2d3e4f5")
ADDRESS = bytes.fromhex("02b1c2d3e4f7")
KEY = bytes(range(16))
BIND_KEY = bthome.bind_key(KEY, NODE)
SERVICE = "0000fcd2-0000-1000-8000-00805f9b34fb"


class Lamp:
    told = 70


class Listener:
    """Somebody with a bind key."""

    def __init__(self, bind_key: bytes = BIND_KEY) -> None:
        self.parser = BTHomeBluetoothDeviceData(bindkey=bind_key)
        self._now = 0.0

    def hears(self, data: bytes) -> dict[str, Any]:
        """What is known after an advert with this service data."""
        assert data[:2] == b"\xd2\xfc"
        self._now += 3.0
        update = self.parser.update(
            BluetoothServiceInfoBleak(
                name="lamp-d3e4f5",
                address=":".join(f"{byte:02X}" for byte in ADDRESS),
                rssi=-60,
                manufacturer_data={},
                service_data={SERVICE: data[2:]},
                service_uuids=[],
                source="",
                device=None,  # type: ignore[arg-type]
                advertisement=None,
                connectable=False,
                time=self._now,
                tx_power=None,
            )
        )
        found = {key.key: value.native_value for key, value in update.entity_values.items()}
        for key, value in update.binary_entity_values.items():
            found[f"{key.key} on"] = value.native_value
        found.pop("signal_strength", None)
        return found


def live(kind: int | None = None, **fields: int) -> Live:
    """Values of which those of ``kind`` are known."""
    made = Live(Lamp())
    if kind is not None:
        made.record(kind, values(kind, **fields))
    return made


def values(kind: int, **fields: int) -> tuple[int, ...]:
    names = [field[0] for field in records.KINDS[kind][1]]
    assert set(fields) <= set(names)
    return tuple(fields.get(name, 0) for name in names)


def adverts(path: Path, what: Live, nvs: Nvs | None = None, **identity: Any) -> Adverts:
    return Adverts(what, {"id": NODE, "keys": {1: KEY}} | identity, str(path / "adverts"), nvs)


def counter(data: bytes) -> int:
    return int.from_bytes(data[-8:-4], "little")


def test_a_listener_with_the_key_reads_every_value(tmp_path: Path) -> None:
    what = live(records.AIR, pm25=124, pm10=305)
    what.record(records.CLIMATE, values(records.CLIMATE, temperature=-512, humidity=9876))
    what.record(records.ENERGY, values(records.ENERGY, power=432, voltage=2301, total=1_234_567))
    what.record(records.PEOPLE, values(records.PEOPLE, towards=17, away=300))
    made = adverts(tmp_path, what)
    listener = Listener()
    heard: dict[str, Any] = {}
    for _ in range(TURNS):
        data = made.next(ADDRESS)
        assert len(data) <= 31 - 3 - 2
        heard |= listener.hears(data)
    assert heard == {
        "pm25": 12,
        "pm10": 31,
        "temperature": -5.12,
        "humidity": 98.76,
        "power": 43.2,
        "power on": True,
        "voltage": 230.1,
        "energy": 1234.567,
        "count_1": 17,
        "count_2": 300,
    }


def test_what_is_not_known_is_not_said(tmp_path: Path) -> None:
    made = adverts(tmp_path, live())
    for _ in range(2):
        assert Listener().hears(made.next(ADDRESS)) == {"power on": True}
    assert made.sealed == 2


def test_a_listener_with_another_key_reads_nothing(tmp_path: Path) -> None:
    data = adverts(tmp_path, live()).next(ADDRESS)
    for wrong in (bytes(16), KEY, bthome.bind_key(KEY, ADDRESS)):
        listener = Listener(wrong)
        assert listener.hears(data) == {}
        assert not listener.parser.bindkey_verified


def test_an_altered_advert_is_not_believed(tmp_path: Path) -> None:
    data = adverts(tmp_path, live()).next(ADDRESS)
    for at in range(3, len(data)):
        altered = bytearray(data)
        altered[at] ^= 1
        listener = Listener()
        assert listener.hears(bytes(altered)) == {}
        assert not listener.parser.bindkey_verified


def test_counters_rise_over_starts_and_the_loss_of_either_copy(tmp_path: Path) -> None:
    nvs = Nvs()
    seen = 0
    for lost in ("", "file", "nvs", "", "rotten file"):
        if "file" in lost:
            (tmp_path / "adverts").write_bytes(b"" if lost == "file" else b"\xff" * 8)
        if lost == "nvs":
            nvs.values.clear()
        made = adverts(tmp_path, live(), nvs)
        for _ in range(5):
            data = made.next(ADDRESS)
            assert counter(data) > seen
            seen = counter(data)


def test_counters_run_on_from_block_to_block(tmp_path: Path) -> None:
    nvs = Nvs()
    made = adverts(tmp_path, live(), nvs)
    found = [counter(made.next(ADDRESS)) for _ in range(2 * 4096 + 2)]
    assert found == list(range(found[0], found[0] + len(found)))
    assert nvs.values == {"ble_block": 3}


def test_without_a_counter_that_lasts_nothing_is_sealed(tmp_path: Path) -> None:
    made = adverts(tmp_path / "gone", live(), Nvs(fails=True))
    with pytest.raises(OSError, match="No such file"):
        made.next(ADDRESS)
    used_up = Nvs()
    used_up.values["ble_block"] = (1 << 20) - 1
    with pytest.raises(OSError, match="75"):
        adverts(tmp_path, live(), used_up).next(ADDRESS)
    assert made.sealed == 0


def test_a_changed_key_is_followed_once_it_is_in_force(tmp_path: Path) -> None:
    new = bytes(range(16, 32))
    identity: dict[str, Any] = {"id": NODE, "keys": {1: KEY, 200: bytes(16)}}
    made = Adverts(live(), identity, str(tmp_path / "adverts"), None)

    def verified(bind_key: bytes) -> bool:
        listener = Listener(bind_key)
        listener.hears(made.next(ADDRESS))
        return listener.parser.bindkey_verified

    assert verified(BIND_KEY), "no group key is used"
    identity["keys"][2] = new
    identity["next"] = [2, 1]
    assert verified(BIND_KEY), "not before the gateway has shown that it has the new one"
    del identity["keys"][1], identity["next"]
    assert verified(bthome.bind_key(new, NODE))
