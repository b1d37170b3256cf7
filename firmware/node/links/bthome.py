"""What the node's Bluetooth adverts say: live values as BTHome objects, sealed, in turn."""

from protocol import bthome, envelope, records

from ..epoch import next_epoch

# Adverts in turn: lamp and energy, air, people.
TURNS = 3
# Counters taken at once: at an advert each 3 s flash is written every 3.4 hours, and a node that
# started every minute would take two years to use them all up.
_BLOCK = 4096
_BLOCKS = (bthome.MAX_COUNTER + 1) // _BLOCK
_NVS_KEY = "ble_block"


class Live:
    """The newest values, as the log was told them. lamp: gives `told`, in %."""

    def __init__(self, lamp):
        self._lamp = lamp
        self._newest = {}

    def record(self, kind, values):
        """Take the fields of a record of any kind."""
        if kind in (records.AIR, records.PEOPLE, records.ENERGY, records.CLIMATE):
            self._newest[kind] = values

    def objects(self, turn) -> bytes:
        """The BTHome objects of advert `turn`, 0..TURNS-1, at most 15 bytes; b"" for none yet."""
        if turn == 0:
            return self._energy()
        return self._air() if turn == 1 else self._people()

    def _energy(self):
        lit = bthome.pack(bthome.POWER_ON, 1 if self._lamp.told else 0)
        energy = self._newest.get(records.ENERGY)
        if energy is None:
            return lit
        # In the order of their ids.
        return (
            bthome.pack(bthome.POWER, 10 * _field(records.ENERGY, energy, "power"))
            + lit
            + bthome.pack(bthome.VOLTAGE, _field(records.ENERGY, energy, "voltage"))
            + bthome.pack(bthome.ENERGY, _field(records.ENERGY, energy, "total"))
        )

    def _air(self):
        said = b""
        climate = self._newest.get(records.CLIMATE)
        if climate is not None:
            said += bthome.pack(
                bthome.TEMPERATURE, _field(records.CLIMATE, climate, "temperature")
            ) + bthome.pack(bthome.HUMIDITY, _field(records.CLIMATE, climate, "humidity"))
        air = self._newest.get(records.AIR)
        if air is not None:
            said += bthome.pack(
                bthome.PM25, (_field(records.AIR, air, "pm25") + 5) // 10
            ) + bthome.pack(bthome.PM10, (_field(records.AIR, air, "pm10") + 5) // 10)
        return said

    def _people(self):
        people = self._newest.get(records.PEOPLE)
        if people is None:
            return b""
        return bthome.pack(bthome.COUNT, _field(records.PEOPLE, people, "towards")) + bthome.pack(
            bthome.COUNT, _field(records.PEOPLE, people, "away")
        )


def _field(kind, values, name):
    return values[records.field(kind, name)]


class Adverts:
    """The sealed adverts of one node, in turn.

    live: Live. identity: that of the node. path: file of the counter's blocks. nvs: an `esp32.NVS`
    or None. sealed: adverts made since start.

    Counters: a block of 4096 is taken from file and NVS before the first of it is used, as the
    log's epochs are, so that none comes twice under one bind key, whatever was cut off or erased.
    """

    def __init__(self, live, identity, path, nvs):
        self._live = live
        self._identity = identity
        self._path = path
        self._nvs = nvs
        self._turn = 0
        self._counter = 0
        # The key it is derived from, and the bind key.
        self._key = b""
        self._bind_key = b""
        self.sealed = 0

    def next(self, address) -> bytes:
        """The service data of the next advert that has something to say, b"" when none has.

        address: the radio's, 6 bytes. Raises OSError when no counter can be had: without one
        nothing is sealed.
        """
        for _ in range(TURNS):
            objects = self._live.objects(self._turn)
            self._turn = (self._turn + 1) % TURNS
            if objects:
                if not self._counter & (_BLOCK - 1):
                    self._take_block()
                data = bthome.seal(self._listeners_key(), address, self._counter, objects)
                self._counter += 1
                self.sealed += 1
                return data
        return b""

    def _take_block(self):
        block = next_epoch(self._path, self._nvs, 0, _NVS_KEY)
        if block >= _BLOCKS:
            raise OSError(75)  # EOVERFLOW: no further advert under this key
        # The first counter is 4096: below it 0 stands for none yet.
        self._counter = block * _BLOCK

    def _listeners_key(self):
        """The bind key of the node's own key in force: a change of that is followed at once."""
        keys = self._identity["keys"]
        # One that nobody has used yet is not in force; the gateway may still take it back.
        pending = self._identity.get("next", (0,))[0]
        own = [i for i in keys if not envelope.is_group_key(i) and i != pending]
        key = keys[max(own) if own else pending]
        if key != self._key:
            self._bind_key = bthome.bind_key(key, self._identity["id"])
            self._key = key
        return self._bind_key
