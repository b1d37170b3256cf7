"""This gateway under the same load: lampposts on the local network, sealed, TLS, acknowledged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cbor2

from gateway.lan import mosquitto as files
from simulators.demo.broker import free_port
from simulators.tools import mosquitto
from tests.bench.peers import load
from tests.bench.peers.brokers import KEEPING, Broker, running
from tests.bench.peers.lan_street import nodes
from tests.bench.peers.memory import rss_mb
from tests.bench.peers.runs import OUTAGE_S, QUIET_S, Outcome
from tests.integration.gateway.fake_node import KEY_ID

REPOSITORY = Path(__file__).resolve().parents[3]
_READY_WITHIN_S = 60.0
_STEPS = 100


def numbers(topic: str, payload: bytes) -> Iterator[int]:
    """The records in a batch: the lamppost's place and the sequence as one number."""
    if topic.endswith("/records"):
        _, node, epoch, first, records = cbor2.loads(payload)
        for seq in range(first, first + len(records)):
            yield node[5] << 32 | epoch << 24 | seq


class Gateway:
    """The gateway's process in `folder`, sending to the broker at port `city`.

    bus: the serial port its lampposts are at, None for the local network.
    """

    def __init__(self, folder: Path, city: int, bus: Path | None = None) -> None:
        folder.mkdir(parents=True)
        self.port, local = free_port(), free_port()
        self._file = folder / "gateway.toml"
        self._log = folder / "gateway.log"
        self.data = folder / "data"
        text = (
            f'[gateway]\nid = "cabinet-1"\ndata_dir = "{self.data}"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {city}\nrequire_ingest = false\nin_flight = 100\n'
            + (
                f'[lan]\naddress = "127.0.0.1"\nport = {self.port}\nlocal_port = {local}\n'
                if bus is None
                else f'[bus.bench]\nport = "{bus}"\n'
            )
            + "idle_poll_ms = 50\n"
        )
        for node in nodes(load.DEVICES):
            place = "lan = true" if bus is None else f'bus = "bench"\naddress = {node.address}'
            text += (
                f'[[lamppost]]\nid = "{node.hex}"\nname = "{node.address}"\n{place}\n'
                f'key = "{node.key.hex()}"\nkey_id = {KEY_ID}\n'
            )
        self._file.write_text(text, encoding="utf-8")
        self._file.chmod(0o600)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.main", "run", "--config", str(self._file)],
                cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdout=log, stderr=log,
            )  # fmt: skip

    def broker_is_set_up(self) -> None:
        """Wait until it has written its broker's files."""
        _until((self.data / "lan" / files.PASSWORDS).exists, self._log)

    def up(self, lampposts: int) -> None:
        """Wait until this many have been heard."""
        _until(lambda: self._log.read_text().count("lamppost up") >= lampposts, self._log)

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        if self._process is None:
            raise RuntimeError("the gateway does not run")
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def through_ours(folder: Path, records: int, fault: str = "") -> Outcome:
    """`records` written by lampposts, through the gateway; `fault` as for the peers."""
    city = Broker(folder / "city", KEEPING)
    with running(city):
        gateway = Gateway(folder / "gateway", city.port)
        heard = load.City(city.port, numbers)
        gateway.start()
        gateway.broker_is_set_up()
        lan = gateway.data / "lan"
        broker = subprocess.Popen(
            [*mosquitto(), "-c", str(lan / files.CONFIGURATION)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        street = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.peers.lan_street", str(lan), str(gateway.port),
             str(load.DEVICES)],
            cwd=REPOSITORY, stdin=subprocess.PIPE,
        )  # fmt: skip
        try:
            gateway.up(load.DEVICES)
            began = time.perf_counter()
            if fault:
                _with_fault(city, gateway, street, records, fault)
            else:
                _write(street, records)
            heard.wait(records, QUIET_S)
            rate = len(heard.seen) / max(1e-9, heard.last - began)
            lost = records - len(heard.seen)
            return Outcome(
                records, lost, heard.arrived - len(heard.seen), rate, rss_mb(gateway.pid)
            )
        finally:
            heard.close()
            gateway.kill()
            for process in (street, broker):
                process.kill()
                process.wait()


def over_serial(folder: Path, records: int) -> Outcome:
    """`records` written by lampposts at a serial port without a line's delays."""
    city = Broker(folder / "city")
    with running(city):
        link = folder / "port"
        street = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.peers.serial_street", str(link),
             str(load.DEVICES)],
            cwd=REPOSITORY, stdin=subprocess.PIPE,
        )  # fmt: skip
        gateway = Gateway(folder / "gateway", city.port, link)
        heard = load.City(city.port, numbers)
        try:
            gateway.start()
            gateway.up(load.DEVICES)
            began = time.perf_counter()
            _write(street, records)
            heard.wait(records, QUIET_S)
            rate = len(heard.seen) / max(1e-9, heard.last - began)
            return Outcome(records, records - len(heard.seen), 0, rate, rss_mb(gateway.pid))
        finally:
            heard.close()
            gateway.kill()
            street.kill()
            street.wait()


def _with_fault(
    city: Broker, gateway: Gateway, street: subprocess.Popen[bytes], records: int, fault: str
) -> None:
    half, quarter = records // 2, records // 4
    _write(street, half)
    time.sleep(1)
    city.stop()
    # What comes now is acknowledged in front while nothing can leave behind.
    for _ in range(_STEPS):
        _write(street, quarter // _STEPS)
        time.sleep(OUTAGE_S / _STEPS)
    if fault == "kill":
        gateway.kill()
        gateway.start()
    city.start()
    _write(street, records - half - quarter // _STEPS * _STEPS)


def _write(street: subprocess.Popen[bytes], records: int) -> None:
    if street.stdin is None:
        raise RuntimeError("the street takes no orders")
    street.stdin.write(b"%d\n" % records)
    street.stdin.flush()


def _until(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the gateway is not ready: {log.read_text()[-1500:]}")
        time.sleep(0.02)
