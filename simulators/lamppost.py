"""One lamppost: its chip, the parts on its board, its place on the bus and in the world."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from protocol import records
from simulators.accesspoint import AccessPoint
from simulators.airparts import AirParts
from simulators.bus import Bus, BusPort
from simulators.console import ConsolePort
from simulators.factory import Provision
from simulators.lampparts import DIMMING_PIN, LampParts
from simulators.ledger import Ledger
from simulators.node_process import ChipState, NodeProcess, ResetCause
from simulators.parts import Air, UartPart
from simulators.parts.luminaire import FULL_DUTY, Luminaire
from simulators.parts.vl53l1x import Vl53l1x
from simulators.peripherals import I2cPart, NothingThere, PartLine, UartEnd
from simulators.world.street_world import LamppostWorld

if TYPE_CHECKING:
    from simulators.radio.street_radio import StreetRadio

METER_UART, BUS_UART, AIR_UART = 0, 1, 2
SERVICE_PIN = 6
_LOOK_S = 0.1  # at pins that change by themselves


@dataclass(frozen=True)
class Release:
    """What a lamppost started: version such as ``1.2.3``, slot 0 or 1, on trial or not."""

    version: str
    slot: int
    trial: bool


@dataclass(frozen=True)
class LamppostView:
    """One lamppost at one moment, as somebody in the street with good instruments sees it.

    Attributes:
        node: node id, 12 hexadecimal digits.
        name: what people call it.
        address: its bus address.
        state: of the chip.
        dimming_level: light now, percent of full output.
        power_watts: electrical power of the lamp.
        people: walkers within reach now.
        towards: people who have passed so far, walking towards; ground truth for the counters.
        away: the same, walking away.
        air: particulate matter at its inlet.
        bus_connected: False while its bus wires are cut.
        starts: of the chip, by cause.
        logged: records it has logged so far.
        release: what it runs, by its own last BOOT record; None before the first.
        heard: machine seconds since it last talked on the bus, None while it never did.
    """

    node: str
    name: str
    address: int
    state: ChipState
    dimming_level: float
    power_watts: float
    people: int
    towards: int
    away: int
    air: Air
    bus_connected: bool
    starts: dict[ResetCause, int]
    logged: int
    release: Release | None
    heard: float | None

    @property
    def restarts(self) -> int:
        """Starts after the first."""
        return max(0, sum(self.starts.values()) - 1)


class Lamppost:
    """The board of one node (:class:`simulators.peripherals.Board`) and all that is on it.

    Args:
        provision: who it is.
        chip: its process, not started yet.
        bus: the bus it is wired to.
        world: its surroundings.
        ledger: where its records are noted.
        seed: of the noise of its parts.
        complain: called with one line about something that must not happen.
        parts: codes of what is fitted, by the configuration's field under ``parts/``; what is
            absent is the board's.

    Attributes:
        logged: records it has logged.
        heap_before_boot: bytes of its heap that were in use when the boot stage began, all of them
            for modules that an ESP32 has in its firmware.
    """

    def __init__(
        self,
        provision: Provision,
        chip: NodeProcess,
        bus: Bus,
        world: LamppostWorld,
        ledger: Ledger,
        seed: str,
        complain: Callable[[str], None],
        parts: Mapping[str, int] | None = None,
    ) -> None:
        self.provision = provision
        self.chip = chip
        self.world = world
        self.luminaire = Luminaire()
        self.logged = 0
        self.heap_before_boot = 0
        clock = chip.clock
        self.lamp_parts = LampParts(parts or {}, world, self.luminaire, clock, seed)
        self.air_parts = AirParts(parts or {}, world, clock.machine, seed)
        self.people_sensor = Vl53l1x(world, clock.machine, Random(f"{seed} people"))
        # On the air only where the street was asked for one.
        self.radio: StreetRadio | None = None
        # The Wi-Fi in its reach; a street puts its own here.
        self.wifi = AccessPoint()
        self._bus = bus
        self._ledger = ledger
        self._complain = complain
        self._port: BusPort | None = None
        self._talked: float | None = None
        self._release: Release | None = None
        self._bus_connected = True
        self._service_switch_closed = False
        self._inputs_changed: Callable[[], None] = lambda: None
        self._console: ConsolePort | None = None
        self._look: asyncio.TimerHandle | None = None
        chip.on_reset = self._started
        chip.on_killed = self._killed
        chip.on_failure = complain

    @property
    def node(self) -> str:
        """Node id, 12 hexadecimal digits."""
        return self.provision.node

    # ------------------------------------------------------------------ what people do to it

    def power_on(self) -> None:
        """Close the mains breaker."""
        self.world.powered = True
        self.chip.power_on()

    async def power_cut(self) -> None:
        """Open the mains breaker, whatever the node is doing."""
        self.world.powered = False
        await self.chip.power_cut()

    def connect_bus(self, connected: bool) -> None:
        """Cut or mend its wires to the bus."""
        self._bus_connected = connected
        if self._port is not None:
            self._port.connected = connected

    def close_service_switch(self, closed: bool) -> None:
        """Turn the key behind the door of the lamppost."""
        self._service_switch_closed = closed
        self._inputs_changed()

    def open_console(self) -> str:
        """The path of a serial port that leads to its console, made at the first call."""
        if self._console is None:
            self._console = ConsolePort(self.chip.type)
            self.chip.on_console = self._console.show
        return self._console.path

    def view(self) -> LamppostView:
        """How it looks now."""
        self.lamp_parts.settle()
        walkers = self.world.walkers()
        on = self.world.powered
        return LamppostView(
            node=self.node,
            name=self.provision.name,
            address=self.provision.address,
            state=self.chip.state,
            dimming_level=self.luminaire.dimming_level if on else 0.0,
            power_watts=self.luminaire.power_watts(self.world.mains_voltage()),
            people=len(walkers),
            towards=self.world.pavement.towards,
            away=self.world.pavement.away,
            air=self.world.air(),
            bus_connected=self._bus_connected,
            starts=dict(self.chip.starts),
            logged=self.logged,
            release=self._release,
            heard=None if self._talked is None else self.chip.clock.machine() - self._talked,
        )

    async def close(self) -> None:
        """Take it off the street."""
        if self._look is not None:
            self._look.cancel()
        await self.chip.power_cut()
        if self._console is not None:
            self._console.close()
            self._console = None

    # ------------------------------------------------------------------ what its board is asked

    def control(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """See :class:`simulators.peripherals.Board`."""
        for kind, value in message.items():
            match kind:
                case "pwm":
                    if value[0] == DIMMING_PIN:
                        # A pin that drives nothing is pulled to full by the board.
                        self.lamp_parts.pwm(value[2] if value[1] else FULL_DUTY)
                case "pin":
                    self.lamp_parts.pin(*value)
                case "rmt":
                    edges = self.lamp_parts.transmit(value[0], value[2])
                    if edges is not None:
                        return {"edges": edges}
                case "count":
                    return {"count": self.lamp_parts.count(value)}
                case "wdt":
                    self.chip.arm_watchdog(value)
                case "fed":
                    self.chip.feed_watchdog()
                case "ledger":
                    self._logged(*value)
                case "heap":
                    self.heap_before_boot = value
                case _:
                    pass  # "boot": the process was started by us, with its cause

    def input_pins(self) -> dict[int, int]:
        """See :class:`simulators.peripherals.Board`."""
        return {SERVICE_PIN: 0 if self._service_switch_closed else 1, **self.lamp_parts.pins()}

    def watch_inputs(self, changed: Callable[[], None]) -> None:
        """See :class:`simulators.peripherals.Board`."""
        self._inputs_changed = changed
        if self.lamp_parts.polled and self._look is None:
            self._look_at_inputs(self.lamp_parts.pins())

    def _look_at_inputs(self, before: dict[int, int]) -> None:
        """Tell the chip of pins that have changed by themselves, and look again soon."""
        now = self.lamp_parts.pins()
        if now != before:
            self._inputs_changed()
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(_LOOK_S, self._look_at_inputs, now)

    def power_dali_bus(self, on: bool) -> None:
        """Cut or mend the supply of its DALI bus."""
        self.lamp_parts.power_dali_bus(on)
        self._inputs_changed()

    def open_uart(self, number: int, baud: int, send: Callable[[bytes], None]) -> UartEnd:
        """See :class:`simulators.peripherals.Board`."""
        if number == BUS_UART:
            self._port = self._bus.join(send, baud)
            self._port.connected = self._bus_connected
            return _BusEnd(self._port, self._talk)
        parts: dict[int, UartPart | None] = {
            METER_UART: self.lamp_parts.meter_uart(),
            AIR_UART: self.lamp_parts.presence_uart() or self.air_parts.uart(),
        }
        part = parts.get(number)
        return NothingThere() if part is None else PartLine(part, baud, send)

    def i2c_parts(self, number: int) -> list[I2cPart]:
        """See :class:`simulators.peripherals.Board`."""
        return [self.people_sensor, *self.air_parts.i2c()] if number == 0 else []

    def microvolts(self, pin: int) -> int:
        """See :class:`simulators.peripherals.Board`."""
        return self.lamp_parts.microvolts(pin) or self.air_parts.microvolts(pin)

    def access_point(self) -> AccessPoint:
        """See :class:`simulators.peripherals.Board`."""
        return self.wifi

    def open_radio(self, send: Callable[[bytes], None]) -> UartEnd | None:
        """See :class:`simulators.peripherals.Board`."""
        if self.radio is None:
            return None
        return self.radio.join(self.radio_address, send)

    @property
    def radio_address(self) -> bytes:
        """Its public Bluetooth address: as on the ESP32 two above the chip's own."""
        return (int(self.node, 16) + 2).to_bytes(6, "big")

    def _logged(self, epoch: int, seq: int, body: str) -> None:
        self.logged += 1
        record = bytes.fromhex(body)
        try:
            self._ledger.record(self.node, epoch, seq, record)
            kind, _, values = records.decode(record)
        except ValueError as error:  # ProtocolError is one
            self._complain(f"{self.node}: {error}")
            return
        if kind == records.BOOT:
            _, version, slot, trial, _ = values
            text = f"{version >> 24}.{version >> 16 & 0xFF}.{version & 0xFFFF}"
            self._release = Release(text, slot, bool(trial))

    def _talk(self) -> None:
        self._talked = self.chip.clock.machine()

    def _started(self, cause: ResetCause) -> None:
        # Nothing drives the pins while the chip starts: the board's pull-ups put the lamp on.
        self.lamp_parts.reset()
        if cause is ResetCause.POWER_ON:
            for part in (self.lamp_parts, self.air_parts, self.people_sensor):
                part.brown_out()

    def _killed(self) -> None:
        self._ledger.killed(self.node)


class _BusEnd:
    """The bus side of a node's UART; it leaves the bus with the process that opened it."""

    def __init__(self, port: BusPort, talked: Callable[[], None]) -> None:
        self._port = port
        self._talked = talked

    def receive(self, data: bytes) -> None:
        self._talked()
        self._port.transmit(data)

    def close(self) -> None:
        self._port.leave()
