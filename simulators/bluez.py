"""A machine that runs the real BlueZ, with a Bluetooth controller on a simulated street.

Inside: Debian's kernel and bluetoothd (:mod:`simulators.tools.bluez_guest`), under QEMU as an
ordinary user. Its controller is one of the street's (``StreetRadio.serve_hci``); its D-Bus is
reached over TCP, so that an unmodified bleak on the host takes it for its own: that goes by the
environment, see :attr:`BluezGuest.environment`.
"""

import asyncio
import ctypes
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from simulators.tools import bluez_guest

_STARTS_WITHIN_S = 120.0
_ENDS_WITHIN_S = 10.0
_MEMORY_MB = 256
_PR_SET_PDEATHSIG = 1
_READY = b"GUEST READY"


class GuestFailed(Exception):
    """The guest did not start; the text has the end of what it said."""


class BluezGuest:
    """A context that is entered when the guest is up.

    Args:
        hci: the unix socket at which the street gives out Bluetooth controllers.
        log: a file that gets what the guest says.
    """

    def __init__(self, hci: Path, log: Path) -> None:
        self._hci = hci
        self._log = log
        self._orders = log.with_name(log.name + ".orders")
        self._port = _free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment for its bleak to speak with this BlueZ."""
        return {
            "DBUS_SYSTEM_BUS_ADDRESS": f"tcp:host=127.0.0.1,port={self._port}",
            # Who connects is root in the guest, whoever it is outside.
            "BLEAK_DBUS_AUTH_UID": "0",
        }

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            ToolError: it cannot be had on this machine.
            GuestFailed: it did not come up.
        """
        folder = await asyncio.to_thread(bluez_guest.fetch)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(folder),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
            )
        try:
            async with asyncio.timeout(_STARTS_WITHIN_S):
                while _READY not in self._log.read_bytes():
                    if self._process.returncode is not None:
                        raise GuestFailed(f"the guest ended at once: {self._said()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            await self._stop()
            raise GuestFailed(f"no BlueZ after {_STARTS_WITHIN_S:.0f} s: {self._said()}") from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def restart_bluetoothd(self) -> None:
        """Kill bluetoothd in the guest, where it is started again at once."""
        _, writer = await asyncio.open_unix_connection(str(self._orders))
        writer.write(b"restart-bluetoothd\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def _command(self, folder: Path) -> list[str]:
        share = folder / "usr/share"
        return [
            str(folder / "bin/qemu"),
            *("-L", str(share / "qemu"), "-L", str(share / "seabios")),
            *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"),
            *("-smp", "1", "-m", str(_MEMORY_MB)),
            *("-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"),
            *("-serial", "stdio"),
            *("-kernel", str(folder / "vmlinux"), "-initrd", str(folder / "initrd")),
            *("-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr"),
            *("-object", "rng-random,id=rng,filename=/dev/urandom"),
            *("-device", "virtio-rng-pci,rng=rng"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=hci,path={self._hci}"),
            *("-device", "virtconsole,chardev=hci"),
            *("-chardev", f"socket,id=orders,server=on,wait=off,path={self._orders}"),
            *("-device", "virtconsole,chardev=orders"),
            *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:5555"),
            *("-device", "virtio-net-pci,netdev=net,romfile="),
        ]

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_ENDS_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-500:]


def _end_with_parent() -> None:
    # A machine left behind by a test that was killed would go on for ever.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
