"""The gateway's broker, kept as the configuration has it: files, certificates, who may connect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path

from gateway.clock import StreetClock
from gateway.config.lamppost import LamppostSection
from gateway.config.lan import LanSection
from gateway.errors import GatewayError
from gateway.lan import certificates, mosquitto
from gateway.lan.certificates import SERVER_NAME, Certificates
from gateway.lan.credentials import password
from gateway.logs import Logger, Trouble
from gateway.waiting import happens_within
from protocol import network
from protocol.errors import ProtocolError

# Between two looks at the certificates, machine time; sooner after one that failed.
_LOOK_S = 6 * 3600.0
_RETRY_S = 30.0
# One that was shut out is let in again after so long, machine time: it may have been mended.
SHUT_OUT_S = 3600.0


class LocalBroker:
    """Writes what mosquitto is run with, and has it take that up; mosquitto runs by itself.

    Attributes:
        folder: where its files are.
        local_password: of the gateway itself, as ``[lan] local_user``.
        certificates: those in force, None before they were made.
        problem: why the broker is not as it should be, "" when it is.

    Raises OSError when the folder cannot be made or written.
    """

    def __init__(
        self,
        settings: LanSection,
        data_dir: Path,
        lampposts: Iterable[LamppostSection],
        clock: StreetClock,
        log: Logger,
    ) -> None:
        self._settings = settings
        self._lampposts = tuple(lampposts)
        self._clock = clock
        self._trouble = Trouble(log, "local broker not set up")
        self._log = log
        self._again = asyncio.Event()
        self._shut_out: dict[bytes, float] = {}  # until when, machine time
        self._told = False  # by this process: the one before may have been killed before it did
        self.folder = settings.folder_in(data_dir).absolute()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.local_password = mosquitto.local_password(self.folder)
        self.certificates: Certificates | None = None
        self.problem = ""

    def prepare(self) -> bool:
        """Write what differs and tell the broker; whether anything did.

        Takes the disk's time. Raises CertificateError, BrokerError, OSError.
        """
        made = certificates.ensure(self.folder, self._names(), self._clock.now())
        self.certificates = made
        plan = mosquitto.Plan(
            folder=self.folder,
            address=str(self._settings.address),
            port=self._settings.port,
            local_port=self._settings.local_port,
            local_user=self._settings.local_user,
            local_password=self.local_password,
            users={
                section.id: password(section.node, section.key.get_secret_value())
                for section in self._lampposts
                if section.lan and section.node not in self._shut_out
            },
            certificate=made.broker_file,
        )
        changed = mosquitto.write(plan) or made.renewed
        if changed or not self._told:
            mosquitto.take_up(self.folder)
            self._told = True
        return changed

    def set_lampposts(self, lampposts: Iterable[LamppostSection]) -> None:
        """These may connect from now on, as soon as `run` has come round to it."""
        self._lampposts = tuple(lampposts)
        self._again.set()

    def shut_out(self, node: bytes) -> None:
        """Disconnect `node` and refuse it for SHUT_OUT_S, as soon as `run` has come round to it."""
        self._shut_out[node] = time.monotonic() + SHUT_OUT_S
        self._again.set()

    def network_document(self, lamppost: LamppostSection) -> bytes:
        """The network document of `lamppost`, for `giving.give_network`.

        Raises BrokerError while there are no certificates, or when the settings fit no lamppost;
        OSError when the passphrase cannot be read.
        """
        if self.certificates is None:
            raise mosquitto.BrokerError(
                f"the local broker is not set up yet: {self.problem or 'no certificates'}"
            )
        settings = self._settings
        passphrase = None
        if settings.passphrase_file is not None:
            passphrase = settings.passphrase_file.read_text(encoding="utf-8").strip("\r\n")
        try:
            return network.document(
                settings.reached_under,
                settings.port,
                settings.ssid,
                passphrase,
                self.certificates.authority,
                lamppost.id,
                password(lamppost.node, lamppost.key.get_secret_value()),
                SERVER_NAME,
            )
        except ProtocolError as error:
            raise mosquitto.BrokerError(f"[lan] fits no lamppost: {error}") from error

    async def run(self) -> None:
        """Prepare, and again when lampposts change or a certificate nears its end, for ever."""
        while True:
            self._again.clear()
            wait = self._let_in_again()
            try:
                if await asyncio.to_thread(self.prepare):
                    self._log.info("local broker set up", folder=str(self.folder))
            except (GatewayError, OSError) as error:
                self.problem = str(error)
                self._trouble.failed(why=self.problem)
                wait = _RETRY_S
            else:
                self.problem = ""
                self._trouble.over()
            await happens_within(self._again, wait)

    def _let_in_again(self) -> float:
        """Forget who has been shut out for long enough; seconds until the next look."""
        now = time.monotonic()
        for node in [node for node, until in self._shut_out.items() if until <= now]:
            del self._shut_out[node]
        return min([_LOOK_S, *(until - now for until in self._shut_out.values())])

    def _names(self) -> list[str]:
        address = str(self._settings.address)
        names = [self._settings.reached_under]
        return names if address == "0.0.0.0" else [*names, address]  # noqa: S104 - compared
