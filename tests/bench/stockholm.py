"""Energy saved by presence dimming on Stockholm's path, against the same lamps on all night."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

from simulators.scenes.stockholm import AHEAD, BEHIND, Outcome, night, play
from simulators.world.sources import PeopleSource, ReplayedPeople, WeeklyPeople
from tests.bench.rows import Row

# The equinoxes and solstices of a year that the recording has.
DAYS = (date(2015, 3, 20), date(2015, 6, 21), date(2015, 9, 23), date(2015, 12, 22))
SCALES = (1.0, 0.3, 0.1, 0.03, 0.01)
MEASURED = 40.0
_EPOCH = date(1970, 1, 1).toordinal()
_LEEDS = Path(__file__).parents[2] / "../shared/data/leeds_footfall_2009_2016_hourly.csv.gz"


def run() -> list[Row]:
    """Play the nights at several scales of the recorded footfall."""
    rows: list[Row] = []
    for scale in SCALES:
        outcomes = [_night(day, scale) for day in DAYS]
        seconds = sum(outcome.seconds for outcome in outcomes)
        saved = sum(outcome.saving * outcome.seconds for outcome in outcomes) / seconds
        walkers = sum(outcome.walkers for outcome in outcomes) * 3600 / seconds
        full = sum(outcome.full_share * outcome.seconds for outcome in outcomes) / seconds
        note = (
            f"{walkers:.1f} walkers an hour of night, lamps at 100 % for {100 * full:.0f} % of it; "
            f"groups of {AHEAD} and {BEHIND}, idle 50 %"
        )
        rows.append(Row("stockholm", f"energy saved, footfall x {scale:g}", 100 * saved, "%", note))
    note = f"{_source_name()}; Stockholm measured {MEASURED:.0f} %"
    rows.append(Row("stockholm", "nights played", float(len(DAYS)), "", note))
    return rows


def _source_name() -> str:
    return "recorded Leeds footfall" if _LEEDS.exists() else "weekly profile of Leeds"


def _night(day: date, scale: float) -> Outcome:
    dark = night(day.toordinal() - _EPOCH)
    return play(dark, _people(dark.begins), scale, Random(f"{day} {scale}"))


@functools.cache
def _people(begins: int) -> PeopleSource:
    if not _LEEDS.exists():
        return WeeklyPeople()
    midnight = datetime.fromtimestamp(begins, UTC).replace(hour=0, minute=0, second=0)
    return ReplayedPeople(_LEEDS, midnight.timestamp())
