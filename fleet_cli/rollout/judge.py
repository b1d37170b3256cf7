"""What a lamppost's reports say of its part in a rollout. Pure: no time, no network of its own."""

from typing import Final

from fleet_cli.fleet.lamppost import Lamppost
from fleet_cli.rollout.state import Rollout, Target

_BEGUN: Final = frozenset({"uploading", "verifying", "ready", "pending", "trial"})
_ENDED_BADLY: Final = frozenset({"reverted", "refused", "failed"})


def judge(rollout: Rollout, lampposts: dict[tuple[str, str], Lamppost], now: int) -> list[Target]:
    """Bring every target up to date with what is reported; returns those that changed.

    Args:
        rollout: its targets are changed in place.
        lampposts: what is known, by (gateway, node).
        now: Unix s at the desk.
    """
    # A gateway updates its lampposts one after another: while one of them gets on, the others'
    # turn is still to come.
    alive: dict[str, int] = {}
    for target in rollout.targets:
        times = [time for time in (target.asked, target.changed) if time is not None]
        alive[target.gateway] = max([alive.get(target.gateway, 0), *times])
    changed: list[Target] = []
    for target in rollout.targets:
        before = target.model_dump()
        if target.state not in ("succeeded", "waiting"):
            lamppost = lampposts.get(target.key) or Lamppost(target.gateway, target.node)
            _judge_one(rollout, target, lamppost, now, alive[target.gateway])
        if target.model_dump() != before:
            changed.append(target)
    return changed


def _judge_one(rollout: Rollout, target: Target, lamppost: Lamppost, now: int, alive: int) -> None:
    firmware, update = lamppost.state.firmware, lamppost.state.update
    ours = update.rollout == rollout.id
    if firmware.confirmed and firmware.hash == rollout.hash:
        _settle(target, "succeeded", "", now)
        target.progress = 1.0
    elif target.state == "failed":
        # Only what it runs in the end can change that: one given up as silent may have made it.
        return
    elif target.state == "withdrawn" and update.state != "reverted":
        # The gateway tells a withdrawn transfer as failed; nothing has failed on the lamppost.
        return
    elif ours and update.state in _ENDED_BADLY:
        _settle(target, "failed", f"{update.state}: {update.reason or 'no reason given'}", now)
    elif target.state == "withdrawn":
        return
    elif lamppost.release is None or lamppost.release.rollout != rollout.id:
        other = f"superseded by {lamppost.release.rollout}" if lamppost.release else "withdrawn"
        _settle(target, "withdrawn", other, now)
    elif ours and update.state in _BEGUN:
        if (target.phase, target.progress) != (update.state, update.progress):
            target.phase, target.progress, target.changed = update.state, update.progress, now
        target.state = "updating"
        _check_deadline(rollout, target, now, target.changed or now, f"while {update.state}")
    elif target.state == "updating":
        # It had begun, and is no longer heard of: a lamppost silent after its reboot has failed.
        _check_deadline(rollout, target, now, target.changed or now, f"after {target.phase}")
    elif not lamppost.reachable:
        target.state = "queued"
    else:
        if target.state == "queued":
            # Back after a time away: its deadline begins now.
            target.asked = now
            alive = now
        target.state = "asked"
        _check_deadline(rollout, target, now, alive, "its gateway has not begun")


def _check_deadline(rollout: Rollout, target: Target, now: int, since: int, where: str) -> None:
    if now - since > rollout.deadline_s:
        _settle(target, "failed", f"no progress for {now - since} s {where}", now)


def _settle(target: Target, state: str, reason: str, now: int) -> None:
    target.state = state  # pyright: ignore[reportAttributeAccessIssue] - one of the literals
    target.reason = reason
    target.changed = now


def wave_is_over(rollout: Rollout, wave: int) -> bool:
    """Whether nothing up to `wave` is under way: those away do not hold up the rest."""
    return not any(
        target.wave <= wave and target.state in ("asked", "updating") for target in rollout.targets
    )
