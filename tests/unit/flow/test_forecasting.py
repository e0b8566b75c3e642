"""Forecasting a month: reads all of the calendar that matters to it, and what the deployment is set to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from carillon.config import CapacitySettings
from carillon.errors import ConfigError, InvalidInputError, OutageError
from carillon.flow.forecasting import forecast_month
from carillon.policy import season
from carillon.policy.demand import Wedding
from carillon.testing.scaling import MemoryCalendar

NOW = datetime(2027, 4, 20, 9, tzinfo=UTC)
JUNE, JULY = datetime(2027, 6, 1, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)
SETTINGS = CapacitySettings(min_tasks=3, max_acu=64, max_readers=5, warm_peaks=True, budget_usd=10_000)


def wedding(name: str, starts_at: datetime, *, team: int = 8) -> Wedding:
    return Wedding(name, starts_at, "Europe/Rome", team, 120)


@dataclass
class Watched(MemoryCalendar):
    """Notes what it was asked for."""

    asked: list[tuple[datetime, datetime]] = field(default_factory=list)

    def between(self, start: datetime, end: datetime) -> list[Wedding]:
        self.asked.append((start, end))
        return super().between(start, end)


def test_the_calendars_weddings_are_in_their_days() -> None:
    calendar = MemoryCalendar([wedding("W1", JUNE + timedelta(days=4, hours=14)), wedding("W2", JULY)])
    found = forecast_month(calendar, SETTINGS, "2027-06", NOW)
    assert [day.day.day for day in found.days if day.load.weddings] == [5]
    assert (found.totals.weddings, found.totals.guests) == (1, 120)


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Pacific/Auckland"])
def test_whatever_reaches_into_the_month_is_read(zone: str) -> None:
    """A wedding of the evening before, or of the night after, is no wedding of the month but is felt in it."""
    settings = replace(SETTINGS, time_zone=zone, season="channels")
    calm = forecast_month(MemoryCalendar(), settings, "2027-08", NOW)
    first, last = calm.days[0].day, calm.days[-1].day
    opens = season.midnight(first, season.zone(zone))
    closes = season.midnight(last + timedelta(days=1), season.zone(zone))
    for begins, day in ((opens - timedelta(hours=5), 0), (closes + timedelta(hours=1), -1)):
        found = forecast_month(MemoryCalendar([wedding("W", begins)]), settings, "2027-08", NOW)
        assert found.totals.weddings == 0
        assert found.days[day].load.deliveries > calm.days[day].load.deliveries


def test_the_deployments_settings_are_what_it_reckons_with() -> None:
    calendar = MemoryCalendar([wedding(f"W{number}", JUNE + timedelta(days=4, hours=14)) for number in range(700)])
    found = forecast_month(calendar, SETTINGS, "2027-06", NOW)
    assert (found.season, found.time_zone) == ("broadcast", "UTC")
    assert found.days[4].capacity["database.least_acu"] > 20
    small = forecast_month(calendar, replace(SETTINGS, max_acu=4, season="channels"), "2027-06", NOW)
    assert small.season == "channels"
    assert small.days[4].capacity["database.least_acu"] == 4
    assert not found.days[4].shortages
    short = forecast_month(calendar, replace(SETTINGS, requests_s=1_000), "2027-06", NOW)
    assert {one.quota for one in short.days[4].shortages} == {"requests_s"}


def test_the_months_budget_binds_unless_somebody_said_otherwise() -> None:
    calendar = MemoryCalendar([wedding(f"W{number}", JUNE + timedelta(days=4, hours=14)) for number in range(700)])
    bound = forecast_month(calendar, replace(SETTINGS, budget_usd=50), "2027-06", NOW)
    assert bound.budget is not None
    assert bound.days[4].cut
    assert bound.totals.cost.plan <= 50.01
    free = forecast_month(calendar, replace(SETTINGS, budget_usd=50, over_budget=True), "2027-06", NOW)
    assert free.budget is not None
    assert not free.budget.cuts
    assert free.budget.over == pytest.approx(free.totals.cost.plan - 50, abs=0.01)


def test_a_month_that_is_none_is_refused_before_anything_is_read() -> None:
    calendar = Watched()
    with pytest.raises(InvalidInputError):
        forecast_month(calendar, SETTINGS, "2027-13", NOW)
    assert calendar.asked == []


def test_the_calendar_is_read_once() -> None:
    calendar = Watched()
    forecast_month(calendar, SETTINGS, "2027-06", NOW)
    ((start, end),) = calendar.asked
    assert start < JUNE
    assert end > JULY


def test_without_the_calendar_there_is_no_forecast() -> None:
    with pytest.raises(OutageError):
        forecast_month(MemoryCalendar(away=True), SETTINGS, "2027-06", NOW)


def test_a_zone_that_is_none_is_the_settings_fault() -> None:
    with pytest.raises(ConfigError, match="time_zone"):
        forecast_month(MemoryCalendar(), replace(SETTINGS, time_zone="Mars/Olympus"), "2027-06", NOW)
