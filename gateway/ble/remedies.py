"""What went wrong with Bluetooth, and what helps.

A failure of bleak or BlueZ is named by the first rule of `_RULES` that fits its type and text; each
`Fault` has one `Remedy` and says what a person may do. BlueZ gives most of its failures the same
name, org.bluez.Error.Failed, so that the text decides. Errors were gathered from bleak, BlueZ's
sources (src/error.c, src/device.c) and what users of both have met.

Not bleak-retry-connector, which knows the same texts: it repeats on the spot, for up to four
attempts of 20 s, and holds a connection that other lampposts are waiting for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)


class Remedy(Enum):
    """What to do next."""

    RETRY_NOW = "try again at once"
    OTHER_ADAPTER = "another adapter, else later"
    BACK_OFF = "leave this lamppost alone for a while"
    RESTART_SCAN = "start the scan again"
    POWER_CYCLE = "switch the adapter off and on"
    GIVE_UP = "only a person can help"


class Fault(Enum):
    """What went wrong: its remedy, and what it means to a person."""

    NOT_FOUND = (Remedy.RESTART_SCAN, "BlueZ has forgotten the lamppost; its next advert helps")
    TIMEOUT = (Remedy.OTHER_ADAPTER, "the lamppost does not answer: out of range, or no power")
    ABORTED = (Remedy.RETRY_NOW, "the connection did not come about, as interference makes it")
    DISCONNECTED = (Remedy.RETRY_NOW, "the connection was lost")
    IN_PROGRESS = (Remedy.BACK_OFF, "BlueZ is still busy with another request")
    NO_ROOM = (Remedy.OTHER_ADAPTER, "the adapter has no room for another connection")
    SERVICE_MISSING = (Remedy.BACK_OFF, "this is no lamppost: it has no SMP service")
    REFUSED = (Remedy.BACK_OFF, "the lamppost refused an operation on its SMP service")
    AUTHENTICATION = (
        Remedy.BACK_OFF,
        "pairing is asked for, which lampposts do not: remove the pairing "
        "(bluetoothctl remove ADDRESS)",
    )
    SCAN_REFUSED = (Remedy.POWER_CYCLE, "the adapter does not scan")
    NOT_READY = (Remedy.POWER_CYCLE, "the adapter is switched off")
    BLOCKED = (Remedy.GIVE_UP, "the adapter is blocked: rfkill unblock bluetooth")
    ADAPTER_GONE = (
        Remedy.RESTART_SCAN,
        "there is no such adapter: is it plugged in? (bluetoothctl list)",
    )
    BLUEZ_GONE = (
        Remedy.RESTART_SCAN,
        "bluetoothd or D-Bus is not running: systemctl status bluetooth dbus",
    )
    NOT_ALLOWED = (
        Remedy.GIVE_UP,
        "this user may not use Bluetooth: make it a member of the group bluetooth",
    )
    NO_PASSIVE = (
        Remedy.GIVE_UP,
        'passive scanning needs bluetoothd --experimental; or set scan = "active" in [ble]',
    )
    UNKNOWN = (Remedy.OTHER_ADAPTER, "not a failure that is known here")

    @property
    def remedy(self) -> Remedy:
        """What to do next."""
        return self.value[0]

    @property
    def advice(self) -> str:
        """What it means, and what a person may do."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class _Rule:
    fault: Fault
    kinds: tuple[type[BaseException], ...]
    # Lower case; one of these is in the error's text. None: whatever the text.
    texts: tuple[str, ...] = ()


_ANY: Final = (BleakError, OSError, EOFError)

_RULES: Final = (
    _Rule(Fault.NO_PASSIVE, (BleakError,), ("passive scanning on linux requires",)),
    _Rule(
        Fault.NOT_ALLOWED,
        (BleakError, PermissionError),
        ("org.freedesktop.dbus.error.accessdenied", "org.bluez.error.notauthorized",
         "denied_by", "permission denied", "auth_failed"),
    ),
    _Rule(Fault.BLOCKED, (BleakError,), ("rfkill", "org.bluez.error.blocked")),
    _Rule(
        Fault.BLUEZ_GONE,
        _ANY,
        ("org.freedesktop.dbus.error.serviceunknown", "org.freedesktop.dbus.error.namehasnoowner",
         "org.freedesktop.dbus.error.noreply", "org.freedesktop.dbus.error.disconnected",
         "org.freedesktop.dbus.error.noserver", "d-bus connection"),
    ),
    _Rule(Fault.BLUEZ_GONE, (EOFError, BrokenPipeError, ConnectionError, FileNotFoundError)),
    _Rule(
        Fault.ADAPTER_GONE,
        (BleakError,),
        ("adapter '", 'on interface "org.bluez.adapter1"', "no bluetooth adapters found",
         "no_bluetooth", "no such adapter", "enodev", "no such device"),
    ),
    _Rule(
        Fault.NOT_READY,
        (BleakError,),
        ("org.bluez.error.notready", "resource not ready", "no powered bluetooth adapters",
         "powered_off", "br-connection-adapter-not-powered"),
    ),
    _Rule(Fault.NOT_FOUND, (BleakDeviceNotFoundError,)),
    _Rule(
        Fault.SERVICE_MISSING,
        (BleakCharacteristicNotFoundError,),
    ),
    _Rule(Fault.SERVICE_MISSING, (BleakError,), ("no smp service",)),
    _Rule(
        Fault.AUTHENTICATION,
        (BleakError,),
        ("org.bluez.error.authentication", "insufficient authentication",
         "insufficient encryption", "insufficient authorization", "not paired",
         "connection rejected due to security reasons", "pin or key missing"),
    ),
    _Rule(
        Fault.NO_ROOM,
        (BleakError,),
        ("connection limit exceeded", "connection slot", "available connection",
         "cannot allocate memory", "le-connection-limited-resources", "no resources"),
    ),
    _Rule(
        Fault.IN_PROGRESS,
        (BleakError,),
        ("org.bluez.error.inprogress", "already in progress", "in-progress",
         "operation currently not available", "org.bluez.error.busy"),
    ),
    _Rule(
        Fault.SCAN_REFUSED,
        (BleakError,),
        ("no discovery started", "set scan parameters failed"),
    ),
    _Rule(
        Fault.NOT_FOUND,
        (BleakError,),
        ("org.freedesktop.dbus.error.unknownobject", "org.bluez.error.doesnotexist"),
    ),
    _Rule(Fault.NOT_FOUND, (BleakError,), ("device 'dev_",)),
    _Rule(
        Fault.ABORTED,
        (BleakError,),
        ("le-connection-abort-by-local", "software caused connection abort",
         "br-connection-canceled", "operation already in cancel", "le-connection-abort",
         "connection failed to be established", "org.bluez.error.connectionattemptfailed",
         "input/output error"),
    ),
    _Rule(
        Fault.TIMEOUT,
        (BleakError, TimeoutError),
        ("page timeout", "host is down", "connection timed out", "le-connection-timeout",
         "connect timeout", "no route to host"),
    ),
    _Rule(Fault.TIMEOUT, (TimeoutError,)),
    _Rule(
        Fault.DISCONNECTED,
        (BleakError,),
        ("not connected", "disconnected", "connection reset by peer", "transport endpoint",
         "org.bluez.error.notconnected", "le-connection-terminated", "remote user terminated",
         "may be disconnected", "le-connection-reset-by-peer"),
    ),
    _Rule(Fault.REFUSED, (BleakGATTProtocolError,)),
    _Rule(Fault.REFUSED, (BleakError,), ("att error", "gatt protocol error")),
    _Rule(Fault.NOT_READY, (BleakBluetoothNotAvailableError,)),
)  # fmt: skip

FAILURES: Final = (BleakError, OSError, EOFError, TimeoutError, AssertionError)
"""What bleak's calls may raise. The last is bleak's own, of a D-Bus that ends under it."""


def fault_of(error: BaseException) -> Fault:
    """What `error`, raised by a call of bleak's, stands for."""
    text = _text(error)
    for rule in _RULES:
        if isinstance(error, rule.kinds) and (
            not rule.texts or any(part in text for part in rule.texts)
        ):
            return rule.fault
    return Fault.UNKNOWN


def describe(error: BaseException) -> str:
    """`error` in one line: what it means, and what was said."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{fault_of(error).advice} ({said[:200].rstrip(': ')})"


def _text(error: BaseException) -> str:
    parts = [str(error)]
    if isinstance(error, BleakDBusError):
        parts.append(error.dbus_error)
    elif isinstance(error, BleakBluetoothNotAvailableError):
        parts.append(error.reason.name)
    return " ".join(parts).lower()
