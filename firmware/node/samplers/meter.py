"""The meter that is fitted, behind what all of them have in common.

`ask()` begins a reading, `poll()` gives it once it is there: (voltage 0.1 V, current mA, power
0.1 W, count), else None. `unit` is uJ per count, `wrap` the count after which it begins again,
`keeps` whether it outlives a restart of the node, `rejected` what came and was no reading,
`patience` after how many readings in a row that did not come it is lost, `rest_ms` how long at most
it is left alone then.
"""

from .. import parts


def make(code, board):
    """The meter of parts/meter `code`, with its driver, which is imported now and not before."""
    if code == parts.CSE7766:
        from ..drivers.cse7766 import Cse7766

        return Cse7766(board.meter_uart(0))
    if code == parts.HLW8012 or code == parts.BL0937:
        from ..drivers import pulses

        cf, cf1, sel = board.pulse_pins()
        model = pulses.BL0937 if code == parts.BL0937 else pulses.HLW8012
        return pulses.PulseMeter(pulses.counter(0, cf), pulses.counter(1, cf1), sel, model)
    from ..drivers.bl0942 import Bl0942

    return Bl0942(board.meter_uart())
