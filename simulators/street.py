"""A street: lampposts on a bus, the world over it, the ledger of what they logged."""

import asyncio
import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from firmware.build import Slots
from simulators.accesspoint import AccessPoint
from simulators.airparts import configured
from simulators.bus import Bus, Utilisation
from simulators.clock import SimClock
from simulators.factory import Factory, Provision, provision
from simulators.lamppost import Lamppost, LamppostView
from simulators.ledger import Ledger
from simulators.node_process import NodeProcess, cpu_seconds
from simulators.peripherals import PeripheralServer
from simulators.ports import free_port
from simulators.radio import open_radio
from simulators.tools import Interpreter, micropython
from simulators.world import World

if TYPE_CHECKING:
    from simulators.radio.street_radio import StreetRadio

_LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes
_POWER_ON_GAP = 0.02


@dataclass(frozen=True)
class StreetPlan:
    """What a street is like.

    Attributes:
        lampposts: how many, 1..247.
        seed: of identities, noise and the world.
        speed: street seconds in one machine second.
        origin: street time at the start, UTC epoch seconds; the real time when None.
        baud: of the bus.
        bit_error_rate: of the bus.
        people: footfall recording to replay, None for the weekly profile.
        air: air recording to replay, None for the weekly profile.
        crowd: see :class:`simulators.world.pavement.Pavement`.
        bits: word size of the interpreter, 64 or 32.
        heap: size of each node's Python heap, as MicroPython takes it.
        slots: where the lampposts of a new street keep the application: unpacked to folders on
            littlefs as on stock MicroPython, or executed in place from ROMFS as on a custom build.
        stock: whether stock MicroPython starts the boot stage from the littlefs, as the default
            way of flashing has it; else it is frozen, as in a custom build.
        bus_name: what the gateway's configuration calls the bus.
        parts: codes of the parts fitted to each lamppost, by the configuration's field under
            ``parts/``; those of a new street leave the factory with a configuration that says so.
        configuration: further fields that those of a new street leave the factory with.
        radio: whether there is Bluetooth on the street; needs Bumble (:mod:`simulators.radio`).
    """

    lampposts: int = 10
    seed: int = 0
    speed: float = 1.0
    origin: float | None = None
    baud: int = 115_200
    bit_error_rate: float = 0.0
    people: Path | None = None
    air: Path | None = None
    crowd: float = 1.0
    bits: int = 64
    heap: str = "1M"
    slots: Slots = Slots.FOLDER
    stock: bool = False
    bus_name: str = "lime-walk"
    parts: Mapping[str, int] = field(default_factory=dict[str, int])
    configuration: Mapping[str, Any] = field(default_factory=dict[str, Any])
    radio: bool = False


@dataclass(frozen=True)
class StreetView:
    """A street at one moment.

    Attributes:
        time: street time, UTC epoch seconds.
        sun_elevation: degrees above the horizon.
        daylight_lux: of a clear sky.
        bus: what the bus has carried so far.
        lampposts: each lamppost, by address.
    """

    time: float
    sun_elevation: float
    daylight_lux: float
    bus: Utilisation
    lampposts: tuple[LamppostView, ...]


class FolderInUse(Exception):
    """Another street lives in the folder: two would write the same flashes."""


class Street:
    """A street in ``folder``, which is made when absent; used as an async context manager.

    A folder that held a street before is taken up again: its flashes and its ledger go on. One that
    is in use by another street is refused.

    Args:
        folder: where flashes, logs, the release key and the ledger are kept.
        plan: what it is like.
        complain: called with one line about something that must not happen.

    Attributes:
        clock, world, bus, ledger: what the lampposts share; there while the street is open.
        lampposts: by address.
        access_point: the Wi-Fi in reach of all of them.
        radio: the air between them, None for a street without.
        factory: made the lampposts, and makes releases for them.
    """

    clock: SimClock
    world: World
    bus: Bus
    ledger: Ledger
    factory: Factory

    def __init__(
        self,
        folder: Path,
        plan: StreetPlan | None = None,
        complain: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder.absolute()
        self.plan = plan or StreetPlan()
        self.lampposts: list[Lamppost] = []
        self.access_point = AccessPoint()
        self.radio: StreetRadio | None = None
        self._complain = complain
        self._exit = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Street":
        async with contextlib.AsyncExitStack() as stack:
            await self._open(stack)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exit.aclose()

    def lamppost(self, node: str) -> Lamppost:
        """The lamppost with this node id.

        Raises:
            KeyError: there is none.
        """
        for lamppost in self.lampposts:
            if lamppost.node == node:
                return lamppost
        raise KeyError(node)

    async def power_on(self) -> None:
        """Give every lamppost power, a moment apart as contactors do."""
        for lamppost in self.lampposts:
            lamppost.power_on()
            await asyncio.sleep(_POWER_ON_GAP)

    async def power_cut(self) -> None:
        """Take the power from the whole street at once."""
        await asyncio.gather(*(lamppost.power_cut() for lamppost in self.lampposts))

    def view(self) -> StreetView:
        """The street now."""
        return StreetView(
            time=self.clock.street(),
            sun_elevation=self.world.sun_elevation(),
            daylight_lux=self.world.daylight_lux(),
            bus=self.bus.utilisation(),
            lampposts=tuple(lamppost.view() for lamppost in self.lampposts),
        )

    def cpu_seconds(self) -> float:
        """Processor time that the running lampposts have used since they last started."""
        return sum(cpu_seconds(post.chip.pid) for post in self.lampposts if post.chip.pid)

    def gateway_config(
        self,
        gateway: str = "gw-lime-walk",
        data: Path | None = None,
        mqtt_host: str = "127.0.0.1",
        mqtt_port: int = 1883,
        further: str = "",
    ) -> str:
        """The text of a gateway's configuration file for this street, keys included.

        Args:
            gateway: id of the gateway.
            data: folder for its buffer; one in the street's folder when None.
            mqtt_host: the city's broker.
            mqtt_port: its port.
            further: sections to add as they are.
        """
        data = data or self.folder / "gateway"
        port = self.bus.open_gateway_port()
        sections = [
            f'[gateway]\nid = "{gateway}"\ndata_dir = "{data}"\n',
            self.clock.gateway_section(),
            f'[bus.{self.plan.bus_name}]\nport = "{port}"\nbaud = {self.plan.baud}\n',
            f'[mqtt]\nhost = "{mqtt_host}"\nport = {mqtt_port}\n',
            # Not the default: a gateway of this machine's own, or of another street, has that.
            f'[metrics]\nlisten = "127.0.0.1:{free_port()}"\n',
            further,
            *(
                lamppost.provision.gateway_section(self.plan.bus_name)
                for lamppost in self.lampposts
            ),
        ]
        return "\n".join(section for section in sections if section)

    def write_gateway_config(self, path: Path | None = None, **options: str | int | Path) -> Path:
        """Write :meth:`gateway_config` to ``path`` (``gateway.toml`` in the folder), for the owner.

        The file holds keys, so nobody else may read it.
        """
        path = path or self.folder / "gateway.toml"
        path.touch(mode=0o600)
        path.write_text(self.gateway_config(**options))  # pyright: ignore[reportArgumentType]
        return path

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        plan = self.plan
        self.folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(_held(self.folder))
        await asyncio.to_thread(micropython, plan.bits)  # fetched now, not at the first power-on
        self.factory = Factory(self.folder, plan.slots, stock=plan.stock)
        provisions = provision(plan.lampposts, plan.seed)
        await asyncio.to_thread(
            self.factory.make,
            provisions,
            configuration={**configured(plan.parts), **plan.configuration},
        )
        self.clock = SimClock.start(plan.origin, plan.speed)
        self.world = await asyncio.to_thread(
            World, self.clock, plan.seed, plan.people, plan.air, plan.crowd
        )
        self.ledger = Ledger(self.folder / "ledger.txt")
        stack.callback(self.ledger.close)
        self.bus = Bus(plan.baud, plan.bit_error_rate, plan.seed)
        stack.callback(self.bus.close)
        self.bus.open_gateway_port()
        if plan.radio:
            self.radio = open_radio()
            stack.callback(self.radio.close)
        server = PeripheralServer(self._socket_path(stack))
        await server.start()
        stack.push_async_callback(server.close)
        for number, who in enumerate(provisions):
            lamppost = self._build(who, number, server)
            stack.push_async_callback(lamppost.close)
            lamppost.radio = self.radio
            server.boards[who.node] = lamppost
            self.lampposts.append(lamppost)

    def _build(self, who: Provision, number: int, server: PeripheralServer) -> Lamppost:
        chip = NodeProcess(
            node=who.node,
            files=self.factory.files_of(who),
            street_socket=server.path,
            rom=self.factory.rom,
            clock=self.clock,
            interpreter=Interpreter(self.plan.bits),
            heap=self.plan.heap,
            stock=self.plan.stock,
        )
        world = self.world.at_lamppost(number)
        seed = f"parts {self.plan.seed} {number}"
        lamppost = Lamppost(
            who, chip, self.bus, world, self.ledger, seed, self._complain, self.plan.parts
        )
        lamppost.wifi = self.access_point
        return lamppost

    def _socket_path(self, stack: contextlib.AsyncExitStack) -> Path:
        path = self.folder / "street.sock"
        if len(str(path)) > _LONGEST_SOCKET_PATH:
            short = tempfile.mkdtemp(prefix="lamplighter-")
            stack.callback(shutil.rmtree, short, ignore_errors=True)
            path = Path(short) / "street.sock"
        path.unlink(missing_ok=True)
        return path


@contextlib.contextmanager
def _held(folder: Path) -> Generator[None]:
    """Hold ``folder`` against other streets; let go at the end, or when the process ends.

    Raises:
        FolderInUse: another street holds it.
    """
    with (folder / "street.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(
                f"{folder}: expected a folder of its own, got one in which another street runs; "
                "end that one, or name another folder"
            ) from error
        yield
