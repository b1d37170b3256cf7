"""The files a city would write: settings of the gateway, the command line and the lampposts."""

from collections.abc import Iterable
from pathlib import Path

from simulators.clock import SimClock

GATEWAY = "cabinet-1"
BUS = "street"

# Times of records are street time. A night in three minutes runs some 340 times as fast as a real
# one, while the sensors take their own time: a quarter of an hour is then under three seconds.
_SITE = """\
[site]
latitude = 51.5225
longitude = -0.1544
utc_offset = "+00:00"
dst = "eu"
"""
_BLUETOOTH = """\
[link]
ble = true
"""
_PERIODS = """\
[air]
period = "15min"

[people]
period = "15min"

[energy]
period = "15min"

[status]
period = "1h"

[update]
confirm_timeout = "{confirm}s"
"""

CONFIRM_SECONDS = 15
"""Machine time a new release has to reach its gateway; far less than a real street would give."""

FIRST_PROGRAM = ("sunset 100%", "22:00 70%", "05:30 90%", "sunrise 0%")
NEW_PROGRAM = ("sunset 95%", "20:00 60%", "23:30 35%", "05:00 80%", "sunrise 0%")
NEW_LEVELS = frozenset({95, 60, 35, 80})
"""Levels that only the new program asks for."""


GROUP_LEVEL, SINGLE_LEVEL = 20, 45
"""Levels that only the commands ask for: of all lampposts at once, and of one, %."""


def configuration(program: Iterable[str], bluetooth: bool = False) -> str:
    """A configuration for lampposts, as staff write it.

    Args:
        program: the control program's controls, such as ``"22:00 70%"``.
        bluetooth: for one that has a radio.
    """
    controls = ", ".join(f'"{control}"' for control in program)
    lamp = f'[lamp]\ndefault_level = 100\nminimum_level = 10\nfade = "1s"\nprogram = [{controls}]\n'
    link = f"{_BLUETOOTH}\n" if bluetooth else ""
    return f"{_SITE}\n{lamp}\n{link}{_PERIODS.format(confirm=CONFIRM_SECONDS)}"


def gateway(
    data: Path,
    port: str,
    broker_port: int,
    clock: SimClock,
    lampposts: Iterable[str],
    root_file: Path | None = None,
    metrics_port: int | None = None,
    adapter: str | None = None,
) -> str:
    """The gateway's configuration file.

    Args:
        data: its data folder.
        port: path of its serial port.
        broker_port: of the broker on this machine.
        clock: the street's.
        lampposts: a ``[[lamppost]]`` section each.
        root_file: root metadata of the release repository; without, no release is checked.
        metrics_port: where it is to serve its metrics on this machine; nowhere when None.
        adapter: its Bluetooth adapter, for lampposts that have ``ble = true``.
    """
    sections = "\n".join(lampposts)
    metrics = f'listen = "127.0.0.1:{metrics_port}"' if metrics_port else "enabled = false"
    radio = f'[ble]\nadapters = ["{adapter}"]\nvisit_s = 2\n' if adapter else ""
    root = f'root_file = "{root_file}"\n' if root_file else ""
    return f"""\
[gateway]
id = "{GATEWAY}"
data_dir = "{data}"

[clock]
source = "simulated"
real_origin = {clock.real_origin_ns}
street_origin = {clock.street_origin}
speed = {clock.speed}

[bus.{BUS}]
port = "{port}"
baud = 115200
reply_timeout_ms = 250
idle_poll_ms = 2000
silent_poll_max_s = 2

[mqtt]
host = "127.0.0.1"
port = {broker_port}
keepalive = 5

[updates]
{root}trial_timeout_s = {4 * CONFIRM_SECONDS}
retry_s = 1

[metrics]
{metrics}

{radio}
[log]
level = "info"
format = "text"

{sections}
"""
