"""`init`: questions, answers that do not hold, and the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cabinet import answers, new_configuration, processes, serial_ports
from gateway.cabinet.findings import Level, fail, ok
from gateway.cabinet.new_configuration import AlreadyThere, Answers, BrokerAnswer, BusAnswer
from gateway.cabinet.serial_ports import SerialPort
from gateway.config import load
from gateway.main import app

FULL = Answers(
    id="cabinet-7",
    data_dir=Path('/var/lib/"odd"\\dir'),
    broker=BrokerAnswer(
        "broker.city.example", 8883, True, "cabinet-7", Path("/etc/pw"), Path("/etc/ca.pem"),
        Path("/etc/own.pem"), Path("/etc/own.key"),
    ),
    buses=[BusAnswer("north", "/dev/ttyAMA0", 9600, True), BusAnswer("south", "/dev/ttyUSB0")],
    adapters=["hci0", "hci1"],
    lan_address="192.168.4.1",
)  # fmt: skip


def test_the_file_says_what_was_answered(tmp_path: Path) -> None:
    file = tmp_path / "etc/gateway.toml"
    warnings = new_configuration.put(file, FULL, replace=False)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert any(str(file) in line for line in warnings)
    configuration, _ = load(file)
    assert configuration.gateway.data_dir == FULL.data_dir
    assert configuration.mqtt.tls is not None
    assert configuration.mqtt.tls.key_file == Path("/etc/own.key")
    assert configuration.bus["north"].rs485
    assert configuration.bus["south"].baud == 115200
    assert configuration.lan is not None
    assert configuration.ble is not None
    assert configuration.ble.adapters == ("hci0", "hci1")
    assert configuration.metrics.listen == "127.0.0.1:9477"


def test_a_file_that_is_there_stays_unless_it_is_to_go(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("mine")
    with pytest.raises(AlreadyThere):
        new_configuration.put(file, FULL, replace=False)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("mine", [file])
    new_configuration.put(file, FULL, replace=True)
    assert load(file)[0].gateway.id == "cabinet-7"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("north=/dev/ttyAMA0", BusAnswer("north", "/dev/ttyAMA0")),
        ("n=usb:0403:6001,9600,rs485", BusAnswer("n", "usb:0403:6001", 9600, True)),
        ("n=/dev/x,rs485", BusAnswer("n", "/dev/x", 115200, True)),
    ],
)
def test_a_bus_in_a_word(text: str, expected: BusAnswer) -> None:
    assert answers.bus_of(text) == expected


@pytest.mark.parametrize("text", ["", "north", "=x", "no rth=/dev/x", "n=/dev/x,1", "n=,9600"])
def test_what_is_no_bus(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        answers.bus_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("broker", ("broker", None)),
        ("broker:8883", ("broker", 8883)),
        ("::1", ("::1", None)),
        ("[::1]:1883", ("::1", 1883)),
    ],
)
def test_a_broker_in_a_word(text: str, expected: tuple[str, int | None]) -> None:
    assert answers.broker_of(text) == expected


@pytest.mark.parametrize("text", ["", ":1", "b:0", "b:x", "a b:1"])
def test_what_is_no_broker(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        answers.broker_of(text)


def test_answers_are_looked_at(tmp_path: Path) -> None:
    assert answers.check_id("cabinet 7").level is Level.FAIL
    assert answers.check_id("releases").level is Level.FAIL
    assert answers.check_id(answers.hostname()).level is Level.OK
    assert answers.check_folder(tmp_path / "data").level is Level.OK
    assert answers.check_folder(Path("relative")).level is Level.FAIL
    assert answers.check_lan("192.168.4").level is Level.FAIL
    assert answers.check_file(tmp_path / "none").level is Level.FAIL
    assert answers.check_bus("north=/dev/none").level is Level.FAIL


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    master, slave = os.openpty()
    made = Path(os.ttyname(slave))
    monkeypatch.setattr(serial_ports, "find", lambda: [SerialPort(made, made, "RS-485 adapter")])
    monkeypatch.setattr(processes, "openers", lambda *_: [])
    yield made
    os.close(master)
    os.close(slave)


def run(config: Path, *options: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["init", "--config", str(config), *options], input=typed)


def test_a_person_is_asked_again_until_it_holds(
    tmp_path: Path, port: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def check(address: object, client_id: str, **_: object) -> list[object]:
        tried.append(client_id)
        return [fail("broker", "away", "wait")] if len(tried) == 1 else [ok("broker", "there")]

    monkeypatch.setattr("gateway.cabinet.broker.check", check)
    config = tmp_path / "gateway.toml"
    typed = [
        "not an id", "cabinet-7", str(tmp_path / "data"),
        "1", "north", "12345", "n",  # no such rate
        "1", "north", "115200", "n",
        "-",  # no further bus
        "-",  # no local network
        "broker.wrong", "n", "-", "n",  # not there, and not kept
        "broker.right:1883", "-",
    ]  # fmt: skip
    done = run(config, typed="\n".join(typed) + "\n")
    assert done.exit_code == 0, done.output
    assert f"{port}" in done.output
    assert "RS-485 adapter" in done.output
    configuration, _ = load(config)
    assert configuration.gateway.id == "cabinet-7"
    assert configuration.bus["north"].port == str(port)
    assert (configuration.mqtt.host, configuration.mqtt.tls) == ("broker.right", None)
    assert (tmp_path / "data").is_dir()
    for command in ("install-service", "doctor", "commission"):
        assert f"sudo lamplighter-gateway {command} --config {config}\n" in done.output
    assert tried == ["lamplighter-cabinet-7-init"] * 2


@pytest.mark.usefixtures("port")
def test_what_is_missing_is_named_where_nobody_is_asked(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    data = str(tmp_path / "data")
    done = run(config, "--yes", "--data-dir", data, "--broker", "b")
    assert (done.exit_code, "--bus" in done.output) == (1, True)
    done = run(config, "--yes", "--data-dir", data, "--lan", "127.0.0.1", "--anyway")
    assert (done.exit_code, "--broker is needed" in done.output) == (1, True)
    done = run(config, "--yes", "--data-dir", data, "--bus", "north=/dev/none")
    assert (done.exit_code, "--anyway" in done.output) == (1, True)
    done = run(config, "--yes", "--id", "not an id", "--anyway")
    assert done.exit_code == 1
    assert not config.exists()
