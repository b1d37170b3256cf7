"""The demonstration: one street through one night, from power-on to the city's report.

:mod:`~simulators.demo.main` composes the parts, :mod:`~simulators.demo.script` is what happens
during the night, :mod:`~simulators.demo.proof` and :mod:`~simulators.demo.evidence` tell
that no record was lost.
"""
