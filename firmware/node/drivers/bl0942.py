"""Belling BL0942 energy meter on a UART, 4800 baud 8N1.

From the BL0942 data sheet V1.06: the master sends 58 | address and AA, the meter replies 23 bytes:
55, then little endian I_RMS u24, V_RMS u24, I_FAST_RMS u24, WATT s24, CF_CNT u24, FREQ u16, 00,
STATUS u8, 00 00, and the inverted sum of command byte and all before it. With Vref = 1.218 V:

    V_RMS = 73989 V1 / Vref,  I_RMS = 305978 V2 / Vref,  WATT = 3537 V1 V2 cos(phi) / Vref^2

V1 and V2 in mV at the pins: the mains over a divider of 0.51 kohm and five times 390 kohm, the
current through a shunt of 1 mohm. One count of CF_CNT is 1638.4 * 256 / WATT seconds of that power.
The line's period is FREQ / 1 MHz (50 Hz is 20000).
"""

_HEAD = 0x55
SIZE = 23
COUNTER = 1 << 24

# Register counts per unit, in integers: counts * _X[0] // _X[1] (rounded) is the unit named.
# V_RMS of 1 V: 73989 * (510 / 1950510 * 1000) / 1.218 = 15883.34.
_DECIVOLT = (1000, 1588334)
# I_RMS of 1 A: 305978 * 1 / 1.218 = 251213.5; of 1 mA: 251.2135.
_MILLIAMPERE = (10000, 2512135)
# WATT of 1 W: 3537 * 0.261470 / 1.218^2 = 623.394.
_DECIWATT = (10000, 623394)
# One count: 1638.4 * 256 / 623.3942 Ws.
MICROJOULES = 672_817_729


def command(address=0):
    """The two bytes that ask meter 0..3 for everything it measures."""
    return bytes((0x58 | address, 0xAA))


def parse(packet, address=0):
    """(voltage 0.1 V, current mA, power 0.1 W, energy count 0..2^24-1) of a reply, or None.

    None for anything but 23 bytes with head and sum right. Power is signed: negative when the
    shunt is wired the other way round.
    """
    if len(packet) != SIZE or packet[0] != _HEAD or packet[22] != _checksum(packet, address):
        return None
    power = _u24(packet, 10)
    if power & 0x800000:
        power -= COUNTER
    return (
        _scaled(_u24(packet, 4), _DECIVOLT),
        _scaled(_u24(packet, 1), _MILLIAMPERE),
        _scaled(power, _DECIWATT),
        _u24(packet, 13),
    )


def _checksum(packet, address):
    return ~((0x58 | address) + sum(packet[:22])) & 0xFF


def _u24(data, at):
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16


def _scaled(counts, scale):
    """counts * scale[0] / scale[1], rounded to the nearest integer."""
    return (counts * scale[0] * 2 + scale[1]) // (scale[1] * 2)


class Bl0942:
    """The meter on a UART: `uart` has `any()`, `read(n)` and `write(data)` that do not wait.

    wrap: counts after which its counter begins again. unit: uJ per count. keeps: whether the
    counter outlives a restart of the node.
    """

    wrap = COUNTER
    unit = MICROJOULES
    keeps = True
    patience = 3
    rest_ms = 60000

    def __init__(self, uart, address=0):
        self._uart = uart
        self._address = address
        self._held = bytearray()
        self.accepted = 0
        self.rejected = 0

    def ask(self):
        """Ask for a reply; whatever came before it is none."""
        for _ in range(4):  # as much as the port's buffer holds
            if not self._uart.any():
                break
            self._uart.read(64)
        if self._held:
            self.rejected += 1  # a reply that never came to its end
            self._held = bytearray()
        self._uart.write(command(self._address))

    def poll(self):
        """The reply, as `parse` has it, once all of it has come; else None.

        A reply takes 48 ms of line time. A wrong one is counted in `rejected`; so many bytes that a
        later poll could find a shifted one are not: `ask` again.
        """
        if self._uart.any():
            self._held += self._uart.read(SIZE - len(self._held)) or b""
        if len(self._held) < SIZE:
            return None
        reply = parse(bytes(self._held), self._address)
        self._held = bytearray()
        if reply is None:
            self.rejected += 1
        else:
            self.accepted += 1
        return reply
