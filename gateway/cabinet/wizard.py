"""The questions of `init`: each answer is checked at once, given by an option or typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from gateway.cabinet import answers, findings, serial_ports
from gateway.cabinet import broker as broker_of
from gateway.cabinet.broker import BrokerAddress
from gateway.cabinet.findings import Finding
from gateway.cabinet.new_configuration import Answers, BrokerAnswer, BusAnswer
from gateway.config.mqtt import TlsSection
from gateway.errors import GatewayError

PLAIN_PORT, TLS_PORT = 1883, 8883
_DATA_DIR = "/var/lib/lamplighter"


class Refused(GatewayError):
    """An answer does not hold, and nobody is there to give another; the text says which."""


@dataclass
class Given:
    """What the options say; None, or empty, for what is to be asked."""

    id: str | None = None
    data_dir: Path | None = None
    buses: list[str] = field(default_factory=list[str])  # <name>=<port>[,<baud>][,rs485]
    broker: str | None = None  # <host>[:<port>]
    tls: bool | None = None
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    adapters: list[str] = field(default_factory=list[str])
    lan_address: str | None = None


class Wizard:
    """Asks for what `given` leaves open.

    unattended: nothing is asked, defaults are taken. anyway: an answer that does not hold is kept.
    """

    def __init__(
        self, given: Given, *, unattended: bool, anyway: bool, timeout_s: float, console: Console
    ) -> None:
        self._given = given
        self._unattended = unattended
        self._anyway = anyway
        self._timeout_s = timeout_s
        self._console = console

    def run(self, default_adapters: list[str]) -> Answers:
        """All answers. Raises Refused, typer.Abort."""
        given = self._given
        ask_id = self._typed("Id of this gateway", answers.hostname())
        gateway = self._settle("--id", given.id, ask_id, answers.check_id)
        ask_folder = self._typed("Data folder", _DATA_DIR)
        folder = self._settle(
            "--data-dir", given.data_dir, lambda: Path(ask_folder()), answers.check_folder
        )
        buses = self._buses()
        adapters = given.adapters or self._adapters(default_adapters)
        lan = self._lan()
        if not (buses or adapters or lan):
            raise Refused("no link to any lamppost: give --bus, --ble or --lan")
        return Answers(gateway, folder, self._broker(gateway), buses, adapters, lan)

    # -- buses

    def _buses(self) -> list[BusAnswer]:
        if self._given.buses or self._unattended:
            for text in self._given.buses:
                if not self._holds(answers.check_bus(text), option="--bus"):
                    raise Refused(f"--bus {text}: give another")
            return [answers.bus_of(text) for text in self._given.buses]
        buses: list[BusAnswer] = []
        while True:
            more = "another" if buses else "an"
            default = "-" if buses or not serial_ports.find() else "1"
            question = f"Serial port of {more} RS-485 bus (number, path; - for none)"
            port = self._typed(question, default)().strip()
            if port in ("", "-"):
                return buses
            port = answers.port_by_number(port)
            name = self._typed("  Name of the bus", answers.free_name(buses))().strip()
            baud = self._typed("  Baud", "115200")().strip()
            # The Pi's own UARTs switch a driver; USB adapters do it themselves.
            rs485 = typer.confirm("  Does the kernel switch the line driver (RS-485 mode)?",
                                  default=Path(port).name.startswith("ttyAMA"))  # fmt: skip
            text = f"{name}={port},{baud}{',rs485' if rs485 else ''}"
            if self._holds(answers.check_bus(text)):
                buses.append(answers.bus_of(text))

    # -- Bluetooth, local network

    def _adapters(self, default: list[str]) -> list[str]:
        if self._unattended or not default:
            return []
        if typer.confirm(f"Reach lampposts by Bluetooth ({', '.join(default)})?", default=False):
            return default
        return []

    def _lan(self) -> str | None:
        answer = self._given.lan_address
        while True:
            if answer is None and not self._unattended:
                answer = self._optional("Our address on the lampposts' network (- for none)")
            if answer is None or self._holds(answers.check_lan(answer), option="--lan"):
                return answer
            answer = None

    # -- the broker

    def _broker(self, gateway: str) -> BrokerAnswer:
        while True:
            answer = self._broker_answer()
            tls = None
            if answer.tls:
                tls = TlsSection(
                    ca_file=answer.ca_file, cert_file=answer.cert_file, key_file=answer.key_file
                )
            address = BrokerAddress(
                answer.host, answer.port, answer.username, answer.password_file, tls
            )
            # Not the gateway's own client id: one of this id may run, and would be cut off.
            found = broker_of.check(
                address, f"lamplighter-{gateway}-init", timeout_s=self._timeout_s
            )
            if self._holds(*found, option="--broker"):
                return answer
            self._given = replace(
                self._given, broker=None, tls=None, username=None, password_file=None,
                ca_file=None, cert_file=None, key_file=None,
            )  # fmt: skip

    def _broker_answer(self) -> BrokerAnswer:
        given = self._given
        host, port = self._settle("--broker", given.broker,
                                  self._typed("Host of the city's broker", None),
                                  answers.check_broker, answers.broker_of)  # fmt: skip
        tls = given.tls
        if tls is None:
            files = (given.ca_file, given.cert_file, given.key_file)
            tls = any(files) or port == TLS_PORT
            if not self._unattended and port is None:
                tls = typer.confirm("TLS?", default=True)
        username, password_file = given.username, given.password_file
        ca_file, cert_file, key_file = given.ca_file, given.cert_file, given.key_file
        if not self._unattended and given.broker is None:
            username = username or self._optional("User name (- for none)")
            if username is not None and password_file is None:
                password_file = self._file("File that holds the password (- for none)")
            if tls:
                ca_file = ca_file or self._file("PEM file of the broker's authority (- for public)")
                cert_file = cert_file or self._file(
                    "PEM file of this gateway's certificate (- for none)"
                )
                if cert_file is not None:
                    key_file = key_file or self._file("PEM file of its private key")
        return BrokerAnswer(
            host, port or (TLS_PORT if tls else PLAIN_PORT), tls, username, password_file, ca_file,
            cert_file, key_file,
        )  # fmt: skip

    # -- asking

    def _typed(self, question: str, default: str | None) -> Callable[[], str]:
        return lambda: str(typer.prompt(question, default=default))

    def _optional(self, question: str) -> str | None:
        answer = self._typed(question, "-")().strip()
        return None if answer in ("", "-") else answer

    def _file(self, question: str) -> Path | None:
        while True:
            answer = self._optional(question)
            if answer is None:
                return None
            if self._holds(answers.check_file(Path(answer))):
                return Path(answer)

    def _settle(
        self,
        option: str,
        given: Any,
        ask: Callable[[], Any],
        check: Callable[[Any], Finding],
        read: Callable[[Any], Any] = lambda answer: answer,
    ) -> Any:
        """An answer that holds, or is kept all the same; `read` makes of it what is wanted."""
        answer = given
        while True:
            if answer is None:
                answer = self._default(option, ask)
            found = check(answer)
            if self._holds(found, option=option):
                return read(answer)
            answer = None

    def _default(self, option: str, ask: Callable[[], Any]) -> Any:
        if not self._unattended:
            return ask()
        if option == "--id":
            return answers.hostname()
        if option == "--data-dir":
            return Path(_DATA_DIR)
        raise Refused(f"{option} is needed where nobody is asked (--yes)")

    def _holds(self, *found: Finding, option: str = "") -> bool:
        """Show what was found; whether the answer is to be kept."""
        findings.show(found, self._console)
        if not findings.failed(found):
            return True
        # What cannot be written into a file is asked again whatever is wished.
        if any(one.about == answers.MALFORMED for one in found):
            if self._unattended:
                raise Refused(f"{option}: {found[-1].found}; {found[-1].action}")
            return False
        if self._anyway:
            return True
        if self._unattended:
            wrong = next(one for one in found if one.level is findings.Level.FAIL)
            raise Refused(f"{option}: {wrong.found}; {wrong.action}; or --anyway")
        return typer.confirm("Keep it all the same?", default=False)
