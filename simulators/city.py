"""``lamplighter.toml`` for a simulated street: the settings of the city's command line."""

from simulators.clock import SimClock


def settings(host: str, port: int, store: str, clock: SimClock) -> str:
    """The text of the file.

    Args:
        host: of the broker.
        port: of the broker.
        store: URL of the city store.
        clock: the street's, so that both mean the same time.
    """
    return f"""\
[broker]
host = "{host}"
port = {port}

[store]
url = "{store}"

[clock]
source = "simulated"
real_origin = {clock.real_origin_ns}
street_origin = {float(clock.street_origin)}
speed = {float(clock.speed)}
"""
