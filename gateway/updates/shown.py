"""An update as the city sees it."""

from __future__ import annotations

from typing import Any

from gateway.buffer.state import Transfer
from gateway.updates.runner import Runner
from gateway.updates.steps import FINAL, SENDING, SHOWN, Step

_NONE: dict[str, Any] = {
    "state": "idle", "version": None, "hash": None, "progress": 0, "reason": "", "rollout": None,
    "mode": None, "multicast": False,
}  # fmt: skip


def shown(transfer: Transfer | None, runner: Runner | None, bad: str | None) -> dict[str, Any]:
    """The `update` part of a lamppost's reported document.

    bad: why the release that is desired of it cannot be taken, None when it can. mode is "full" or
    "delta", None until that is chosen; multicast: whether the file comes, or came, to several at
    once.
    """
    if bad is not None and (transfer is None or Step(transfer.step) in FINAL):
        return {**_NONE, "state": "refused", "reason": bad}
    if transfer is None:
        return dict(_NONE)
    step = Step(transfer.step)
    state, progress = SHOWN[step], 1.0
    if step in SENDING:
        progress = round(runner.progress, 3) if runner is not None else 0
        if runner is not None and runner.uploading:
            state = "uploading"
    return {
        "state": state,
        "version": transfer.version,
        "hash": transfer.hash,
        "progress": progress,
        "reason": transfer.reason,
        "rollout": transfer.rollout,
        "mode": None if not transfer.file else "delta" if transfer.is_delta else "full",
        "multicast": transfer.multicast,
    }
