"""The gateway's own mosquitto, through which lampposts on the local network are reached."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gateway.cabinet import broker
from gateway.cabinet.broker import BrokerAddress
from gateway.cabinet.certificates import CertificateFile
from gateway.cabinet.findings import Finding, fail, ok
from gateway.config import LanSection
from gateway.lan import certificates, mosquitto

SERVICE = "lamplighter-mosquitto"
_ABOUT = "local broker"
# Debian keeps it where only root looks.
_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


def check(lan: LanSection, data_dir: Path, timeout_s: float = broker.TIMEOUT_S) -> list[Finding]:
    """Look at the mosquitto of `[lan]`."""
    folder = lan.folder_in(data_dir).absolute()
    if shutil.which("mosquitto") is None and shutil.which("mosquitto", path=_PATH) is None:
        return [fail(_ABOUT, "mosquitto is not installed", "sudo apt install mosquitto")]
    if not os.path.exists(folder / mosquitto.CONFIGURATION):
        return [
            fail(
                _ABOUT,
                f"{folder / mosquitto.CONFIGURATION} is not there yet, or not for this user",
                "start the gateway, which writes it, or check as the gateway's user",
            )
        ]
    process = mosquitto.running(folder)
    if process is None:
        return [
            fail(
                _ABOUT,
                "does not run with the gateway's configuration",
                f"sudo systemctl enable --now {SERVICE}; journalctl -u {SERVICE} says why it ended",
            )
        ]
    return [
        ok(_ABOUT, f"runs (process {process})"),
        *broker.check(
            BrokerAddress("127.0.0.1", lan.local_port, lan.local_user,
                          folder / mosquitto.LOCAL_PASSWORD),
            "lamplighter-doctor", _ABOUT, timeout_s,
        ),
    ]  # fmt: skip


def certificate_files(lan: LanSection, data_dir: Path) -> list[CertificateFile]:
    """The certificates of the local broker that are there."""
    folder = lan.folder_in(data_dir)
    files = [
        CertificateFile(folder / certificates.AUTHORITY, "the local network's authority"),
        CertificateFile(
            folder / certificates.BROKER, "the local broker", folder / certificates.BROKER
        ),
    ]
    return [one for one in files if os.path.exists(one.file)]
