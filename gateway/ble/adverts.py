"""Adverts of lampposts: which they are, and what the sealed ones say.

How a lamppost makes them: `protocol.bthome`, and the node's link "ble". The service and the name
stand in the scan response, which a passive scan does not get.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bleak.backends.scanner import AdvertisementData
from bthome_ble import BTHomeBluetoothDeviceData
from habluetooth import BluetoothServiceInfoBleak

SMP_SERVICE: Final = "8d53dc1d-1db7-4cd3-868b-8a527460aa84"
SMP_CHARACTERISTIC: Final = "da2e7828-fbce-4e01-ae9e-261174997c48"
BTHOME: Final = "0000fcd2-0000-1000-8000-00805f9b34fb"
NAME_BEGINS: Final = "lamp-"

# Version 2, encrypted, sent at intervals; then at least one object of two bytes, counter, MIC.
_INFORMATION = 0x41
_LEAST = 1 + 2 + 4 + 4
# What one advert carries, legacy or extended.
_MOST = 250
_LONGEST_NAME = 30

# Of bthome-ble's names those that a lamppost uses, and what they are here.
_NAMES: Final = {
    "temperature": "temperature",
    "humidity": "humidity",
    "pm25": "pm25",
    "pm10": "pm10",
    "voltage": "voltage",
    "energy": "energy",
    "power": "power",
    "count_1": "towards",
    "count_2": "away",
}


@dataclass(frozen=True, slots=True)
class Advert:
    """One advert, as far as it matters here.

    address: of the sender, in capitals. name: None where none was heard. rssi: dBm. data: sealed
    BTHome service data without its UUID, or None. smp: whether it says that it speaks SMP.
    """

    address: str
    name: str | None
    rssi: int
    data: bytes | None
    smp: bool

    @property
    def counter(self) -> int | None:
        """The counter it is sealed with, not to be believed before it is opened."""
        return None if self.data is None else int.from_bytes(self.data[-8:-4], "little")

    @property
    def of_lamppost(self) -> bool:
        """Whether its sender says it is a lamppost."""
        return self.smp or (self.name is not None and self.name.startswith(NAME_BEGINS))


def advert_of(address: str, heard: AdvertisementData) -> Advert:
    """What is of use in what bleak gives."""
    data = heard.service_data.get(BTHOME)
    if data is not None and not (_LEAST <= len(data) <= _MOST and data[0] == _INFORMATION):
        data = None
    return Advert(
        address.upper(),
        None if heard.local_name is None else heard.local_name[:_LONGEST_NAME],
        heard.rssi,
        data,
        SMP_SERVICE in heard.service_uuids,
    )


def open_values(bind_key: bytes, advert: Advert) -> dict[str, float | bool] | None:
    """The values in a sealed advert; None for one that does not open with `bind_key` (16 bytes).

    temperature (degrees Celsius), humidity (%), pm25 and pm10 (ug/m3), voltage (V), energy (kWh),
    power (W), lit (bool), towards and away (people).
    """
    if advert.data is None:
        return None
    # A new one each time: it would go on telling values of adverts before, and refuses counters by
    # rules of its own.
    parser = BTHomeBluetoothDeviceData(bindkey=bind_key)
    update = parser.update(_service_info(advert, advert.data))
    if not parser.bindkey_verified:
        return None
    values: dict[str, float | bool] = {}
    for key, sensor in update.entity_values.items():
        name = _NAMES.get(key.key)
        if name is not None and isinstance(sensor.native_value, int | float):
            values[name] = sensor.native_value
    for key, sensor in update.binary_entity_values.items():
        if key.key == "power":
            values["lit"] = bool(sensor.native_value)
    return values


def _service_info(advert: Advert, data: bytes) -> BluetoothServiceInfoBleak:
    # Of the device it asks nothing; bleak's is not made of an advert alone.
    device: Any = None
    return BluetoothServiceInfoBleak(
        name="lamp",
        address=advert.address,
        rssi=advert.rssi,
        manufacturer_data={},
        service_data={BTHOME: data},
        service_uuids=[],
        source="",
        device=device,
        advertisement=None,
        connectable=True,
        time=0.0,
        tx_power=None,
    )
