"""Planning a rollout: which lampposts, in which wave, and which not and why."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fleet_cli.errors import BadInput
from fleet_cli.fleet.lamppost import Lamppost
from fleet_cli.release.image import SignedImage
from fleet_cli.rollout.state import Rollout, Target


@dataclass(frozen=True)
class Plan:
    """A rollout not yet begun.

    Attributes:
        rollout: ready to run.
        left_out: lampposts that would refuse the release, with the reason.
    """

    rollout: Rollout
    left_out: list[tuple[Lamppost, str]]


def plan(
    image: SignedImage,
    chosen: Sequence[Lamppost],
    *,
    wave_size: int,
    max_failures: int,
    deadline_s: int,
    now: int,
) -> Plan:
    """Divide `chosen` into waves of `wave_size`, those reachable first.

    Raises:
        BadInput: no lamppost is left that could take the release.
    """
    left_out: list[tuple[Lamppost, str]] = []
    fit: list[Lamppost] = []
    for lamppost in chosen:
        reason = _unfit(image, lamppost)
        if reason:
            left_out.append((lamppost, reason))
        else:
            fit.append(lamppost)
    if not fit:
        told = f": {left_out[0][0].label}: {left_out[0][1]}" if left_out else ""
        raise BadInput(f"no lamppost selected can take this release{told}")
    # One that is away proves nothing about a release: the first waves are of those that answer.
    fit.sort(key=lambda post: (not post.reachable, post.gateway, post.label))
    created = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    rollout = Rollout(
        id=f"{created}-{secrets.token_hex(2)}",
        created=now,
        image=image.digest,
        version=image.version,
        hash=image.hash,
        board=image.board,
        size=len(image.data),
        max_failures=max_failures,
        deadline_s=deadline_s,
        targets=[
            Target(
                gateway=post.gateway,
                node=post.node,
                name=post.state.name,
                wave=index // wave_size + 1,
                previous=post.state.firmware.version,
            )
            for index, post in enumerate(fit)
        ],
    )
    return Plan(rollout, left_out)


def _unfit(image: SignedImage, lamppost: Lamppost) -> str:
    state = lamppost.state
    if state.board and state.board != image.board:
        return f"its board is {state.board}, the release is for {image.board}"
    counter = state.firmware.security_counter
    if counter is not None and image.security_counter < counter:
        return f"its security counter is {counter}, the release has {image.security_counter}"
    return ""
