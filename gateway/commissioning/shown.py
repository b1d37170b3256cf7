"""Lampposts as a list shows them, known ones and strangers; no key is ever in it."""

from __future__ import annotations

from typing import Any

from gateway.adoption.unknown import UnknownLamppost
from gateway.lampposts.lamppost import Lamppost


def lamppost_document(
    post: Lamppost, verdict: str, signal: int | None, job: dict[str, Any] | None
) -> dict[str, Any]:
    """One of ours, as JSON has it.

    verdict: of its results; signal: dBm where known; job: what is under way.
    """
    kind = post.session.route.best.kind
    where = f"{post.bus} {post.address}" if kind == "bus" else kind
    return {
        "node": post.id,
        "name": post.name,
        "pole": post.pole,
        "link": where,
        "kind": kind,
        "state": post.link,
        "last_heard": post.last_heard,
        "level": post.level,
        "reason": post.reason_text() if post.facts else "",
        "firmware": (post.facts or {}).get("version", ""),
        "backlog": post.backlog,
        "signal": signal,
        "job": job,
        "verdict": verdict,
    }


def stranger_document(one: UnknownLamppost, now: int) -> dict[str, Any]:
    """One that is not ours, as JSON has it; now: street time, Unix seconds."""
    return {
        "node": one.id,
        "link": one.link,
        "address": one.address,
        "signal": one.signal,
        "heard_s": max(0, now - one.last_seen) if one.last_seen and now else None,
        "count": one.count,
    }
