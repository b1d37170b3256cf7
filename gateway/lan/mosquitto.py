"""The files that mosquitto is run with: written whole, only when they change, and taken up.

mosquitto runs as the gateway's own user, under a service of its own (docs/installer.md), so that
these files are nobody else's and the gateway may signal it. SIGHUP makes it read passwords, access
list and certificate again; what is in mosquitto.conf itself holds from its next start.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.files import write_atomically, write_if_changed
from gateway.lan.credentials import hashed
from protocol import lantopics
from protocol.busframe import MAX_PAYLOAD

CONFIGURATION, PASSWORDS, ACCESS = "mosquitto.conf", "passwords", "access"
PID, LOCAL_PASSWORD = "mosquitto.pid", "local.password"
# Refused connections and their client ids; read by the gateway alone.
LOG_TOPIC = "$SYS/broker/log/N"

# Each lamppost has one connection. The rest is room for those that hang and those of a stranger,
# who cannot keep the gateway out: it has a listener to itself.
_CONNECTIONS = 512
# Header, topic and packet id around the largest SMP message.
_MAX_PACKET = MAX_PAYLOAD + 200

_CONFIGURATION = """\
# Written by lamplighter-gateway; changes made here are lost.
{user}per_listener_settings false
allow_anonymous false
password_file {folder}/{passwords}
acl_file {folder}/{access}
pid_file {folder}/{pid}

# The gateway itself.
listener {local_port} 127.0.0.1

# The lampposts. A client id is the user's name, so that none can take over another's session.
listener {port} {address}
certfile {certificate}
keyfile {certificate}
tls_version tlsv1.2
use_username_as_clientid true
max_connections {connections}

# Nothing is kept on disk: readings are acknowledged by the gateway itself once it has committed
# them, never by the broker; and a retained state of before a power cut would be a false one.
persistence false
persistent_client_expiration 1d

max_packet_size {packet}
max_keepalive 120
max_inflight_messages 20
max_queued_messages 200
max_queued_bytes 300000
set_tcp_nodelay true

sys_interval 0
connection_messages true
log_type error
log_type warning
log_type notice
log_dest stderr
log_dest topic
"""

_ACCESS = """\
# Written by lamplighter-gateway; changes made here are lost. What is not named is forbidden.
# %u is the user's name: of a lamppost its node id.
pattern read {request}
pattern write {reply}
pattern write {state}

user {local_user}
topic write {any_request}
topic read {any_reply}
topic readwrite {any_state}
topic read {log}
"""


class BrokerError(GatewayError):
    """The broker cannot be told of a change; the text says what to do."""


@dataclass(frozen=True)
class Plan:
    """What the broker is to be like.

    Attributes:
        folder: where its files are, for the gateway's user alone.
        address: IPv4 address that the lampposts' listener is bound to.
        port: of that listener, TLS.
        local_port: of the gateway's own listener, on loopback.
        local_user: the gateway's user name.
        local_password: its password.
        users: password of each lamppost by its user name, which is its node id.
        certificate: PEM file with the broker's certificate and key.
    """

    folder: Path
    address: str
    port: int
    local_port: int
    local_user: str
    local_password: str
    users: Mapping[str, str]
    certificate: Path


def local_password(folder: Path) -> str:
    """The gateway's own password, drawn when there is none. Raises OSError."""
    file = folder / LOCAL_PASSWORD
    try:
        known = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        known = ""
    if not known:
        known = secrets.token_urlsafe(24)
        write_atomically(file, known.encode())
    return known


def write(plan: Plan) -> bool:
    """Write what differs from what is there; whether anything did.

    Raises OSError; each file is then the old or the new one.
    """
    folder = plan.folder
    return any(
        [
            write_if_changed(folder / CONFIGURATION, configuration(plan).encode()),
            write_if_changed(folder / ACCESS, access(plan.local_user).encode()),
            write_if_changed(folder / PASSWORDS, passwords(plan).encode()),
        ]
    )


def configuration(plan: Plan) -> str:
    """The text of mosquitto.conf."""
    return _CONFIGURATION.format(
        # As root, mosquitto would become a user who cannot read our files.
        user="user root\n" if os.geteuid() == 0 else "",
        folder=plan.folder,
        passwords=PASSWORDS,
        access=ACCESS,
        pid=PID,
        local_port=plan.local_port,
        port=plan.port,
        address=plan.address,
        certificate=plan.certificate,
        connections=_CONNECTIONS,
        packet=_MAX_PACKET,
    )


def access(local_user: str) -> str:
    """The text of the access list."""
    return _ACCESS.format(
        request=lantopics.topic("%u", lantopics.REQUEST),
        reply=lantopics.topic("%u", lantopics.REPLY),
        state=lantopics.topic("%u", lantopics.STATE),
        local_user=local_user,
        any_request=lantopics.topic("+", lantopics.REQUEST),
        any_reply=lantopics.topic("+", lantopics.REPLY),
        any_state=lantopics.topic("+", lantopics.STATE),
        log=LOG_TOPIC,
    )


def passwords(plan: Plan) -> str:
    """The text of the password file."""
    users = {**plan.users, plan.local_user: plan.local_password}
    return "".join(f"{user}:{hashed(user, users[user])}\n" for user in sorted(users))


def take_up(folder: Path) -> bool:
    """Have the broker that runs with the files in `folder` read them again; False when none runs.

    When mosquitto.conf is newer than the broker it is ended, and its service starts it again.
    Raises BrokerError when it cannot be told, and OSError.
    """
    process = running(folder)
    if process is None:
        return False
    begun = (folder / PID).stat().st_mtime_ns
    newer = (folder / CONFIGURATION).stat().st_mtime_ns > begun
    try:
        os.kill(process, signal.SIGTERM if newer else signal.SIGHUP)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise BrokerError(
            f"the broker (process {process}) is another user's and cannot be told of a change; "
            "run it as the gateway's user, as lamplighter-mosquitto.service does"
        ) from error
    return True


def running(folder: Path) -> int | None:
    """Process id of the broker that runs with the files in `folder`, None when none does."""
    try:
        process = int((folder / PID).read_text(encoding="ascii"))
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    # The number may be another process's by now.
    return process if os.fsencode(folder / CONFIGURATION) in words else None
