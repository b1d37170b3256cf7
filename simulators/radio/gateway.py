"""The gateway on a simulated street: ``lamplighter-gateway`` with adapters on the street's air.

``python -m simulators.radio.gateway run --config FILE``, where ``adapters`` in ``[ble]`` are paths
of sockets made by ``StreetRadio.serve_hci``. It is the gateway's own program in all else.
"""

import logging
import sys

from gateway.main import run_program
from simulators.radio.bleak_backend import BumbleAdapter


def main() -> None:
    """Entry point."""
    # At debug it tells of each packet.
    logging.getLogger("bumble").setLevel(logging.WARNING)
    sys.exit(run_program(open_adapter=BumbleAdapter))


if __name__ == "__main__":
    main()
