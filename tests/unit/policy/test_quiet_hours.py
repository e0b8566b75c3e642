"""Quiet hours, right across the nights in which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.model import QuietHours, Recipient, Role
from carillon.policy.quiet_hours import release_at, zone_for

NIGHT = QuietHours(time(22), time(8), enabled=True)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "UTC"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2027-06-05T19:59", None),  # 21:59 in Berlin
        ("2027-06-05T20:00", "2027-06-06T06:00"),
        ("2027-06-06T05:59", "2027-06-06T06:00"),
        ("2027-06-06T06:00", None),
        ("2027-12-05T06:59", "2027-12-05T07:00"),  # an hour later in winter
    ],
)
def test_a_night_over_midnight(now: str, until: str | None) -> None:
    assert release_at(NIGHT, "Europe/Berlin", utc(now)) == (utc(until) if until else None)


def test_a_nap_within_the_day() -> None:
    nap = QuietHours(time(13), time(15), enabled=True)
    assert release_at(nap, "UTC", utc("2027-06-05T14:00")) == utc("2027-06-05T15:00")
    assert release_at(nap, "UTC", utc("2027-06-05T15:00")) is None


def test_off_or_empty_hours_hold_nothing_back() -> None:
    midnight = utc("2027-06-05T23:00")
    assert release_at(None, "UTC", midnight) is None
    assert release_at(QuietHours(time(22), time(8), enabled=False), "UTC", midnight) is None
    assert release_at(QuietHours(time(22), time(22), enabled=True), "UTC", midnight) is None


def test_an_end_that_does_not_happen_means_the_instant_of_the_change() -> None:
    """On 2027-03-28 Berlin's clocks go from 02:00 to 03:00, at 01:00 UTC."""
    quiet = QuietHours(time(22), time(2, 30), enabled=True)
    assert release_at(quiet, "Europe/Berlin", utc("2027-03-28T00:30")) == utc("2027-03-28T01:00")
    assert release_at(quiet, "Europe/Berlin", utc("2027-03-28T01:00")) is None


def test_a_start_that_does_not_happen_begins_at_the_change() -> None:
    quiet = QuietHours(time(2, 30), time(6), enabled=True)
    assert release_at(quiet, "Europe/Berlin", utc("2027-03-28T00:59")) is None
    assert release_at(quiet, "Europe/Berlin", utc("2027-03-28T01:00")) == utc("2027-03-28T04:00")


def test_an_end_that_happens_twice_means_the_second_time() -> None:
    """On 2027-10-31 Berlin's clocks go from 03:00 back to 02:00, at 01:00 UTC: 02:30 is at 00:30 and at 01:30 UTC."""
    quiet = QuietHours(time(22), time(2, 30), enabled=True)
    assert release_at(quiet, "Europe/Berlin", utc("2027-10-31T00:45")) == utc("2027-10-31T01:30")


def test_a_start_that_happens_twice_means_the_first_time() -> None:
    quiet = QuietHours(time(2, 30), time(6), enabled=True)
    assert release_at(quiet, "Europe/Berlin", utc("2027-10-31T00:30")) == utc("2027-10-31T05:00")


times = st.builds(time, hour=st.integers(0, 23), minute=st.sampled_from([0, 15, 30, 45]))
moments = st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1)).map(  # noqa: DTZ001 - made aware right after
    lambda naive: naive.replace(tzinfo=UTC, microsecond=0)
)


@given(start=times, end=times, zone=st.sampled_from(ZONES), now=moments)
def test_a_release_is_later_soon_and_not_quiet(start: time, end: time, zone: str, now: datetime) -> None:
    quiet = QuietHours(start, end, enabled=True)
    until = release_at(quiet, zone, now)
    if until is not None:
        assert now < until <= now + timedelta(hours=26)
        assert release_at(quiet, zone, until) is None


@given(start=times, end=times, zone=st.sampled_from(ZONES), now=moments)
def test_far_from_a_change_it_is_what_the_wall_clock_says(start: time, end: time, zone: str, now: datetime) -> None:
    info = ZoneInfo(zone)
    offsets = {(now + timedelta(hours=hours)).astimezone(info).utcoffset() for hours in range(-48, 49)}
    if len(offsets) > 1:
        return
    wall = now.astimezone(info).time()
    within = start <= wall < end if start < end else start != end and (wall >= start or wall < end)
    assert (release_at(QuietHours(start, end, enabled=True), zone, now) is not None) == within


def test_on_their_wedding_day_people_live_in_the_venues_zone() -> None:
    starts_at = datetime(2027, 6, 5, 15, 0, tzinfo=ZoneInfo("America/New_York"))
    guest = Recipient("dora", Role.GUEST, "Europe/Berlin", venue_zones=((starts_at, "America/New_York"),))
    assert zone_for(guest, utc("2027-06-05T03:59")) == "Europe/Berlin"  # still the 4th in New York
    assert zone_for(guest, utc("2027-06-05T04:00")) == "America/New_York"
    assert zone_for(guest, utc("2027-06-06T04:00")) == "Europe/Berlin"
