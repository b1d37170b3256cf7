"""The fleet as its retained topics tell it."""

from fleet_cli.fleet.fleet import Fleet, read_fleet
from fleet_cli.fleet.lamppost import Lamppost
from fleet_cli.fleet.selection import Selection

__all__ = ["Fleet", "Lamppost", "Selection", "read_fleet"]
