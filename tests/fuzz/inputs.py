"""The harnesses by name: one for each place where bytes from outside come in."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz import air, bus, city, files, http, lan, outlets, release, sealed
from tests.fuzz.harness import Harness

HARNESSES: dict[str, Callable[[], Harness]] = {
    "bus": bus.BusLine,
    "bus-who": bus.WhoIsThere,
    "bus-calls": bus.Calls,
    "sealed": sealed.Sealed,
    "sealed-insider": sealed.Insider,
    "adverts": air.Adverts,
    "adverts-insider": air.InsidersAdverts,
    "notifications": air.Notifications,
    "city": city.City,
    "lan": lan.LocalNetwork,
    "outlets": outlets.Outlets,
    "release": release.Release,
    "release-files": release.Roots,
    "configuration": files.ConfigurationFiles,
    "certificates": files.Certificates,
    "backup": files.Backups,
    "metrics": http.MetricsRequests,
}
# What is kept between inputs, and so could grow.
KEEPING = (
    "bus", "bus-who", "bus-calls", "sealed", "sealed-insider", "adverts", "adverts-insider",
    "notifications", "city", "lan", "outlets", "metrics",
)  # fmt: skip
