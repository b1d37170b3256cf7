"""Models of the parts on a lamppost: they speak the bytes the real parts speak.

How a part is connected, which is all a simulator needs to know:

- A part on a **UART** (:class:`~simulators.parts.pms5003.Pms5003`,
  :class:`~simulators.parts.bl0942.Bl0942`) has ``receive(data)`` for the bytes the node sends,
  ``pending(now) -> bytes`` for those it says back by machine time ``now``, and ``due() -> float``:
  the machine second at which ``pending`` next has something (``inf`` for never, until the next
  ``receive``), so that nobody has to poll. ``baud`` is its line speed. Each byte is said once.
- A part on **I2C** (:class:`~simulators.parts.vl53l1x.Vl53l1x`) has ``write(data)`` and
  ``read(n) -> bytes``, as on the wire after its 7-bit ``address``: the first two bytes written are
  the register, big endian, the rest its new value, and a read goes on from there. So
  ``readfrom_mem(addr, register, n, addrsize=16)`` is ``write(register)`` then ``read(n)``. Both
  raise :class:`NoAcknowledge` when the part does not answer, an ``OSError(ENODEV)`` on the node.
- The **lamp** (:class:`~simulators.parts.luminaire.Luminaire`) is told ``pwm(duty_u16)`` and
  ``relay(on)`` as the pins change; it says its ``dimming_level`` and ``power_watts(volts)``.

Every model is given the two clocks as callables: *machine seconds*, never scaled, for line and
measuring times, and *street seconds* (UTC epoch), in which energy adds up. What surrounds it comes
from a :class:`~simulators.parts.surroundings.Surroundings`. Each can fail as the part does:
``absent`` (a broken wire: it hears and says nothing) and ``brown_out()`` (its supply dipped:
power-on state, nothing remembered). Parts that measure the air also have ``babbling`` (bytes
without sense), ``frozen`` (the same measurement again and again, until it is restarted) and
``lying`` (what it says whatever the air is).
"""

from simulators.parts.surroundings import (
    Air,
    Climate,
    Clock,
    NoAcknowledge,
    SteadySurroundings,
    Surroundings,
    UartPart,
    Walker,
)

__all__ = [
    "Air",
    "Climate",
    "Clock",
    "NoAcknowledge",
    "SteadySurroundings",
    "Surroundings",
    "UartPart",
    "Walker",
]
