"""The load, and what of it arrives: numbered messages in at the street's broker, counted behind."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

DEVICES = 32
# What a record of a lamppost takes as JSON, about.
_FILL = "x" * 100
_IN_FLIGHT = 500
_WAIT_S = 60.0

Numbers = Callable[[str, bytes], Iterable[int]]
"""Which messages a message at the city's broker carries: (topic, payload) to their numbers."""


def topic(number: int) -> str:
    """Where message `number` is published."""
    return f"bench/d{number % DEVICES}/data"


def text(number: int) -> str:
    """What message `number` says."""
    return f"{number:08d}{_FILL}"


def payload(number: int) -> bytes:
    """Message `number`."""
    return json.dumps({"r": text(number)}).encode()


def number_of(said: str) -> int:
    """The number in what a message says."""
    return int(said[:8])


class City:
    """Listens at the city's broker, answers as a ThingsBoard server must, notes what came."""

    def __init__(self, port: int, numbers: Numbers) -> None:
        self._numbers = numbers
        self._lock = threading.Lock()
        self.seen: set[int] = set()
        self.arrived = 0  # repeats included
        self.last = 0.0
        # A session that is kept: what comes while the broker restarts is not missed here.
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "bench-city", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.max_inflight_messages_set(0)
        self._client.on_message = self._message
        self._client.on_connect = _subscribe
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _message(self, client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if message.topic.startswith("v1/devices/me/rpc/request/"):
            limits = {"maxPayloadSize": 65536, "maxInflightMessages": 100, "rateLimits": {},
                      "gatewayRateLimits": {}}  # fmt: skip
            request = message.topic.rpartition("/")[2]
            client.publish(f"v1/devices/me/rpc/response/{request}", json.dumps(limits), qos=1)
            return
        found = list(self._numbers(message.topic, bytes(message.payload)))
        if found:
            with self._lock:
                self.seen.update(found)
                self.arrived += len(found)
                self.last = time.perf_counter()

    def wait(self, numbers: int, quiet_s: float = _WAIT_S) -> None:
        """Until `numbers` different ones are here, or none has come for `quiet_s`."""
        self.last = max(self.last, time.perf_counter())
        while len(self.seen) < numbers and time.perf_counter() - self.last < quiet_s:
            time.sleep(0.02)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()


def _subscribe(client: mqtt.Client, *_: object) -> None:
    client.subscribe("#", 1)


class Street:
    """Publishes numbered messages at the street's broker, QoS 1; `acknowledged` are those sure."""

    def __init__(self, port: int) -> None:
        self.acknowledged: set[int] = set()
        self._numbers: dict[int, int] = {}
        self._early: set[int] = set()
        self._lock = threading.Lock()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(_IN_FLIGHT)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = self._published
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._slots = threading.BoundedSemaphore(_IN_FLIGHT)

    def _published(self, _client: object, _data: object, mid: int, *_: object) -> None:
        with self._lock:
            number = self._numbers.pop(mid, None)
            if number is None:
                self._early.add(mid)
                return
            self.acknowledged.add(number)
        self._slots.release()

    def publish(self, numbers: Iterable[int], pause_s: float = 0) -> None:
        """Publish these, at most some hundreds unacknowledged at a time."""
        for number in numbers:
            self._slots.acquire()
            mid = self._client.publish(topic(number), payload(number), qos=1).mid
            with self._lock:
                early = mid in self._early
                self._early.discard(mid)
                if early:
                    self.acknowledged.add(number)
                else:
                    self._numbers[mid] = number
            if early:
                self._slots.release()
            if pause_s:
                time.sleep(pause_s)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()
