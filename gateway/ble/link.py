"""Everything by Bluetooth, put together: adapters, ears, the queue, a channel for each lamppost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.ble.adapter import OpenAdapter
from gateway.ble.channel import BleChannel
from gateway.ble.listener import Listened, Listener, Live
from gateway.ble.queue import Queue
from gateway.ble.radio import Radio
from gateway.ble.strangers import Stranger
from gateway.config.ble import BleSection
from gateway.logs import Logger

# A lamppost nearby advertises every few seconds.
_NEARBY_S = 60.0


class BleLink:
    """The Bluetooth side of a gateway; `open_adapter` says whose adapters they are.

    ready: set while an adapter scans. news: called with the node id of a lamppost that is worth a
    visit now, as its adverts show: it has come back or restarted.
    """

    def __init__(
        self,
        settings: BleSection,
        open_adapter: OpenAdapter,
        log: Logger,
        machine_time: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ready = asyncio.Event()
        self._now = machine_time
        self._listener = Listener(machine_time)
        self._queue = Queue(dict.fromkeys(settings.adapters, settings.connections))
        self._radios = {
            name: Radio(
                open_adapter(name),
                settings.scan,
                settings.silence_s,
                self._listener,
                self._changed,
                log,
            )
            for name in settings.adapters
        }
        self._listened: dict[bytes, Listened] = {}
        self._channels: dict[bytes, BleChannel] = {}

    @property
    def at_once(self) -> int:
        """Lampposts that can be connected at the same time."""
        return self._queue.room

    def on_news(self, call: Callable[[bytes], None]) -> None:
        """Have `call` called with the node id of a lamppost that is worth a visit now."""
        self._listener.news = call

    def on_stranger(self, call: Callable[[bytes, str, int], None]) -> None:
        """Have `call` called with the node id, address and dBm of a lamppost that is not ours.

        It is what the advert says, by anyone.
        """
        self._listener.stranger = call

    def on_alarm(self, call: Callable[[str, str], None]) -> None:
        """Have `call` called with an adapter's name and what is wrong with it, "" once all is well.

        What passes by itself in a few seconds is not told.
        """
        for name, radio in self._radios.items():
            radio.alarmed = lambda text, name=name: call(name, text)

    def add(self, node: bytes, key: bytes, address: str | None, log: Logger) -> BleChannel:
        """A channel to the lamppost `node` (6 bytes), listened for from now on with `key`.

        address: the Bluetooth address it has, None to find it by its node id and name.
        """
        listened = self._listener.add(node, key, address)
        channel = BleChannel(node, listened, self._radios, self._queue, log, self._now)
        self._listened[node] = listened
        self._channels[node] = channel
        return channel

    def remove(self, node: bytes) -> None:
        """Listen for the lamppost no more."""
        self._listener.remove(self._listened.pop(node))
        del self._channels[node]

    def rekey(self, node: bytes, key: bytes) -> None:
        """The lamppost's own key is now `key` (16 bytes): its adverts open with that."""
        self._listened[node].rekey(key)

    def live(self, node: bytes) -> Live | None:
        """What a lamppost's adverts said last, None for one that is not listened for."""
        listened = self._listened.get(node)
        return None if listened is None else listened.live

    def strangers(self) -> list[Stranger]:
        """Lampposts nearby that are not this gateway's, the strongest first; not to be trusted."""
        return self._listener.strangers.heard_within(_NEARBY_S, self._now())

    def stranger(self, address: str, log: Logger) -> BleChannel | None:
        """A channel to one of `strangers`, to ask who it is; None when it is not heard."""
        found = self._listener.strangers.get(address)
        if found is None:
            return None
        key = found.address.encode()
        return BleChannel(key, found, self._radios, self._queue, log, self._now)

    def alarms(self) -> list[str]:
        """What is wrong with the adapters, in words; [] when all is well."""
        return [radio.alarm for radio in self._radios.values() if radio.alarm]

    def counters(self) -> dict[str, int]:
        """Counters since the start, and how many connections there are and wait now."""
        ears = self._listener
        radios = self._radios.values()
        channels = self._channels.values()
        return {
            "adverts": ears.adverts,
            "adverts_fresh": ears.fresh,
            "adverts_forged": ears.forged,
            "adverts_replayed": ears.replayed,
            "adverts_ignored": ears.ignored,
            "strangers_turned_away": ears.strangers.turned_away,
            "scans": sum(radio.scans for radio in radios),
            "power_cycles": sum(radio.power_cycles for radio in radios),
            "connections": self._queue.stays,
            "connections_waiting": self._queue.waiting,
            "connects": sum(channel.connects for channel in channels),
            "connects_failed": sum(channel.failures for channel in channels),
            "connections_dropped": sum(channel.drops for channel in channels),
            "requests_repeated": sum(channel.repeats for channel in channels),
        }

    def faults(self) -> dict[str, int]:
        """How often each kind of failure came, by `remedies.Fault`'s names in lower case."""
        total: dict[str, int] = {}
        for radio in self._radios.values():
            for fault, count in radio.faults.items():
                name = fault.name.lower()
                total[name] = total.get(name, 0) + count
        return total

    async def run(self) -> None:
        """Scan with every adapter until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for radio in self._radios.values():
                    group.create_task(radio.run())
        finally:
            await self._queue.close()
            for radio in self._radios.values():
                await radio.adapter.close()

    def _changed(self) -> None:
        if any(radio.up for radio in self._radios.values()):
            self.ready.set()
        else:
            self.ready.clear()
        self._queue.look()
