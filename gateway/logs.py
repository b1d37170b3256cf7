"""Structured logs: key=value for people, JSON for machines, one line an event, on stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

from gateway.absent import absent

# For tracebacks in colour and green threads, of which there are none here: 5 MB.
with absent("rich", "greenlet"):
    import structlog

Logger = structlog.stdlib.BoundLogger


_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]

# What the journal goes by (sd-daemon(3)): syslog's priorities.
_PRIORITIES = {
    "debug": 7, "info": 6, "warning": 4, "warn": 4, "error": 3, "exception": 3, "critical": 2,
}  # fmt: skip

# What moves a terminal's cursor, or has journalctl show "[blob data]" for a line: texts of
# lampposts and brokers stand in ours. Line ends within values are escaped by the renderer.
_CONTROLS = {
    number: f"\\x{number:02x}" for number in (*range(32), *range(0x7F, 0xA0)) if chr(number) != "\n"
}

# At import, so that a logger made before `set_up` goes through the logging module too.
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def set_up(
    level: str, form: Literal["text", "json"], environment: Mapping[str, str] = os.environ
) -> None:
    """Send this process's logs to stderr. `level` is a name of the logging module's.

    Where systemd reads stderr (JOURNAL_STREAM in `environment`), each line begins with its priority
    and has no time of its own: the journal knows it.
    """
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "event"], bool_as_flag=False, drop_missing=True
        )
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _for_journal(renderer) if to_journal(environment) else _harmless(renderer),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # It logs as an error what we report better ourselves, once and with the lamppost's name.
    logging.getLogger("smpclient").setLevel(logging.CRITICAL)
    # It warns of every advert that does not open, which anyone may send; we count them.
    logging.getLogger("bthome_ble").setLevel(logging.CRITICAL)


def to_journal(environment: Mapping[str, str]) -> bool:
    """Whether stderr is the stream to the journal that JOURNAL_STREAM names (systemd.exec(5))."""
    named = environment.get("JOURNAL_STREAM", "")
    try:
        there = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # closed, or a test's
        return False
    return named == f"{there.st_dev}:{there.st_ino}"


def _harmless(render: Any) -> Any:
    def rendered(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        return str(render(logger, method, event)).translate(_CONTROLS)

    return rendered


def _for_journal(render: Any) -> Any:
    plain = _harmless(render)

    def rendered(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        priority = _PRIORITIES.get(str(event.get("level")), 6)
        event.pop("timestamp", None)
        # A traceback that is not one line of its own would lose its priority.
        text = plain(logger, method, event).replace("\n", f"\n<{priority}>")
        return f"<{priority}>{text}"

    return rendered


def get(**context: object) -> Logger:
    """A logger with `context` in each of its lines."""
    return structlog.get_logger("gateway").bind(**context)


_REASONS = 4


class Trouble:
    """A failure that repeats: a warning the first time, debug after that, info when it is over.

    Another reason (`why`) is a warning again: there is something else to do about it. One that
    words itself anew each time is a warning a few times only.
    """

    def __init__(self, log: Logger, event: str) -> None:
        self._log = log
        self._event = event
        self._said: set[str] = set()
        self.failures = 0

    def failed(self, **details: object) -> None:
        """Note a failure."""
        self.failures += 1
        why = str(details.get("why"))
        new = why not in self._said and len(self._said) < _REASONS
        if new:
            self._said.add(why)
        say = self._log.warning if new else self._log.debug
        say(self._event, failures=self.failures, **details)

    def over(self, **details: object) -> None:
        """Note that it works (again)."""
        if self.failures:
            self._log.info(f"{self._event}: over", failures=self.failures, **details)
        self.failures = 0
        self._said.clear()
