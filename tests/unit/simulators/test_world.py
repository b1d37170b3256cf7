"""The world over a street: derived from recordings, replayed from them, the same for a seed."""

import itertools
import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from astral import Observer
from astral.sun import elevation

from simulators.clock import SimClock
from simulators.world import World, derive_profiles, sources
from simulators.world.calendar import HOURS_A_WEEK, uk_local, week_hour
from simulators.world.light import daylight_lux, sun_elevation
from simulators.world.pavement import MOST_PER_SECOND, REACH_MM, Pavement
from simulators.world.recordings import RecordingError, read_footfall, read_particles
from simulators.world.sources import ReplayedAir, ReplayedPeople, SlowNoise, WeeklyAir, WeeklyPeople

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
FOOTFALL = DATA / derive_profiles.FOOTFALL
AIR = DATA / derive_profiles.AIR
recorded = pytest.mark.skipif(not FOOTFALL.exists(), reason="the recordings are not here")

MONDAY = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
HOUR = 3600.0


class Steady:
    """A footfall of so many people an hour, always."""

    def __init__(self, per_hour: float) -> None:
        self.peak = per_hour

    def per_hour(self, street: float) -> float:
        return self.peak


class HandClock:
    """Machine seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# ------------------------------------------------------------------------------------- calendar


def test_week_starts_on_monday_at_midnight() -> None:
    assert week_hour(MONDAY) == 0.0
    assert week_hour(MONDAY - 1) == pytest.approx(HOURS_A_WEEK, abs=0.001)


@pytest.mark.parametrize(
    ("when", "hours"),
    [
        ("2026-03-29T00:59:59", 0),
        ("2026-03-29T01:00:00", 1),
        ("2026-10-25T00:59:59", 1),
        ("2026-10-25T01:00:00", 0),
        ("2026-12-24T12:00:00", 0),
    ],
)
def test_summer_time_is_kept_from_the_last_sunday_of_march_to_that_of_october(
    when: str, hours: int
) -> None:
    at = datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp()
    assert uk_local(at) - at == hours * HOUR


# ---------------------------------------------------------------------------------------- light


@pytest.mark.parametrize("place", [(51.5, -0.13), (65.0, 25.5), (-33.9, 151.2)])
def test_sun_stands_where_an_independent_library_says(place: tuple[float, float]) -> None:
    observer = Observer(*place)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(200):
        when = start + timedelta(hours=43 * number)
        expected = elevation(observer, when, with_refraction=False)
        assert sun_elevation(when.timestamp(), *place) == pytest.approx(expected, abs=0.15)


def test_daylight_grows_with_the_sun_and_has_ends() -> None:
    values = [daylight_lux(angle) for angle in range(-90, 91)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(0.001)
    assert daylight_lux(-6.0) == pytest.approx(3.4, rel=0.01)
    assert values[-1] == pytest.approx(100_000)


# --------------------------------------------------------------------------------------- people


def test_the_weekly_profile_is_busy_at_noon_and_quiet_at_night() -> None:
    people = WeeklyPeople(mean_per_hour=100)
    hours = [people.per_hour(MONDAY + (hour + 0.5) * HOUR) for hour in range(HOURS_A_WEEK)]
    assert sum(hours) / len(hours) == pytest.approx(100, rel=0.02)
    assert people.per_hour(MONDAY + 12 * HOUR) > 10 * people.per_hour(MONDAY + 3 * HOUR)
    assert max(hours) <= people.peak


def test_walkers_pass_at_walking_pace_in_both_directions() -> None:
    clock = HandClock()
    pavement = Pavement(Steady(360), clock, lambda: MONDAY, 1.0, "seed")
    assert pavement.scale == 1.0
    before: dict[float, float] = {}
    speeds: list[float] = []
    for _ in range(20_000):
        clock.now += 0.1
        now = {walker.height_mm: walker.position_mm for walker in pavement.walkers()}
        assert all(abs(position) <= REACH_MM for position in now.values())
        speeds += [(now[height] - before[height]) / 0.1 for height in now.keys() & before.keys()]
        before = now
    assert all(799 <= abs(speed) <= 1801 for speed in speeds)
    assert pavement.towards + pavement.away == pytest.approx(200, abs=50)
    assert min(pavement.towards, pavement.away) > 60


def test_a_fast_clock_scales_people_down_to_what_can_walk() -> None:
    clock = HandClock()
    pavement = Pavement(Steady(360), clock, lambda: MONDAY, 340.0, "seed")
    assert pavement.scale == pytest.approx(MOST_PER_SECOND / (360 * 340 / 3600))
    for _ in range(5000):
        clock.now += 0.4
        pavement.walkers()
    assert pavement.towards + pavement.away == pytest.approx(2000 * MOST_PER_SECOND, rel=0.2)


def test_a_crowd_fills_quiet_hours_and_never_exceeds_what_can_walk() -> None:
    class Quiet(Steady):
        def per_hour(self, street: float) -> float:
            return self.peak / 100

    def passed(crowd: float) -> int:
        clock = HandClock()
        pavement = Pavement(Quiet(360), clock, lambda: MONDAY, 340.0, "seed", crowd)
        for _ in range(5000):
            clock.now += 0.4
            pavement.walkers()
        return pavement.towards + pavement.away

    assert passed(1.0) < 15
    assert passed(50.0) == pytest.approx(200, rel=0.3)
    assert passed(10_000.0) == pytest.approx(2000 * MOST_PER_SECOND, rel=0.2)


def test_how_often_one_looks_does_not_change_who_walks() -> None:
    def passed(step: float) -> tuple[int, int]:
        clock = HandClock()
        pavement = Pavement(Steady(300), clock, lambda: MONDAY, 1.0, "seed")
        while clock.now < 1100.0 - step / 2:
            clock.now += step
            pavement.walkers()
        return pavement.towards, pavement.away

    assert passed(0.05) == passed(2.5)


# ------------------------------------------------------------------------------------------ air


def test_slow_noise_has_unit_variance_and_the_memory_asked_for() -> None:
    noise = SlowNoise("seed", MONDAY, 0.87)
    hours = [noise.at(MONDAY + 600 * step) for step in range(0, 60_000, 6)]
    mean = sum(hours) / len(hours)
    variance = sum((value - mean) ** 2 for value in hours) / len(hours)
    correlation = sum((a - mean) * (b - mean) for a, b in itertools.pairwise(hours))
    assert variance == pytest.approx(1.0, abs=0.15)
    assert correlation / len(hours) / variance == pytest.approx(0.87, abs=0.03)


def test_air_is_the_same_for_a_seed_whatever_was_asked_before() -> None:
    first, second = WeeklyAir(7, MONDAY), WeeklyAir(7, MONDAY)
    moments = [MONDAY + random.Random(1).random() * 200 * HOUR for _ in range(50)]
    expected = {moment: first.particles(moment) for moment in moments}
    for moment in reversed(moments):
        assert second.particles(moment) == expected[moment]
    assert WeeklyAir(8, MONDAY).particles(moments[0]) != expected[moments[0]]


def test_particles_of_a_lamppost_hold_one_another() -> None:
    world = World(SimClock.start(MONDAY, 5000.0), seed=3)
    for number in range(4):
        post = world.at_lamppost(number)
        air = post.air()
        assert 0 < air.pm1 <= air.pm25 <= air.pm10
        assert 210 < post.mains_voltage() < 250
        post.powered = False
        assert post.mains_voltage() == 0.0


# ----------------------------------------------------------------------------------- recordings


def test_another_file_than_a_recording_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(RecordingError, match=r"expected columns .*, missing Day, Hour, InCount"):
        list(read_footfall(other))
    with pytest.raises(RecordingError, match="missing date, pm10, pm25"):
        list(read_particles(other))
    other.rename(tmp_path / "other.csv.gz")
    with pytest.raises(RecordingError, match="expected a CSV file"):
        list(read_footfall(tmp_path / "other.csv.gz"))


def test_a_bad_number_is_refused_with_its_row(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("Year,Month,Day,Hour,InCount,LocationName\n2014,2,30,5,7,Here\n")
    with pytest.raises(RecordingError, match=r"expected an hourly count, got .*'30'"):
        list(read_footfall(bad))


def test_a_replay_starts_at_the_same_hour_of_the_week_and_goes_round(tmp_path: Path) -> None:
    lines = ["date,pm10,pm25"]
    first = datetime(2001, 3, 7, 5, tzinfo=UTC)  # a Wednesday
    lines += [f"{first + timedelta(hours=n):%Y-%m-%d %H:%M:%S},{2 * n + 2},{n}" for n in range(400)]
    file = tmp_path / "air.csv"
    file.write_text("\n".join([*lines, ""]))
    origin = MONDAY + 30 * 60
    offset = 5 * 24 - 5  # from that Wednesday, 05:00, to the Monday after
    air = ReplayedAir(file, origin)
    for hours in (0, 1, 100, 284):
        particles = air.particles(MONDAY + hours * HOUR + 60)
        assert particles == (offset + hours, 2 * (offset + hours) + 2)
    assert air.particles(MONDAY + (400 - offset) * HOUR) == (0.0, 2.0)


@recorded
def test_profiles_are_those_of_the_recordings() -> None:
    kept = json.loads(sources.PROFILES.read_text())
    assert kept["people"] == derive_profiles.people_profile(FOOTFALL)
    assert kept["air"] == derive_profiles.air_profile(AIR)


@recorded
def test_the_real_footfall_is_replayed_in_its_proportions() -> None:
    recorded_hours = {h.start: h.people for h in read_footfall(FOOTFALL) if h.location == "Headrow"}
    winter = datetime(2026, 1, 5, tzinfo=UTC).timestamp()  # a Monday, local time is UTC
    people = ReplayedPeople(FOOTFALL, winter, "Headrow", mean_per_hour=60)
    start = next(at for at in sorted(recorded_hours) if week_hour(at) == 0.0)
    scale = 60 * len(recorded_hours) / sum(recorded_hours.values())
    for hour in range(HOURS_A_WEEK):
        expected = recorded_hours[int(start + hour * HOUR)] * scale
        assert people.per_hour(winter + hour * HOUR + 10) == pytest.approx(expected)


@recorded
def test_the_real_air_is_replayed_and_its_gaps_hold_the_last_value() -> None:
    air = ReplayedAir(AIR, MONDAY)
    values = [air.particles(MONDAY + hour * HOUR) for hour in range(24 * 60)]
    assert all(0 <= fine <= coarse and math.isfinite(coarse) for fine, coarse in values)
    assert len({fine for fine, _ in values}) > 20
    assert any(hour.pm25 is None for hour in read_particles(AIR))


@recorded
def test_a_camera_that_is_not_in_the_recording_is_refused() -> None:
    with pytest.raises(RecordingError, match="expected counts of Nowhere, got none"):
        ReplayedPeople(FOOTFALL, MONDAY, "Nowhere")
