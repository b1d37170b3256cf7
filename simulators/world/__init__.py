"""The world around a street: light, air and people, the same again for the same seed."""

from simulators.world.street_world import World

__all__ = ["World"]
