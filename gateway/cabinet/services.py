"""What systemd says of the gateway's services."""

from __future__ import annotations

from pathlib import Path

from gateway.cabinet.adapters import Run, run
from gateway.cabinet.findings import Finding, fail, ok, warn

SERVICE = "lamplighter-gateway"
# There while a machine was started by systemd (sd_booted(3)).
BOOTED = Path("/run/systemd/system")
_MANY_RESTARTS = 3
_WANTED = "LoadState,ActiveState,SubState,Result,NRestarts,UnitFileState"


def check(gateway: int | None, booted: Path = BOOTED, run: Run = run) -> list[Finding]:
    """Look at the gateway's service. gateway: process id of the gateway that runs, if any."""
    about = "service"
    if not booted.is_dir():
        if gateway is None:
            found, action = "the gateway does not run", "start it yourself"
        else:
            found, action = "the gateway runs", "see to it yourself that it comes back"
        return [warn(about, f"no systemd on this machine; {found}", action)]
    said = run(["systemctl", "show", SERVICE, f"--property={_WANTED}"])
    if said is None:
        return [warn(about, "systemctl does not answer", f"systemctl status {SERVICE}")]
    state = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if state.get("LoadState") != "loaded":
        if gateway is not None:
            return [warn(about, "runs, but as no service: it will not come back by itself",
                         "sudo lamplighter-gateway install-service")]  # fmt: skip
        return [fail(about, "not installed", "sudo lamplighter-gateway install-service")]
    return [*_active(about, state, gateway), *_enabled(about, state)]


def _active(about: str, state: dict[str, str], gateway: int | None) -> list[Finding]:
    active, sub = state.get("ActiveState", ""), state.get("SubState", "")
    restarts = int(state.get("NRestarts", "0") or 0)
    if active in ("active", "reloading"):
        if restarts >= _MANY_RESTARTS:
            return [warn(about, f"runs, after {restarts} restarts",
                         f"journalctl -u {SERVICE} -p warning")]  # fmt: skip
        return [ok(about, f"runs ({sub})")]
    if gateway is not None:
        return [warn(about, f"{active} ({sub}), but a gateway runs beside it",
                     "stop the one that was started by hand")]  # fmt: skip
    return [
        fail(
            about,
            f"{active} ({sub}), result {state.get('Result', '?')}",
            f"sudo systemctl start {SERVICE}; journalctl -u {SERVICE} -n 30 says why it ended",
        )
    ]


def _enabled(about: str, state: dict[str, str]) -> list[Finding]:
    if state.get("UnitFileState") in ("enabled", "enabled-runtime", "static"):
        return []
    return [warn(about, "does not start with the machine", f"sudo systemctl enable {SERVICE}")]
