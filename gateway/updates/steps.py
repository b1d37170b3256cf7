"""The steps of an update, as they are kept on disk and as the city sees them."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """Where an update stands. Each is written to disk before anything of it is done."""

    FETCH = "fetch"  # look what the lamppost runs; choose the file, get it from the broker
    MULTICAST = "multicast"  # chunks to several lampposts of a bus at once; each remembers its own
    UPLOAD = "upload"  # chunk by chunk to this one alone; the lamppost remembers how far
    VERIFY = "verify"  # the lamppost checks signature, board and security counter
    TEST = "test"  # mark the image for one trial start
    RESET = "reset"
    TRIAL = "trial"  # wait until the lamppost has confirmed the image, or gone back
    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    REFUSED = "refused"
    FAILED = "failed"


FINAL = frozenset({Step.CONFIRMED, Step.REVERTED, Step.REFUSED, Step.FAILED})
# Up to here nothing has happened to the running firmware: another release may take its place. Not
# in TEST: the image may be marked already, and the next power cut would start it.
REPLACEABLE = frozenset({Step.FETCH, Step.MULTICAST, Step.UPLOAD, Step.VERIFY})
# Up to here the file is on its way.
SENDING = frozenset({Step.FETCH, Step.MULTICAST, Step.UPLOAD})
# A sound update takes eight; a lamppost that forgets its upload now and then a few more.
MOST_TRANSITIONS = 30
MOST_RESETS = 3

# Those of SENDING show as "uploading" once the lamppost has taken a chunk. Until then it may be
# silent, or others have the link's upload slots: it is queued.
SHOWN = {
    Step.FETCH: "queued",
    Step.MULTICAST: "queued",
    Step.UPLOAD: "queued",
    Step.VERIFY: "verifying",
    Step.TEST: "verifying",
    Step.RESET: "trial",
    Step.TRIAL: "trial",
    Step.CONFIRMED: "confirmed",
    Step.REVERTED: "reverted",
    Step.REFUSED: "refused",
    Step.FAILED: "failed",
}
