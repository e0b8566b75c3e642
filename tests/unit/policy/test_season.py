"""The season's peaks: when capacity is raised and lowered, in every time zone and across every change of clocks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carillon.errors import ConfigError
from carillon.policy import season
from carillon.policy.freeze import frozen
from carillon.policy.profiles import DEFAULT_PROFILE, FRIDAY, PROFILES, SATURDAY, SUNDAY

BROADCAST = PROFILES["broadcast"]
NEW_YORK = ZoneInfo("America/New_York")
ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "UTC"]
moments = st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1)).map(  # noqa: DTZ001 - made aware right after
    lambda naive: naive.replace(tzinfo=UTC, microsecond=0)
)
unhurried = settings(deadline=None)  # a busy machine is no failure
profiles = st.sampled_from(list(PROFILES.values()))
zones = st.sampled_from(ZONES).map(ZoneInfo)


def local(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def test_both_accounts_of_june_ship_and_the_larger_is_the_default() -> None:
    assert (BROADCAST.months[6], PROFILES["channels"].months[6]) == (10, 3)
    assert max(PROFILES.values(), key=lambda profile: profile.months[6]).name == DEFAULT_PROFILE


def test_the_peaks_are_those_of_the_design() -> None:
    peaks = season.peaks(BROADCAST)
    expected = [("May", 2), ("June", 10), ("September", 8), ("October", 6), ("December", 2)]
    assert [(peak.name, peak.multiplier) for peak in peaks] == expected
    assert {peak.weekdays for peak in peaks} == {(FRIDAY, SATURDAY, SUNDAY)}
    assert {(peak.start, peak.end) for peak in peaks} == {(time(18), time(20))}
    assert {(peak.raise_at, peak.lower_at) for peak in peaks} == {(time(17, 30), time(20, 15))}


def test_the_weekend_carries_four_fifths_of_the_weddings() -> None:
    days = BROADCAST.weekdays
    assert sum(days[day] for day in (FRIDAY, SATURDAY, SUNDAY)) == pytest.approx(0.8 * sum(days.values()))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2027-06-05T17:29:59", None),  # a Saturday, a second too early
        ("2027-06-05T17:30", "June"),
        ("2027-06-05T20:14:59", "June"),
        ("2027-06-05T20:15", None),
        ("2027-06-04T18:00", "June"),  # Friday
        ("2027-06-06T18:00", "June"),  # Sunday
        ("2027-06-07T18:00", None),  # Monday
        ("2027-07-03T18:00", None),  # a Saturday in July
        ("2027-12-31T19:00", "December"),
        ("2028-01-01T19:00", None),
    ],
)
def test_a_peak_is_on_from_its_lead_to_its_lag(at: str, expected: str | None) -> None:
    peak = season.peak_at(BROADCAST, local(at), NEW_YORK)
    assert (peak.name if peak else None) == expected


def test_the_same_clock_is_another_instant_after_the_clocks_changed() -> None:
    """Berlin leaves summer time on Sunday 2027-10-31: Saturday's peak is raised at 15:30 UTC, Sunday's at 16:30."""
    berlin = ZoneInfo("Europe/Berlin")
    for utc, on in (
        ("2027-10-30T15:29", False),
        ("2027-10-30T15:30", True),
        ("2027-10-31T16:29", False),
        ("2027-10-31T16:30", True),
    ):
        assert (season.peak_at(BROADCAST, local(utc, ZoneInfo("UTC")), berlin) is not None) == on


@unhurried
@given(profile=profiles, zone=zones, now=moments)
def test_a_peak_is_on_just_when_the_local_clock_says_so(profile: season.Profile, zone: ZoneInfo, now: datetime) -> None:
    there = now.astimezone(zone)
    on = (
        profile.months.get(there.month, 1) > 1
        and there.isoweekday() in (5, 6, 7)
        and (17, 30) <= (there.hour, there.minute) < (20, 15)
    )
    peak = season.peak_at(profile, now, zone)
    assert (peak is not None) == on
    assert peak is None or peak.multiplier == profile.months[there.month]


@unhurried
@given(profile=profiles, zone=zones, now=moments)
def test_an_evening_is_raised_once_and_for_as_long_as_ever(
    profile: season.Profile, zone: ZoneInfo, now: datetime
) -> None:
    """On the days of 23 and 25 hours as well."""
    start, end = season.day_at(now, zone)
    quarter = timedelta(minutes=15)
    on = [
        season.peak_at(profile, start + index * quarter, zone) is not None for index in range((end - start) // quarter)
    ]
    assert sum(on) in (0, 11)
    assert sum(before != after for before, after in itertools.pairwise(on)) in (0, 2)


@unhurried
@given(zone=zones, now=moments)
def test_a_day_begins_and_ends_at_the_local_midnights_around_the_moment(zone: ZoneInfo, now: datetime) -> None:
    start, end = season.day_at(now, zone)
    assert start <= now < end
    assert end - start in {timedelta(hours=hours) for hours in (23, 23.5, 24, 24.5, 25)}
    today = now.astimezone(zone).date()
    second = timedelta(seconds=1)
    assert start.astimezone(zone).date() == (end - second).astimezone(zone).date() == today
    assert (start - second).astimezone(zone).date() < today < end.astimezone(zone).date()


def test_a_midnight_that_the_clocks_skip_is_the_moment_of_the_change() -> None:
    """Sao Paulo went from 2018-11-03 24:00 to 2018-11-04 01:00, at 03:00 UTC."""
    start, _ = season.day_at(local("2018-11-04T12:00", ZoneInfo("America/Sao_Paulo")), ZoneInfo("America/Sao_Paulo"))
    assert start == datetime(2018, 11, 4, 3, tzinfo=UTC)


@unhurried
@given(zone=zones, now=moments)
def test_load_never_exceeds_the_months_and_reaches_it_on_saturday_evening(zone: ZoneInfo, now: datetime) -> None:
    there = now.astimezone(zone)
    load = season.load_at(BROADCAST, now, zone)
    assert 0 < load <= BROADCAST.months.get(there.month, 1)
    if there.weekday() == SATURDAY and there.hour in (18, 19):
        assert load == BROADCAST.months.get(there.month, 1)


@unhurried
@given(zone=zones, now=moments)
def test_quiet_hours_are_never_in_a_peak(zone: ZoneInfo, now: datetime) -> None:
    assert not (season.is_quiet(BROADCAST, now, zone) and season.peak_at(BROADCAST, now, zone))


@pytest.mark.parametrize("change", [{"peak_hours": (22, 24)}, {"peak_hours": (0, 2)}, {"peak_hours": (20, 18)}])
def test_a_peak_over_midnight_is_refused(change: dict[str, tuple[int, int]]) -> None:
    with pytest.raises(ConfigError, match="within one day"):
        season.peaks(replace(BROADCAST, **change))  # type: ignore[arg-type]


def test_what_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"winter.*broadcast, channels"):
        season.profile("winter")
    for name in ("Europe/Nowhere", "../etc/passwd", ""):
        with pytest.raises(ConfigError, match="no IANA time zone"):
            season.zone(name)


def test_saturdays_are_frozen_where_the_weddings_are() -> None:
    friday_night_in_new_york = datetime(2027, 6, 5, 3, tzinfo=UTC)
    assert frozen(friday_night_in_new_york, NEW_YORK, 0, 20) is None
    assert frozen(friday_night_in_new_york, ZoneInfo("UTC"), None, 20) == "it is Saturday in UTC"


@pytest.mark.parametrize(("weddings", "free"), [(None, True), (0, True), (20, True), (21, False)])
def test_a_day_is_frozen_by_more_weddings_than_the_threshold(weddings: int | None, free: bool) -> None:  # noqa: FBT001
    tuesday = local("2027-06-08T12:00")
    reason = frozen(tuesday, NEW_YORK, weddings, 20)
    assert (reason is None) == free
    assert free or "21 weddings today" in str(reason)
