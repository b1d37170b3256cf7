"""Failures as bleak and BlueZ word them, each with its name and remedy."""

from __future__ import annotations

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)

from gateway.ble.remedies import Fault, Remedy, describe, fault_of

FAILED = "org.bluez.Error.Failed"
NO_METHOD = (
    'Method "SetDiscoveryFilter" with signature "a{sv}" on interface "org.bluez.Adapter1" '
    "doesn't exist"
)
NO_ADAPTERS = BleakBluetoothNotAvailableReason.NO_BLUETOOTH
OFF = BleakBluetoothNotAvailableReason.POWERED_OFF
DENIED = BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (BleakDeviceNotFoundError("C4", "Device with address C4 was not found."), Fault.NOT_FOUND),
        (BleakDBusError("org.bluez.Error.DoesNotExist", ["Does Not Exist"]), Fault.NOT_FOUND),
        (BleakDBusError("org.freedesktop.DBus.Error.UnknownObject",
                        ['Method "Connect" on interface "org.bluez.Device1" doesn\'t exist']),
         Fault.NOT_FOUND),
        (BleakError("device 'dev_C4_4D_50_00_00_01' not found"), Fault.NOT_FOUND),
        (TimeoutError(), Fault.TIMEOUT),
        (BleakDBusError(FAILED, ["Page Timeout"]), Fault.TIMEOUT),
        (BleakDBusError(FAILED, ["Host is down"]), Fault.TIMEOUT),
        (BleakDBusError(FAILED, ["le-connection-abort-by-local"]), Fault.ABORTED),
        (BleakDBusError(FAILED, ["Software caused connection abort"]), Fault.ABORTED),
        (BleakDBusError(FAILED, ["Input/output error"]), Fault.ABORTED),
        (BleakDBusError(FAILED, ["Operation already in progress"]), Fault.IN_PROGRESS),
        (BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"]),
         Fault.IN_PROGRESS),
        (BleakDBusError("org.bluez.Error.Busy", [""]), Fault.IN_PROGRESS),
        (BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]), Fault.NOT_READY),
        (BleakBluetoothNotAvailableError(
            "No powered Bluetooth adapters found. Turn on Bluetooth and try again.", OFF),
         Fault.NOT_READY),
        (BleakDBusError(FAILED, ["Blocked through rfkill"]), Fault.BLOCKED),
        (BleakDBusError(FAILED, ["No discovery started"]), Fault.SCAN_REFUSED),
        (BleakDBusError(FAILED, ["Cannot allocate memory"]), Fault.NO_ROOM),
        (BleakDBusError(FAILED, ["Connection limit exceeded"]), Fault.NO_ROOM),
        (BleakDBusError("org.freedesktop.DBus.Error.UnknownObject", [NO_METHOD]),
         Fault.ADAPTER_GONE),
        (BleakBluetoothNotAvailableError("No Bluetooth adapters found.", NO_ADAPTERS),
         Fault.ADAPTER_GONE),
        (BleakError("adapter 'hci1' not found"), Fault.ADAPTER_GONE),
        (BleakDBusError("org.freedesktop.DBus.Error.NoReply",
                        ["Message recipient disconnected from message bus without replying"]),
         Fault.BLUEZ_GONE),
        (BleakDBusError("org.freedesktop.DBus.Error.NameHasNoOwner",
                        ["Could not get owner of name 'org.bluez': no such name"]),
         Fault.BLUEZ_GONE),
        (BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown",
                        ["The name org.bluez was not provided by any .service files"]),
         Fault.BLUEZ_GONE),
        (EOFError(), Fault.BLUEZ_GONE),
        (BrokenPipeError(32, "Broken pipe"), Fault.BLUEZ_GONE),
        (FileNotFoundError(2, "No such file or directory"), Fault.BLUEZ_GONE),
        (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", ["Rejected send message"]),
         Fault.NOT_ALLOWED),
        (BleakBluetoothNotAvailableError("denied", DENIED), Fault.NOT_ALLOWED),
        (BleakError("Not connected"), Fault.DISCONNECTED),
        (BleakDBusError(FAILED, ["Not connected"]), Fault.DISCONNECTED),
        (BleakDBusError(FAILED, ["Connection reset by peer"]), Fault.DISCONNECTED),
        (BleakError("failed to discover services, device disconnected"), Fault.DISCONNECTED),
        (BleakCharacteristicNotFoundError("da2e7828"), Fault.SERVICE_MISSING),
        (BleakError("no SMP service"), Fault.SERVICE_MISSING),
        (BleakGATTProtocolError(BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION),
         Fault.AUTHENTICATION),
        (BleakDBusError("org.bluez.Error.AuthenticationFailed", ["Authentication Failed"]),
         Fault.AUTHENTICATION),
        (BleakGATTProtocolError(BleakGATTProtocolErrorCode.UNLIKELY_ERROR), Fault.REFUSED),
        (BleakDBusError(FAILED, ["Operation failed with ATT error: 0x0e"]), Fault.REFUSED),
        (BleakError("passive scanning on Linux requires BlueZ >= 5.56 with --experimental enabled "
                    "and Linux kernel >= 5.10"), Fault.NO_PASSIVE),
        (BleakError("something nobody has seen before"), Fault.UNKNOWN),
        (AssertionError(), Fault.UNKNOWN),
    ],
)  # fmt: skip
def test_a_failure_is_known_by_its_text(error: BaseException, fault: Fault) -> None:
    assert fault_of(error) is fault


def test_each_fault_has_a_remedy_and_words() -> None:
    assert {type(fault.remedy) for fault in Fault} == {Remedy}
    assert all(len(fault.advice) > 20 for fault in Fault)
    # An enumeration makes one of two members with the same value.
    assert len(Fault) == len(Fault.__members__)


def test_a_failure_is_told_in_one_line_with_what_to_do() -> None:
    said = describe(BleakDBusError(FAILED, ["Blocked through\nrfkill" + "x" * 5000]))
    assert "rfkill unblock bluetooth" in said
    assert "\n" not in said
    assert len(said) < 400
