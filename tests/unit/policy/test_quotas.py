"""Quotas: the days that need more than was granted, their peak, and until when to ask."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from carillon.model import Lane
from carillon.policy import season, series
from carillon.policy.capacity import Kind, Knob
from carillon.policy.demand import Demand, of_wedding
from carillon.policy.lanes import LANES
from carillon.policy.quotas import FRAME_S, Quotas, Shortage, concurrency, shortages
from carillon.policy.sizing import load
from carillon.policy.traffic import TRAFFIC
from tests.unit.policy import calendars
from tests.unit.policy.calendars import BROADCAST, NEW_YORK, PROD, several

JUNE_14 = calendars.at("2027-06-14T16:00", "America/New_York")
QUIET = replace(BROADCAST, traffic=replace(BROADCAST.traffic, base_connections=0))
APRIL = calendars.at("2027-04-20T09:00", "America/New_York")


def found(count: int, now: object = APRIL, **granted: float) -> list[str]:
    quotas = Quotas(**{"requests_s": 1e9, "connects_s": 1e9, "concurrency": 1e9, **granted})
    weddings = several(count, JUNE_14)
    return [one.reason for one in shortages(weddings, QUIET, NEW_YORK, PROD, quotas, now)]  # type: ignore[arg-type]


def test_a_day_that_suffices_is_not_told() -> None:
    assert found(2000, requests_s=10_000 * 10) == []


def test_a_day_above_the_quota_is_told_with_its_peak_and_the_last_day_to_ask() -> None:
    weddings = several(2000, JUNE_14)
    (one,) = shortages(weddings, QUIET, NEW_YORK, PROD, Quotas(connects_s=1e9, concurrency=1e9), APRIL)
    whole = JUNE_14 - timedelta(minutes=90)
    peak = 2000 * of_wedding(weddings[0], whole).requests_s()
    assert (one.day, one.quota, one.granted, one.ask_by) == (date(2027, 6, 14), "requests_s", 10_000, date(2027, 5, 31))
    assert one.needed == pytest.approx(1.3 * peak, rel=0.01)
    assert not one.late
    assert one.reason == (
        f"Monday, 2027-06-14 needs {math.ceil(one.needed):,} API Gateway requests a second at {one.at:%H:%M} "
        "with 30% head-room; 10,000 are granted: ask AWS by 2027-05-31"
    )


def test_when_the_day_to_ask_has_gone_by_it_says_so() -> None:
    (reason,) = found(2000, JUNE_14 - timedelta(days=5), requests_s=10_000)
    assert reason.endswith("ask AWS today: 2027-05-31, 14 days before, has gone by")


def test_the_last_day_to_ask_is_not_late() -> None:
    (reason,) = found(2000, JUNE_14 - timedelta(days=14), requests_s=10_000)
    assert reason.endswith("ask AWS by 2027-05-31")


def test_a_shortage_by_less_than_one_does_not_read_as_enough() -> None:
    def told(count: int, granted: float) -> Shortage:
        quotas = Quotas(requests_s=1e9, connects_s=1e9, concurrency=granted)
        weddings = several(count, JUNE_14)
        return shortages(weddings, QUIET, NEW_YORK, PROD, quotas, APRIL, first=date(2027, 6, 14), days=1)[0]

    # A need that, rounded to the nearest, would be what is granted.
    count = next(count for count in range(400, 420) if 0.01 < told(count, 1).needed % 1 < 0.49)
    needed = told(count, 1).needed
    granted = math.floor(needed)
    one = told(count, granted)
    assert (one.needed, one.granted) == (needed, granted)
    assert f"needs {granted + 1:,} concurrent executions at" in one.reason
    assert f"; {granted:,} are granted" in one.reason


def test_new_connections_and_concurrency_have_quotas_too() -> None:
    assert [reason.split(" at ")[0] for reason in found(10_000, connects_s=500, concurrency=500)] == [
        "Monday, 2027-06-14 needs 665 new connections a second",
        next(reason for reason in found(10_000, concurrency=500)).split(" at ")[0],
    ]


def test_concurrency_is_the_consumers_and_a_frame_each() -> None:
    demand = Demand(connections=300, messages_s=100, posts_s=400, connects_s=10)
    lanes = sum(LANES[lane].concurrency + load(Knob(Kind.RESERVED, lane), demand, PROD) for lane in Lane)
    assert concurrency(demand, PROD, TRAFFIC) == pytest.approx(lanes + (400 + 20 + 1) * FRAME_S)


@pytest.mark.parametrize("day", ["2027-03-14", "2027-11-07"])  # 23 and 25 hours
def test_a_wedding_belongs_to_its_local_day_when_clocks_change(day: str) -> None:
    for hour in ("02:30", "20:00"):
        begins = calendars.at(f"{day}T{hour}", "America/New_York")
        weddings = several(4000, begins)
        quotas = Quotas(connects_s=1e9, concurrency=1e9)
        told = shortages(weddings, QUIET, NEW_YORK, PROD, quotas, begins - timedelta(days=20), days=30)
        assert date.fromisoformat(day) in {one.day for one in told}
        assert all(one.at.date() == one.day for one in told)
        assert len({one.day for one in told}) == len(told)


def test_days_beyond_those_looked_at_are_not_told() -> None:
    assert found(2000, JUNE_14 - timedelta(days=61), requests_s=10_000) == []
    assert len(found(2000, JUNE_14 - timedelta(days=59), requests_s=10_000)) == 1


def test_a_range_of_days_can_be_asked_for_past_ones_too() -> None:
    weddings = [*several(2000, JUNE_14), *several(2000, JUNE_14 + timedelta(days=2))]
    quotas = Quotas(connects_s=1e9, concurrency=1e9)

    def days(first: date, count: int, now: datetime) -> list[tuple[int, bool]]:
        told = shortages(weddings, QUIET, NEW_YORK, PROD, quotas, now, first=first, days=count)
        return [(one.day.day, one.late) for one in told]

    assert days(date(2027, 6, 14), 3, APRIL) == [(14, False), (16, False)]
    assert days(date(2027, 6, 15), 2, APRIL) == [(16, False)]
    assert days(date(2027, 6, 14), 2, APRIL) == [(14, False)]
    assert days(date(2027, 6, 1), 30, JUNE_14 + timedelta(days=400)) == [(14, True), (16, True)]


@pytest.mark.parametrize(("day", "hours"), [("2027-03-14", 23), ("2027-11-07", 25)])
def test_a_range_ends_with_its_last_day_when_clocks_change(day: str, hours: int) -> None:
    first = date.fromisoformat(day)
    midnight = season.midnight(first, NEW_YORK)
    late = several(4000, midnight + timedelta(hours=hours, minutes=90))
    quotas = Quotas(connects_s=1e9, concurrency=1e9)
    told = shortages(late, QUIET, NEW_YORK, PROD, quotas, APRIL, first=first, days=1)
    assert [one.day for one in told] == [first]
    assert told[0].at == midnight + timedelta(hours=hours) - series.BUCKET
    next_day = several(4000, midnight + timedelta(hours=hours, minutes=125))
    assert shortages(next_day, QUIET, NEW_YORK, PROD, quotas, APRIL, first=first, days=1) == ()
