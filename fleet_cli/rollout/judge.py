"""What a lamppost's reports say of its part in a rollout. Pure: no time, no network of its own."""

from collections.abc import Set
from typing import Final

from fleet_cli.fleet.lamppost import Lamppost
from fleet_cli.rollout.state import Rollout, Target

_BEGUN: Final = frozenset({"uploading", "verifying", "ready", "pending", "trial"})
_ENDED_BADLY: Final = frozenset({"reverted", "refused", "failed"})
_TRANSFER: Final = frozenset({"queued", "uploading"})
"""Until its end nothing has happened to what the lamppost runs: one that is away is only away."""


def judge(
    rollout: Rollout,
    lampposts: dict[tuple[str, str], Lamppost],
    now: int,
    withdrawn: Set[tuple[str, str]] = frozenset(),
) -> list[Target]:
    """Bring every target up to date with what is reported; returns those that changed.

    Args:
        rollout: its targets are changed in place.
        lampposts: what is known, by (gateway, node).
        now: Unix s at the desk.
        withdrawn: (gateway, node) whose desired release was seen to be taken back.
    """
    before = [target.model_dump() for target in rollout.targets]
    open_targets = [
        (target, lampposts.get(target.key) or Lamppost(target.gateway, target.node))
        for target in rollout.targets
        if target.state not in ("succeeded", "waiting")
    ]
    for target, lamppost in open_targets:
        _note(rollout, target, lamppost, now, target.key in withdrawn)
    # A gateway updates its lampposts one after another: while one of them gets on, the others'
    # turn is still to come. Only now, as a desk that was away learns of all progress at once.
    alive: dict[str, int] = {}
    for target in rollout.targets:
        alive[target.gateway] = max(alive.get(target.gateway, 0), target.changed or 0)
    for target, lamppost in open_targets:
        reason = _overdue(rollout, target, lamppost, now, alive[target.gateway])
        if reason and lamppost.gateway_online:
            _settle(target, "failed", reason, now)
        elif reason:
            # Nobody is there to tell; it may well have succeeded long ago.
            target.state = "queued"
    return [
        target
        for target, old in zip(rollout.targets, before, strict=True)
        if target.model_dump() != old
    ]


def _note(rollout: Rollout, target: Target, lamppost: Lamppost, now: int, withdrawn: bool) -> None:
    """Take in everything but the passing of time."""
    firmware, update, release = lamppost.state.firmware, lamppost.state.update, lamppost.release
    ours = update.rollout == rollout.id
    if release:
        target.superseded_by = "" if release.rollout == rollout.id else release.rollout
    if firmware.confirmed and firmware.hash == rollout.hash:
        _settle(target, "succeeded", "", now)
        target.progress = 1.0
    elif target.state == "failed":
        # Only what it runs in the end can change that: one given up as silent may have made it.
        return
    elif ours and (update.state, update.reason) == ("failed", "withdrawn"):
        # So a gateway tells the end of a withdrawn transfer; nothing has failed on the lamppost.
        _withdraw(target, "withdrawn", now)
    elif target.state == "withdrawn" and ours and update.state == "reverted":
        _fail(target, lamppost, now)
    elif target.state == "withdrawn" and not _asked_again(rollout, lamppost):
        return
    elif ours and update.state in _ENDED_BADLY:
        _fail(target, lamppost, now)
    elif target.superseded_by:
        _withdraw(target, f"superseded by {target.superseded_by}", now)
    elif release is None and withdrawn:
        _withdraw(target, "withdrawn", now)
    else:
        _follow(target, lamppost, now, ours)


def _asked_again(rollout: Rollout, lamppost: Lamppost) -> bool:
    """Whether it is desired after all: a message from before may have come late."""
    release = lamppost.release
    return rollout.state == "running" and release is not None and release.rollout == rollout.id


def _follow(target: Target, lamppost: Lamppost, now: int, ours: bool) -> None:
    """Of one that is still to succeed: how far it is."""
    update = lamppost.state.update
    # Older gateways call one that waits for its turn uploading as well.
    waits = update.state == "queued" or (update.state == "uploading" and update.progress == 0)
    begun = ours and update.state in _BEGUN and not waits
    if begun and (target.phase, target.progress) != (update.state, update.progress):
        target.phase, target.progress, target.changed = update.state, update.progress, now
    updating = begun or (target.state == "updating" and not (ours and waits))
    if updating and target.phase not in _TRANSFER:
        # What it runs may be changing: its silence tells, that of its gateway does not.
        away = target.state == "queued" and not lamppost.gateway_online
    else:
        away = not lamppost.reachable
    if target.state == "queued" and not away:
        # Back after a time away: its deadline begins now.
        target.asked = now
    target.state = "queued" if away else "updating" if updating else "asked"
    # What a gateway waits for, such as release metadata that has expired, the desk may mend.
    target.reason = update.reason if ours and not away else ""


def _overdue(rollout: Rollout, target: Target, lamppost: Lamppost, now: int, alive: int) -> str:
    """Why it has failed for want of progress; empty while it has not."""
    if target.state not in ("asked", "updating"):
        return ""
    since = max(target.asked or 0, target.changed or 0)
    update = lamppost.state.update
    ours = update.rollout == rollout.id
    if target.state == "asked":
        since, where = max(since, alive), "its gateway has not begun"
    elif ours and update.state == target.phase:
        where = f"while {target.phase}"
        if target.phase in _TRANSFER:
            # It may have been away half way, and have lost its turn to a neighbour.
            since = max(since, alive)
    else:
        # It had begun, and is no longer heard of: a lamppost silent after its reboot has failed.
        where = f"after {target.phase}"
    if now - since <= rollout.deadline_s:
        return ""
    why = f": {target.reason}" if target.reason else ""
    return f"no progress for {now - since} s {where}{why}"


def _fail(target: Target, lamppost: Lamppost, now: int) -> None:
    update = lamppost.state.update
    _settle(target, "failed", f"{update.state}: {update.reason or 'no reason given'}", now)


def _withdraw(target: Target, reason: str, now: int) -> None:
    if target.state != "withdrawn":
        _settle(target, "withdrawn", reason, now)


def _settle(target: Target, state: str, reason: str, now: int) -> None:
    target.state = state  # pyright: ignore[reportAttributeAccessIssue] - one of the literals
    target.reason = reason
    target.changed = now


def wave_is_over(rollout: Rollout, wave: int) -> bool:
    """Whether nothing up to `wave` is under way: those away do not hold up the rest."""
    return not any(
        target.wave <= wave and target.state in ("asked", "updating") for target in rollout.targets
    )
