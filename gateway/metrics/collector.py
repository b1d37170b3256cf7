"""The figures as Prometheus has them, taken from the parts when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from gateway.metrics.sources import BusFigures, Sources

PREFIX = "lamplighter_"
# Durable counters by name, with what is said of each.
_RECORDS = {
    "added": "Records read from lampposts and committed.",
    "sent": "Records that the broker acknowledged.",
    "rejected": "Records set aside: no record at all, or refused by the broker for good.",
    "repeated": "Records that a lamppost sent again.",
    "missed": "Records that a lamppost no longer had when it was asked.",
}
# One counter by reason: `dropped_<reason>`.
_DROPPED = "dropped_"
# Durable counters that are named for the storage.
_STORAGE = {
    "events_dropped": ("records_events_dropped", "Records given up that were no telemetry."),
    "running_s": ("running_seconds", "Time this gateway has run, over all starts."),
    "written_bytes": (
        "storage_written_bytes", "Bytes that commits and checkpoints wrote, over all starts.",
    ),
    "salvages": ("storage_salvages", "Damaged databases that were replaced."),
}  # fmt: skip
_BUS = {
    "requests": "Requests put on the line.",
    "timeouts": "Requests that nobody answered in time.",
    "unexpected": "Frames nobody waited for: late replies, or a second master.",
    "rejected": "Frames refused for their length, coding or checksum.",
    "reopened": "Times the port was lost.",
}


def collect(sources: Sources, tallies: Mapping[str, int] | None, now: float) -> list[Metric]:
    """All figures but the process's. To be called in the event loop's thread.

    tallies: the durable counters, None when the storage does not answer; now: machine time, s.
    """
    return [
        InfoMetricFamily(
            PREFIX + "gateway",
            "This gateway.",
            {"gateway": sources.gateway, "version": sources.version},
        ),
        *_storage(sources, tallies),
        *_buses(sources.buses()),
        *_uplink(sources, now),
        *_lampposts(sources),
        *_rest(sources),
    ]


def _storage(sources: Sources, tallies: Mapping[str, int] | None) -> Iterable[Metric]:
    yield _gauge("storage_answers", "1 while the thread that commits answers.", tallies is not None)
    if tallies is not None:
        for name, text in _RECORDS.items():
            if name in tallies:
                yield _counter(f"records_{name}", text, tallies[name])
        yield _dropped(tallies)
        for name, (metric, text) in _STORAGE.items():
            if name in tallies:
                yield _counter(metric, text, tallies[name])
        if "kept_bytes" in tallies:
            text = "What waits only for second outlets, beside the bound."
            yield _gauge("buffer_outlet_bytes", text, tallies["kept_bytes"])
    buffer = sources.buffer
    yield _gauge("buffer_records", "Records kept until the broker has them.", buffer.rows)
    yield _gauge("buffer_bytes", "What these count for within the bound.", buffer.bytes)
    yield _gauge("buffer_limit_bytes", "The bound, max_bytes.", sources.max_bytes)
    yield _gauge("buffer_full", "1 while lampposts are not read for want of room.", buffer.full)
    yield _counter("database_commits", "Transactions committed.", sources.commits.commits)
    written = written_bytes()
    if written is not None:
        yield _counter("disk_written_bytes", "Bytes this process had written to disk.", written)


def _dropped(tallies: Mapping[str, int]) -> Metric:
    metric = CounterMetricFamily(
        PREFIX + "records_dropped", "Records given up, by reason.", labels=["reason"]
    )
    for name, value in tallies.items():
        if name.startswith(_DROPPED):
            metric.add_metric([name.removeprefix(_DROPPED)], value)
    return metric


def _buses(buses: Mapping[str, BusFigures]) -> Iterable[Metric]:
    is_open = GaugeMetricFamily(
        PREFIX + "bus_port_open", "1 while the bus's serial port is open.", labels=["bus"]
    )
    counters = {
        name: CounterMetricFamily(PREFIX + f"bus_{name}", text, labels=["bus"])
        for name, text in _BUS.items()
    }
    for bus, figures in buses.items():
        is_open.add_metric([bus], figures.open)
        for name, metric in counters.items():
            metric.add_metric([bus], getattr(figures, name))
    return [is_open, *counters.values()]


def _uplink(sources: Sources, now: float) -> Iterable[Metric]:
    uplink = sources.uplink
    yield _gauge("uplink_connected", "1 while the broker is connected.", uplink.connected)
    yield _gauge(
        "uplink_state_seconds", "How long it has been so, connected or not.", now - uplink.since
    )
    yield _counter("uplink_connections", "Connections made to the broker.", uplink.connections)


def _lampposts(sources: Sources) -> Iterable[Metric]:
    links = Counter(post.link for post in sources.lampposts())
    yield _by("lampposts", "Lampposts by the state of their link.", "state",
              {"up": 0, "silent": 0, **links})  # fmt: skip
    yield _by("updates", "Lampposts by the state of their update.", "state", sources.updates())


def _rest(sources: Sources) -> Iterable[Metric]:
    if sources.certificates is not None:
        yield _by(
            "certificate_expiry_timestamp_seconds",
            "When a certificate file expires, Unix time.",
            "file",
            sources.certificates.expires,
        )
    raised = Counter(alarm.name for alarm in sources.alarms.raised)
    yield _by("alarms", "What a person has to see to.", "alarm", raised)
    for part, counters in sources.counters().items():
        metric = CounterMetricFamily(
            PREFIX + part, f"Counters of the part {part}, by what they count.", labels=["what"]
        )
        for what, value in counters.items():
            metric.add_metric([what], value)
        yield metric


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, text, value)


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(PREFIX + name, text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def written_bytes() -> int | None:
    """Bytes this process caused to be sent to the disk (proc(5), write_bytes); None: not told."""
    try:
        with open("/proc/self/io", encoding="ascii") as file:
            figures = dict(line.split(":", 1) for line in file)
        return int(figures["write_bytes"])
    except (OSError, KeyError, ValueError):
        return None
