"""A rollout as it is retained on its topic, so that any desk sees it and can take it up."""

from collections import Counter
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from fleet_cli.errors import BadInput
from fleet_cli.fleet.messages import Count, Text

MAX_DOCUMENT: Final = 32 * 1024 * 1024
TARGET_STATES: Final = (
    "succeeded",
    "failed",
    "updating",
    "asked",
    "queued",
    "waiting",
    "withdrawn",
)
FINAL: Final = frozenset({"succeeded", "failed"})


class Target(BaseModel):
    """One lamppost of a rollout. Times are Unix seconds at the desk.

    Attributes:
        wave: 1 for the first.
        state: waiting (its wave has not begun), asked (its gateway knows), queued (it or its
            gateway is away and will be updated when back), updating, succeeded (it has booted the
            release and confirmed it), failed, withdrawn (no longer asked).
        reason: of the failure or withdrawal.
        superseded_by: the other rollout whose release is desired of it now.
        previous: the version it had.
        asked: when it was asked, or came back after a time away: its deadline begins there.
        phase: the update state last reported while updating.
        progress: 0..1 of the transfer.
        changed: when phase or progress last changed.
    """

    model_config = ConfigDict(extra="ignore", validate_assignment=False)

    gateway: Text
    node: Text
    name: Text = ""
    wave: Count
    state: Literal["succeeded", "failed", "updating", "asked", "queued", "waiting", "withdrawn"] = (
        "waiting"
    )
    reason: Text = ""
    superseded_by: Text = ""
    previous: Text = ""
    asked: Count | None = None
    phase: Text = ""
    progress: Annotated[float, Field(ge=0, le=1)] = 0.0
    changed: Count | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(gateway, node)."""
        return self.gateway, self.node

    @property
    def label(self) -> str:
        """Its name, else its id."""
        return self.name or self.node


class Rollout(BaseModel):
    """One release on its way to its lampposts.

    Attributes:
        id: its name, also in each lamppost's desired release.
        created: Unix s at the desk.
        image: SHA-256 of the signed file, hex.
        version: of the release.
        hash: MCUboot's hash of the image, hex, by which a lamppost names what it runs.
        board: the hardware family it is for.
        size: of the file, bytes.
        max_failures: it is stopped when more than so many have failed.
        deadline_s: how long a lamppost may go without progress before it counts as failed, s.
        state: running, finished or stopped.
        reason: why it was stopped.
        targets: its lampposts.
    """

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$")]
    created: Count
    image: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    version: Text
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    board: Text
    size: Count
    max_failures: Count
    deadline_s: Count
    state: Literal["running", "finished", "stopped"] = "running"
    reason: Text = ""
    targets: list[Target]

    @property
    def counts(self) -> Counter[str]:
        """Lampposts by state."""
        return Counter(target.state for target in self.targets)

    @property
    def waves(self) -> int:
        """How many waves there are."""
        return max((target.wave for target in self.targets), default=0)

    @property
    def current_wave(self) -> int:
        """The last wave that has begun, 0 before the first."""
        return max((target.wave for target in self.targets if target.asked is not None), default=0)

    @property
    def success_percent(self) -> float | None:
        """Succeeded of those that have finished, %; None while none has.

        Those silent past their deadline have failed; those away or not yet begun do not count.
        """
        counts = self.counts
        finished = counts["succeeded"] + counts["failed"]
        return 100 * counts["succeeded"] / finished if finished else None

    def to_bytes(self) -> bytes:
        """As it is retained."""
        return self.model_dump_json(exclude_defaults=True).encode()


def parse_rollout(payload: bytes, identifier: str) -> Rollout:
    """A rollout as it was retained.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        if len(payload) > MAX_DOCUMENT:
            raise ValueError(f"{len(payload)} bytes, expected at most {MAX_DOCUMENT}")
        return Rollout.model_validate_json(payload)
    except ValueError as error:  # pydantic's is one
        first = str(error).splitlines()[0]
        raise BadInput(f"rollout {identifier}: what the broker holds is no rollout: {first}") from (
            error
        )
