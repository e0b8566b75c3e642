"""The forecast: days add up, follow the calendar and have their own length; budget and quotas are held against them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carillon.errors import InvalidInputError
from carillon.policy import months, quotas, timeline
from carillon.policy.budget import Budget, usd_per_hour
from carillon.policy.capacity import TASKS
from carillon.policy.forecast import Cost, forecast
from carillon.policy.quotas import Quotas
from tests.unit.policy import calendars
from tests.unit.policy.calendars import BROADCAST, NEW_YORK, PROD, several, wedding

if TYPE_CHECKING:
    from carillon.policy.demand import Wedding
    from carillon.policy.forecast import Day, Month
    from carillon.policy.profiles import Profile

UNIVERSAL = ZoneInfo("UTC")
NOW = calendars.at("2027-04-20T09:00", "America/New_York")
LEVEL = replace(BROADCAST, months={}, traffic=replace(BROADCAST.traffic, base_connections=0))
"""No season, and nobody beside the weddings: whatever is asked for, a wedding does."""
ROOM = Quotas(requests_s=1e9, connects_s=1e9, concurrency=1e9)
few = settings(calendars.unhurried, max_examples=5)
"""Each plans a month."""
JUNE_16 = calendars.at("2027-06-16T16:00", "America/New_York")


def made(
    weddings: list[Wedding],
    *,
    profile: Profile = BROADCAST,
    zone: ZoneInfo = NEW_YORK,
    month: str = "2027-06",
    granted: Quotas = ROOM,
    now: datetime = NOW,
    budget: Budget | None = None,
) -> Month:
    return forecast(weddings, profile, zone, PROD, granted, month, now, budget=budget)


def day_of(found: Month, number: int) -> Day:
    (one,) = (day for day in found.days if day.day.day == number)
    return one


def test_a_month_has_all_of_its_days_in_order() -> None:
    first = date(2028, 2, 1)
    found = made([], month="2028-02")
    assert [day.day for day in found.days] == [first + timedelta(days=number) for number in range(29)]
    assert (found.month, found.time_zone, found.season) == ("2028-02", "America/New_York", "broadcast")


def test_a_wedding_asks_for_its_connections_and_what_they_are_sent() -> None:
    day = day_of(made([wedding("W1", JUNE_16, team=8, guests=120)], profile=LEVEL), 16)
    hours = {"prepared": 2 - 0.25, "ceremony": 1, "reception": 5 - 0.25}  # half of each ramp's half hour is missing
    deliveries = 92 * (30 * hours["prepared"] + 6 * hours["ceremony"] + 15 * hours["reception"])
    assert (day.load.weddings, day.load.guests, day.load.connections) == (1, 120, 92)
    assert day.load.deliveries == pytest.approx(deliveries, rel=0.01)
    assert day.load.messages == pytest.approx(deliveries / 50, rel=0.01)


def test_a_wedding_counts_on_the_day_it_begins_in_the_seasons_zone() -> None:
    late = calendars.at("2027-06-05T23:30", "America/New_York")
    found = made([wedding("W1", late), wedding("W2", late, zone="Asia/Kolkata")], profile=LEVEL)
    assert [day.day.day for day in found.days if day.load.weddings] == [5]
    assert day_of(found, 5).load.weddings == 2
    assert day_of(found, 6).load.deliveries > 0


def test_a_canceled_wedding_is_none() -> None:
    called_off = replace(wedding("W1", JUNE_16), canceled=True)
    assert made([called_off]) == made([])


def test_weddings_of_other_months_count_only_for_the_hours_that_reach_into_it() -> None:
    eve, after = (calendars.at(f"2027-{day}T22:00", "America/New_York") for day in ("05-31", "07-10"))
    found = made([wedding("W1", eve), wedding("W2", after)], profile=LEVEL)
    assert (found.totals.weddings, found.totals.guests) == (0, 0)
    assert [day.day.day for day in found.days if day.load.deliveries] == [1]


def test_a_day_without_a_wedding_has_no_price_of_one() -> None:
    found = made(several(3, JUNE_16))
    assert day_of(found, 15).load.usd_per_wedding is None
    busy, season = day_of(found, 16).load, day_of(made([]), 16).load
    added = busy.cost.plan + busy.cost.usage - season.cost.plan - season.cost.usage
    assert busy.usd_per_wedding == pytest.approx(added / 3, abs=1e-4)
    assert 0 < busy.usd_per_wedding < (busy.cost.plan + busy.cost.usage) / 3, "the season is not the weddings' to pay"
    assert made([]).totals.usd_per_wedding is None


def test_capacity_is_the_highest_that_is_planned_on_the_day() -> None:
    weddings = several(700, JUNE_16)
    begins = calendars.at("2027-06-16T00:00", "America/New_York")
    planned = timeline.plan(weddings, LEVEL, NEW_YORK, PROD, begins, horizon=timedelta(days=1))
    found = made(weddings, profile=LEVEL)
    assert day_of(found, 16).capacity == {knob.group: max(row) for knob, row in planned.sizes.items()}
    assert day_of(found, 15).capacity == {knob.group: PROD.rest(knob) for knob in PROD.knobs()}
    assert day_of(found, 16).capacity["tasks"] > day_of(found, 15).capacity["tasks"]


def test_the_seasons_evenings_are_in_it_without_any_wedding() -> None:
    found = made([])
    saturday, tuesday = day_of(found, 5), day_of(found, 8)
    assert saturday.load.connections == 5000
    assert saturday.load.cost.plan > 0
    assert tuesday.load.cost.plan < saturday.load.cost.plan
    assert saturday.capacity["provisioned.critical"] > tuesday.capacity["provisioned.critical"]


@pytest.mark.parametrize(
    ("zone", "month", "day", "hours"),
    [
        ("America/New_York", "2027-03", 14, 23),
        ("America/New_York", "2027-11", 7, 25),
        ("Australia/Lord_Howe", "2027-10", 3, 23.5),
        ("Africa/Cairo", "2027-04", 30, 23),  # the hour that is skipped begins at midnight
        ("Pacific/Apia", "2011-12", 30, 0),  # the day that Samoa skipped
        ("UTC", "2027-03", 14, 24),
    ],
)
def test_a_day_is_as_long_as_it_is(zone: str, month: str, day: int, hours: float) -> None:
    found = made([], profile=LEVEL, zone=ZoneInfo(zone), month=month)
    an_hour = usd_per_hour({knob: PROD.rest(knob) for knob in PROD.knobs()}, PROD)
    lengths = {one.day.day: one.load.cost.rest / an_hour for one in found.days}
    assert lengths.pop(day) == pytest.approx(hours, abs=1e-3)
    assert {round(length, 3) for length in lengths.values()} == {24.0}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_without_a_change_of_clocks_a_wedding_costs_the_same_on_another_day(zone: str) -> None:
    one, other = (
        made(several(50, JUNE_16 + timedelta(days=days)), profile=LEVEL, zone=ZoneInfo(zone)) for days in (0, 9)
    )
    assert [day.load for day in one.days[:19]] == [day.load for day in other.days[9:28]]
    assert one.totals == other.totals


@given(calendars.weddings, st.integers(0, 8))
@few
def test_moved_weddings_take_their_messages_and_cost_along(weddings: list[Wedding], days: int) -> None:
    moved = [replace(one, starts_at=one.starts_at + timedelta(days=days)) for one in weddings]
    was, now = (made(some, profile=LEVEL) for some in (weddings, moved))
    assert [day.load for day in was.days[1:14]] == [day.load for day in now.days[1 + days : 14 + days]]


budgets = st.one_of(st.none(), st.builds(Budget, st.floats(0, 500), override=st.booleans()))


@given(calendars.weddings, calendars.zones.map(ZoneInfo), budgets)
@few
def test_days_add_up_to_the_totals(weddings: list[Wedding], zone: ZoneInfo, budget: Budget | None) -> None:
    found = made(weddings, zone=zone, budget=budget).to_json()
    days, totals = found["days"], found["totals"]
    for name in ("weddings", "guests", "messages", "deliveries"):
        assert sum(day[name] for day in days) == totals[name]
    for name in ("rest", "plan", "usage", "total"):
        assert sum(day["cost"][name] for day in days) == pytest.approx(totals["cost"][name], abs=1e-6)
    assert totals["connections"] == max(day["connections"] for day in days)
    whole = totals["cost"]
    assert whole["total"] == pytest.approx(whole["rest"] + whole["plan"] + whole["usage"])


@given(calendars.weddings, budgets)
@few
def test_what_the_days_plans_cost_is_what_the_plan_costs(weddings: list[Wedding], budget: Budget | None) -> None:
    start = datetime(2027, 6, 1, tzinfo=UTC)
    planned = timeline.plan(weddings, BROADCAST, UNIVERSAL, PROD, start, horizon=timedelta(days=30), budget=budget)
    found = made(weddings, zone=UNIVERSAL, budget=budget)
    assert found.totals.cost.plan == pytest.approx(planned.usd["2027-06"], abs=30 * 1e-4)


@given(calendars.weddings, calendars.zones.map(ZoneInfo))
@few
def test_the_bills_month_is_planned_whole_in_every_zone(weddings: list[Wedding], zone: ZoneInfo) -> None:
    """The season's month and the bill's begin hours apart; where nothing is on then they cost the same."""
    found = made(weddings, profile=LEVEL, zone=zone, budget=Budget(1e6))
    assert found.budget is not None
    assert found.totals.cost.plan == pytest.approx(found.budget.planned, abs=30 * 1e-4)


@given(calendars.weddings, calendars.weddings)
@few
def test_more_weddings_never_cost_less(weddings: list[Wedding], more: list[Wedding]) -> None:
    few, many = made(weddings), made([*weddings, *more])
    for one, other in zip(few.days, many.days, strict=True):
        assert one.load.cost.plan <= other.load.cost.plan
        assert one.load.cost.usage <= other.load.cost.usage
        assert one.load.cost.rest == other.load.cost.rest
        assert one.load.messages <= other.load.messages
        assert all(size <= other.capacity[group] for group, size in one.capacity.items())


@given(calendars.weddings, st.floats(0, 300))
@few
def test_no_month_costs_more_than_its_budget(weddings: list[Wedding], usd: float) -> None:
    found = made(weddings, zone=UNIVERSAL, budget=Budget(usd))
    assert found.budget is not None
    assert found.budget.planned <= usd + 1e-4
    assert found.totals.cost.plan <= usd + 30 * 1e-4
    assert found.budget.over == 0
    assert any(day.cut for day in found.days) == bool(found.budget.cuts)


def test_days_that_the_budget_cuts_are_told_and_no_others() -> None:
    weddings = [*several(700, JUNE_16), wedding("W", JUNE_16 + timedelta(days=7))]
    whole = made(weddings, profile=LEVEL)
    found = made(weddings, profile=LEVEL, budget=Budget(whole.totals.cost.plan / 2))
    assert [day.day.day for day in found.days if day.cut] == [16]
    assert found.budget is not None
    groups = [cut.knob.group for cut in found.budget.cuts]
    assert groups
    for group in groups:
        assert day_of(found, 16).capacity[group] < day_of(whole, 16).capacity[group]
    assert day_of(found, 23).load == day_of(whole, 23).load
    assert whole.budget is None


def test_only_the_months_own_cuts_are_told() -> None:
    """The last evening in New York is July's in UTC: its day is cut, but not by June's budget."""
    last = calendars.at("2027-06-30T23:00", "America/New_York")
    weddings = [*several(700, JUNE_16), *several(700, last)]
    found = made(weddings, profile=LEVEL, budget=Budget(1))
    assert [day.day.day for day in found.days if day.cut] == [16, 30]
    assert found.budget is not None
    assert {cut.month for cut in found.budget.cuts} == {"2027-06"}


def test_an_override_cuts_nothing_and_says_how_far_it_is_over() -> None:
    weddings = several(700, JUNE_16)
    whole = made(weddings, profile=LEVEL)
    found = made(weddings, profile=LEVEL, budget=Budget(10, override=True))
    assert (found.days, found.totals) == (whole.days, whole.totals)
    assert found.budget is not None
    assert found.budget.cuts == ()
    assert found.budget.over == pytest.approx(whole.totals.cost.plan - 10, abs=0.01)


def test_a_quota_is_told_on_its_day() -> None:
    weddings = several(2000, JUNE_16)
    found = made(weddings, profile=LEVEL, granted=replace(ROOM, requests_s=10_000))
    assert [day.day.day for day in found.days if day.shortages] == [16]
    (short,) = day_of(found, 16).shortages
    (told,) = quotas.shortages(
        weddings, LEVEL, NEW_YORK, PROD, replace(ROOM, requests_s=10_000), NOW, first=date(2027, 6, 1), days=30
    )
    assert short == told
    assert not short.late


def test_caps_that_are_too_low_are_told_with_the_worst_moment() -> None:
    found = made([*several(700, JUNE_16), *several(2000, JUNE_16 + timedelta(days=3), team=40)], profile=LEVEL)
    tasks = next(one for one in found.capped if one.knob == TASKS)
    assert tasks.most == PROD.limits.max_tasks < tasks.asked
    assert tasks.at.astimezone(NEW_YORK).date() == date(2027, 6, 19)
    assert "asked for on Saturday, 2027-06-19 at " in tasks.reason
    assert day_of(found, 19).capacity["tasks"] == tasks.most
    assert made([wedding("W1", JUNE_16)], profile=LEVEL).capped == ()


def test_the_bills_hours_of_another_month_neither_show_a_cap_nor_hide_one() -> None:
    """In Rome, July begins two hours before June's bill ends."""
    rome = ZoneInfo(calendars.ROME)
    after = several(4000, calendars.at("2027-07-01T03:00", calendars.ROME), team=40)
    assert made(after, profile=LEVEL, zone=rome, month="2027-07").capped
    assert made(after, profile=LEVEL, zone=rome).capped == ()
    busy = made([*several(2000, JUNE_16, team=40), *after], profile=LEVEL, zone=rome)
    assert TASKS in {one.knob for one in busy.capped}
    assert {one.at.astimezone(rome).date() for one in busy.capped} == {date(2027, 6, 16)}


def test_of_a_past_month_only_the_time_to_ask_has_gone_by() -> None:
    weddings = several(2000, JUNE_16)
    ahead, behind = (made(weddings, granted=Quotas(), now=now) for now in (NOW, NOW + timedelta(days=500)))
    assert [day.load for day in ahead.days] == [day.load for day in behind.days]
    lates = [[one.late for day in found.days for one in day.shortages] for found in (ahead, behind)]
    assert lates[0]
    assert not any(lates[0])
    assert all(lates[1])


def test_json_has_the_names_that_the_api_promises() -> None:
    found = made(several(2000, JUNE_16), granted=Quotas(), budget=Budget(50))
    told: dict[str, Any] = json.loads(json.dumps(found.to_json()))
    assert set(told) == {"month", "time_zone", "season", "days", "totals", "budget", "capped"}
    load = {"weddings", "guests", "connections", "messages", "deliveries", "cost", "usd_per_wedding"}
    day = told["days"][15]
    assert set(day) == load | {"day", "capacity", "shortages", "cut"}
    assert set(told["totals"]) == load
    assert set(day["cost"]) == {"rest", "plan", "usage", "total"}
    assert set(day["shortages"][0]) == {"quota", "needed", "granted", "at", "ask_by", "late", "reason"}
    assert set(told["budget"]) == {"usd", "planned", "over", "cuts"}
    assert set(told["budget"]["cuts"][0]) == {"group", "planned", "size", "usd", "reason"}
    assert (day["day"], day["cut"], day["shortages"][0]["ask_by"]) == ("2027-06-16", True, "2027-06-02")
    assert day["shortages"][0]["at"].startswith("2027-06-16T")
    assert set(told["capped"][0]) == {"group", "at", "asked", "most", "reason"}
    assert told["capped"][0]["at"].startswith("2027-06-16T")
    assert made([]).to_json()["budget"] is None
    assert made([]).to_json()["capped"] == []


@pytest.mark.parametrize(
    "month", ["", "june", "2027", "2027-6", "2027-00", "2027-13", "2027-06-01", " 2027-06", "2027-06\n", "1999-12"]
)
def test_what_is_no_month_is_refused(month: str) -> None:
    with pytest.raises(InvalidInputError, match="2000-01 to 2099-12; one is 2027-06") as refused:
        made([], month=month)
    assert refused.value.code == "input.invalid"
    assert refused.value.facts["errors"][0]["pointer"] == "month"


def test_digits_of_other_scripts_are_none() -> None:
    with pytest.raises(InvalidInputError):
        months.first_days("२०२७-०६")


def test_a_month_ends_with_its_year() -> None:
    assert months.first_days("2099-12") == (date(2099, 12, 1), date(2100, 1, 1))
    assert made([], month="2099-12").days[-1].day == date(2099, 12, 31)


def test_a_month_spans_the_seasons_and_the_bills() -> None:
    may_31, june_30 = datetime(2027, 5, 31, 22, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)
    assert months.span("2027-06", ZoneInfo(calendars.ROME)) == (may_31, june_30)
    start, end = months.span("2027-06", NEW_YORK)
    assert (start, end) == (datetime(2027, 6, 1, tzinfo=UTC), datetime(2027, 7, 1, 4, tzinfo=UTC))


def test_costs_add_up() -> None:
    assert Cost(1, 2, 3).total == 6
    assert Cost(1, 2, 3).above(Cost(9, 1, 1)) == 3
    assert Cost(1, 2, 3).above(Cost(0, 4, 4)) == 0
