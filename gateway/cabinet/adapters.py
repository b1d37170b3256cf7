"""Bluetooth adapters: there, not blocked, powered, and BlueZ that drives them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.cabinet.findings import Finding, fail, ok

_SYS = Path("/sys/class")
_HCI = re.compile(r"hci\d+")
_TIMEOUT_S = 10.0
_ABOUT = "bluetooth"

Run = Callable[[Sequence[str]], str | None]


@dataclass(frozen=True)
class Adapter:
    """An adapter of this machine.

    Attributes:
        name: such as hci0.
        address: of the device, "" when the kernel does not tell.
        blocked: "soft", "hard" or "".
    """

    name: str
    address: str
    blocked: str


def run(command: Sequence[str]) -> str | None:
    """What `command` prints; None when it fails, is not there, or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def find(sys: Path = _SYS) -> list[Adapter]:
    """The adapters there are, by name."""
    folder = sys / "bluetooth"
    if not folder.is_dir():
        return []
    names = sorted(one.name for one in folder.iterdir() if _HCI.fullmatch(one.name))
    return [Adapter(name, _address(folder / name), _blocked(folder / name)) for name in names]


def check(wanted: Sequence[str], sys: Path = _SYS, run: Run = run) -> list[Finding]:
    """Look at each of the adapters `wanted`; those that are none of BlueZ's are not looked at."""
    findings: list[Finding] = []
    there = {adapter.name: adapter for adapter in find(sys)}
    for name in wanted:
        if not _HCI.fullmatch(name):
            findings.append(ok(f"{_ABOUT} {name}", "not one of this machine's: not looked at"))
        elif name not in there:
            known = ", ".join(there) or "none"
            findings.append(
                fail(
                    f"{_ABOUT} {name}",
                    f"no such adapter; there is {known}",
                    "plug it in; on a Pi, look that config.txt has no dtoverlay=disable-bt",
                )
            )
        else:
            findings.append(_check_one(there[name], run))
    return findings


def _check_one(adapter: Adapter, run: Run) -> Finding:
    about = f"{_ABOUT} {adapter.name}"
    if adapter.blocked == "hard":
        return fail(about, "blocked by a switch (rfkill)", "turn the switch, or the BIOS setting")
    if adapter.blocked:
        return fail(about, "blocked (rfkill)", "sudo rfkill unblock bluetooth")
    powered = run(
        ["busctl", "get-property", "org.bluez", f"/org/bluez/{adapter.name}",
         "org.bluez.Adapter1", "Powered"]
    )  # fmt: skip
    if powered is None:
        return fail(
            about,
            "BlueZ does not answer for it",
            "sudo apt install bluez; sudo systemctl enable --now bluetooth; "
            "see journalctl -u bluetooth",
        )
    if powered.split()[-1:] != ["true"]:
        return fail(
            about, "not powered", f"sudo bluetoothctl power on, or hciconfig {adapter.name}"
        )
    return ok(about, f"powered{f', {adapter.address}' if adapter.address else ''}")


def _address(folder: Path) -> str:
    try:
        return (folder / "address").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _blocked(folder: Path) -> str:
    for switch in sorted(folder.glob("rfkill*")):
        for kind in ("hard", "soft"):
            try:
                if (switch / kind).read_text(encoding="ascii").strip() == "1":
                    return kind
            except (OSError, UnicodeDecodeError):
                continue  # gone in between
    return ""
