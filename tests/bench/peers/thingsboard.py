"""ThingsBoard's gateway, as shipped and tuned: MQTT connector or serial connector, sqlite storage.

As shipped means its own file of settings with the storage that survives a restart; tuned means no
rate limits, no pause between packs and packs of 64 KiB.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulators.tools.environments import environment
from tests.bench.peers import load

REQUIREMENT = "thingsboard-gateway==3.8.5 pyserial==3.5"
_READY_WITHIN_S = 60.0
_TUNED: dict[str, Any] = {
    "maxPayloadSizeBytes": 65536,
    "minPackSendDelayMS": 0,
    **dict.fromkeys(
        ("rateLimits", "dpRateLimits", "messagesRateLimits", "deviceMessagesRateLimits",
         "deviceRateLimits", "deviceDpRateLimits"),
        "0:0,",
    ),
}  # fmt: skip


def numbers(topic: str, payload: bytes) -> Iterator[int]:
    """The messages in a pack of its telemetry."""
    if topic != "v1/gateway/telemetry":
        return
    for entries in json.loads(payload).values():
        for entry in entries:
            yield load.number_of(entry["values"]["r"])


class ThingsBoard:
    """The gateway in `folder`, between the brokers at the two ports."""

    def __init__(
        self, folder: Path, city: int, street: int | None, serial: str | None, *, tuned: bool
    ) -> None:
        """street: port of the broker it reads from; serial: or the serial port. One of the two.

        Raises ToolError.
        """
        self._python = environment("thingsboard-gateway", REQUIREMENT)
        self._folder = folder
        shipped = next(
            self._python.parent.parent.glob("lib/python3*/site-packages/thingsboard_gateway")
        )
        configuration = folder / "config"
        configuration.mkdir(parents=True)
        (folder / "logs").mkdir()
        (folder / "data").mkdir()
        shutil.copy(shipped / "config" / "logs.json", configuration / "logs.json")
        main = json.loads((shipped / "config" / "tb_gateway.json").read_text())
        main["thingsboard"].update(
            host="127.0.0.1", port=city, remoteConfiguration=False,
            security={"type": "accessToken", "accessToken": "bench"},
        )  # fmt: skip
        main["thingsboard"]["statistics"]["enable"] = False
        main["storage"] = {"type": "sqlite", "data_file_path": "./data/"}
        if tuned:
            main["thingsboard"].update(_TUNED)
        kind = "mqtt" if serial is None else "serial"
        entry = {"name": "bench", "type": kind, "configuration": "bench.json"}
        if serial is not None:
            entry["class"] = "SerialConnector"
        main["connectors"] = [entry]
        connector = _mqtt(street or 0) if serial is None else _serial(serial)
        (configuration / "bench.json").write_text(json.dumps(connector))
        (configuration / "tb_gateway.json").write_text(json.dumps(main))
        self._ready = b"subscription success" if serial is None else b"Connected to device"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it reads. Raises RuntimeError when it does not come to that."""
        log = self._folder / "out.log"
        with log.open("ab") as out:
            begun = out.tell()
            self._process = subprocess.Popen(
                [str(self._python), "-m", "thingsboard_gateway.tb_gateway"],
                cwd=self._folder,
                env={**os.environ, "TB_GW_CONFIG_DIR": str(self._folder / "config")},
                stdout=out,
                stderr=out,
            )
        deadline = time.monotonic() + _READY_WITHIN_S
        while self._ready not in log.read_bytes()[begun:]:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"ThingsBoard gateway: {log.read_text()[-500:]}")
            time.sleep(0.1)

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


def _mqtt(port: int) -> dict[str, Any]:
    return {
        "broker": {
            "host": "127.0.0.1", "port": port, "clientId": "bench", "version": 5,
            "maxMessageNumberPerWorker": 10, "maxNumberOfWorkers": 100,
            # A session that is kept, so that the broker holds what comes while it is away.
            "cleanSession": False, "cleanStart": False, "sessionExpiryInterval": 3600,
            "security": {"type": "anonymous"},
        },
        "mapping": [{
            "topicFilter": "bench/+/data", "subscriptionQos": 1,
            "converter": {
                "type": "json",
                "deviceInfo": {
                    "deviceNameExpressionSource": "topic",
                    "deviceNameExpression": "(?<=bench/)(.*?)(?=/data)",
                    "deviceProfileExpressionSource": "constant",
                    "deviceProfileExpression": "default",
                },
                "sendDataOnlyOnChange": False, "timeout": 60000, "attributes": [],
                "timeseries": [{"type": "string", "key": "r", "value": "${r}"}],
            },
        }],
        "requestsMapping": {},
    }  # fmt: skip


def _serial(port: str) -> dict[str, Any]:
    return {
        "name": "bench", "logLevel": "INFO", "uplinkQueueSize": 100000,
        "devices": [{
            "name": "d0", "type": "default", "port": port, "baudrate": 115200,
            "converter": "SerialUplinkConverter", "downlink_converter": "SerialDownlinkConverter",
            "telemetry": [{"type": "string", "key": "r", "untilDelimiter": "\n"}],
            "attributes": [],
        }],
    }  # fmt: skip
