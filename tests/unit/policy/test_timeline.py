"""The plan over time: there before every wedding, gone after it, calm in between, and each change with its reason."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.model import Lane
from carillon.policy import series, sizing
from carillon.policy.budget import Budget
from carillon.policy.capacity import TASKS, Kind, Knob
from carillon.policy.demand import Wedding, of_background
from carillon.policy.explain import explain
from carillon.policy.sizing import LEAST_ACU, READERS
from carillon.policy.timeline import HOLD, HORIZON, SLOT, Change, Plan, plan
from tests.unit.policy import calendars
from tests.unit.policy.calendars import BROADCAST, NEW_YORK, PROD, SATURDAY, WINTER, several, unhurried, wedding

if TYPE_CHECKING:
    from datetime import datetime

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
QUIET = replace(BROADCAST, months={}, traffic=replace(BROADCAST.traffic, base_connections=0))
"""No season, so that all there is comes from weddings."""
T = calendars.at("2027-01-13T14:00")
COLD = replace(PROD, limits=replace(PROD.limits, warm=False))
WARM_LOW = Knob(Kind.PROVISIONED, Lane.LOW)


def planned(weddings: list[Wedding], start: datetime = WINTER, **options: object) -> Plan:
    """Without a season."""
    return plan(weddings, QUIET, NEW_YORK, COLD, start, **options)  # type: ignore[arg-type]


def of(made: Plan, knob: Knob) -> list[Change]:
    return [change for change in made.changes if change.knob == knob]


def test_a_wedding_is_raised_for_before_its_window_and_lowered_for_after_it() -> None:
    raised, lowered = of(planned([wedding("W12", T)]), WARM_LOW)
    assert (raised.at, raised.previous, raised.size) == (T - 2 * HOUR - 15 * MINUTE, 0, 2)
    assert (lowered.at, lowered.previous, lowered.size) == (T + 6 * HOUR + 15 * MINUTE, 2, 0)
    assert raised.reason == "W12 begins at 14:00 Europe/Rome"
    assert lowered.reason == "nobody of W12 is left at 20:00 Europe/Rome"


def test_weddings_that_begin_together_are_one_change_that_names_the_largest() -> None:
    large = [*several(3, T), wedding("W12", T, guests=400)]
    assert [change.reason for change in of(planned(large), WARM_LOW)] == [
        "W12 and 3 more begin at 14:00 Europe/Rome",
        "nobody of W12 and 3 more is left at 20:00 Europe/Rome",
    ]


def test_weddings_within_one_slot_are_told_with_their_span() -> None:
    near = [wedding("W1", T + 5 * MINUTE, guests=400), wedding("W2", T + 10 * MINUTE)]
    assert of(planned(near), WARM_LOW)[0].reason == "W1 and 1 more begin at 14:05 to 14:10 Europe/Rome"


def test_the_season_is_named_where_it_is_the_cause() -> None:
    start = calendars.at("2027-06-05T06:00", "America/New_York")
    made = plan([], BROADCAST, NEW_YORK, PROD, start, horizon=20 * HOUR)
    evening = calendars.at("2027-06-05T18:00", "America/New_York")
    told = {change.at: change.reason for change in made.changes}
    expected = "the season's background rises to 10x (June, Saturday 18:00 America/New_York)"
    assert told[evening - 15 * MINUTE] == expected
    assert told[evening - 30 * MINUTE] == "the season's peak of June, 10x, begins at 18:00 America/New_York"
    over = told[evening + 2 * HOUR + 15 * MINUTE]
    assert over.startswith("the season's peak of June, 10x, is over at 20:00 America/New_York; the season's background")
    assert all("the season's" in reason for reason in told.values())


def test_the_fixed_peaks_stand_though_the_calendar_is_empty_and_are_no_sum_with_it() -> None:
    """They are for the wedding that nobody entered."""
    start = calendars.at("2027-06-05T06:00", "America/New_York")
    evening = calendars.at("2027-06-05T18:00", "America/New_York")
    for weddings in ([], [wedding("W1", evening)]):
        made = plan(weddings, BROADCAST, NEW_YORK, PROD, start, horizon=20 * HOUR)
        standing = {evening + minutes * MINUTE: made.at(evening + minutes * MINUTE) for minutes in range(-30, 120, 15)}
        assert {sizes[TASKS] for sizes in standing.values()} == {30}
        assert {sizes[Knob(Kind.PROVISIONED, Lane.CRITICAL)] for sizes in standing.values()} == {50}
    assert made.at(evening - 45 * MINUTE)[TASKS] == PROD.limits.min_tasks


def test_a_size_says_why_it_is_what_it_is_at_any_moment() -> None:
    made = planned([wedding("W12", T)])
    assert made.reason(WARM_LOW, T) == "W12 begins at 14:00 Europe/Rome"
    assert made.reason(WARM_LOW, T - 3 * HOUR) == "at rest"
    assert planned([wedding("W12", T)], T).reason(WARM_LOW, T) == "92 connections are expected"


def test_what_a_cap_denies_is_said() -> None:
    made = planned(several(2000, T, team=40))
    raised = next(change for change in of(made, TASKS) if change.size == 50)
    assert raised.reason.startswith("W0 and 1999 more begin at 14:00 Europe/Rome; ")
    assert raised.reason.endswith(" asked for, capped at 50")
    told = next(one for one in made.capped if one.knob == TASKS)
    assert (told.most, told.asked > 50) == (50, True)
    assert told.reason.endswith("asked for on Wednesday, 2027-01-13 at 05:45 America/New_York, capped at 50")
    assert planned([wedding("W1", T)]).capped == ()


def test_nothing_goes_down_for_the_ceremony() -> None:
    normal = Knob(Kind.RESERVED, Lane.NORMAL)
    lean = replace(COLD, limits=replace(COLD.limits, reserved={Lane.NORMAL: 4}))
    made = plan(several(4000, T), QUIET, NEW_YORK, lean, WINTER)
    ceremony = {made.at(T + minutes * MINUTE)[normal] for minutes in range(15, 60, 15)}
    assert ceremony == {made.at(T + 3 * HOUR)[normal]}
    assert min(ceremony) > 4


def test_a_canceled_wedding_changes_nothing() -> None:
    assert planned([replace(wedding("W1", T), canceled=True)]).changes == ()


def test_a_plan_is_read_by_moment_and_nowhere_else() -> None:
    made = planned([wedding("W1", T)])
    assert made.at(T)[WARM_LOW] == 2
    assert made.end - made.start == HORIZON
    for outside in (made.start - MINUTE, made.end):
        with pytest.raises(IndexError):
            made.at(outside)


@given(calendars.weddings)
@unhurried
def test_capacity_is_at_hand_for_everything_from_a_slot_before(weddings: list[Wedding]) -> None:
    """Never above a cap, and never below what the demand takes where the caps allow, at any five minutes."""
    made = plan(weddings, BROADCAST, NEW_YORK, PROD, SATURDAY, horizon=24 * HOUR)
    expected = series.expected(weddings, BROADCAST, NEW_YORK, SATURDAY, 288)
    for index, demand in enumerate(expected):
        if demand.connections <= of_background(1).connections:
            continue
        sizes, ahead = made.at(expected.edge(index)), made.at(max(SATURDAY, expected.edge(index) - SLOT))
        for knob in PROD.knobs():
            needed = min(1.3 * sizing.load(knob, demand, PROD), PROD.most(knob))
            assert needed - 1e-3 <= sizes[knob] <= PROD.most(knob)
            assert needed - 1e-3 <= ahead[knob]


@given(calendars.weddings)
@unhurried
def test_no_size_flaps(weddings: list[Wedding]) -> None:
    """What is lowered stays so for more than an hour, what is raised for the wedding and its lead and lag."""
    made = plan(weddings, BROADCAST, NEW_YORK, PROD, SATURDAY - 12 * HOUR)
    for knob in PROD.knobs():
        for before, after in itertools.pairwise(of(made, knob)):
            if (before.size < before.previous) and (after.size > after.previous):
                assert after.at - before.at > HOLD * SLOT
            if (before.size > before.previous) and (after.size < after.previous):
                assert after.at - before.at >= 3 * SLOT


@given(st.lists(st.integers(0, 48 * 60), max_size=400), st.integers(0, 60))
@unhurried
def test_a_target_has_fewer_than_two_hundred_actions(minutes: list[int], team: int) -> None:
    weddings = [wedding(f"W{n}", SATURDAY + minute * MINUTE, team=team * 20) for n, minute in enumerate(minutes)]
    made = plan(weddings, BROADCAST, NEW_YORK, PROD, SATURDAY)
    assert max(Counter(change.knob for change in made.changes).values(), default=0) < 200
    told = ("W", "nobody of W", "the ceremony of W", "the reception of W", "the preparation of W", "the season's")
    assert all(change.reason.startswith(told) for change in made.changes)


@given(calendars.weddings, calendars.weddings)
@unhurried
def test_more_weddings_never_get_less(some: list[Wedding], more: list[Wedding]) -> None:
    few, many = (planned(calendar, SATURDAY) for calendar in (some, [*some, *more]))
    for knob, row in few.sizes.items():
        assert all(larger >= size for size, larger in zip(row, many.sizes[knob], strict=True))


@given(calendars.weddings, st.integers(-96, 96))
@unhurried
def test_moving_weddings_moves_their_capacity(weddings: list[Wedding], slots: int) -> None:
    later = slots * SLOT
    moved = [replace(one, starts_at=one.starts_at + later) for one in weddings]
    assert planned(moved, SATURDAY + later).sizes == planned(weddings, SATURDAY).sizes


@given(calendars.weddings, st.integers(0, 60))
@unhurried
def test_a_later_round_finds_the_same_plan(weddings: list[Wedding], slots: int) -> None:
    first = plan(weddings, BROADCAST, NEW_YORK, PROD, SATURDAY)
    later = plan(weddings, BROADCAST, NEW_YORK, PROD, SATURDAY + slots * SLOT + MINUTE)
    assert later.start == SATURDAY + slots * SLOT
    for knob, row in first.sizes.items():
        assert row[slots:] == later.sizes[knob][: len(row) - slots]


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31"])  # 23 and 25 hours in Rome
def test_on_days_of_23_and_25_hours_eight_hours_are_eight(day: str) -> None:
    begins = calendars.at(f"{day}T04:00")
    made = planned([wedding("W1", begins)], begins - 24 * HOUR)
    assert [change.at - begins for change in of(made, WARM_LOW)] == [
        -2 * HOUR - 15 * MINUTE,
        6 * HOUR + 15 * MINUTE,
    ]


@given(calendars.weddings, st.floats(0, 400))
@unhurried
def test_no_plan_costs_more_than_its_budget(weddings: list[Wedding], usd: float) -> None:
    made = plan(weddings, BROADCAST, NEW_YORK, PROD, SATURDAY, budget=Budget(usd))
    assert all(cost <= usd + 1e-6 for cost in made.usd.values())
    free = plan(weddings, BROADCAST, NEW_YORK, PROD, SATURDAY)
    for knob, row in made.sizes.items():
        assert all(PROD.rest(knob) <= size <= wanted for size, wanted in zip(row, free.sizes[knob], strict=True))
        if row != free.sizes[knob]:
            assert knob in {cut.knob for cut in made.cuts}


def test_a_change_says_what_the_budget_took_from_it() -> None:
    made = planned(several(900, T), budget=Budget(60.0))
    raised = next(change for change in of(made, LEAST_ACU) if change.size > change.previous)
    assert "planned, cut to" in raised.reason
    assert "by the budget" in raised.reason


def test_where_only_the_month_changes_the_budget_is_the_cause() -> None:
    new_year = calendars.at("2027-01-31T22:00")
    spent = Budget(500.0, {"2027-01": 500.0})
    made = planned(several(900, new_year), calendars.at("2027-01-31T10:00"), budget=spent)
    raised = of(made, READERS)[0]
    assert f"{raised.at:%Y-%m-%dT%H:%M}" == "2027-02-01T00:00"
    assert raised.reason.startswith("another month's budget begins")


def test_a_wedding_explains_what_it_adds_and_when() -> None:
    large = wedding("W1", T, team=300)
    told = explain(large, [*several(3, T), large], QUIET, NEW_YORK, COLD)
    assert (told.raised_at, told.lowered_at) == (T - 2 * HOUR - 15 * MINUTE, T + 6 * HOUR + 15 * MINUTE)
    assert told.demand.connections == 3012
    assert told.adds[LEAST_ACU] > 0
    assert told.takes[TASKS] == pytest.approx(1.3 * sizing.load(TASKS, told.demand, COLD))
    lines = told.lines()
    assert lines[0] == "W1 begins on Wednesday, 2027-01-13 at 14:00 Europe/Rome: team 300, 120 guests"
    assert "its capacity stands from Wednesday 11:45 to Wednesday 20:15" in lines
    assert lines[-1].startswith("the plan is higher for it: ")


def test_a_wedding_is_not_counted_beside_itself() -> None:
    large = wedding("L", T, team=300)
    alone, listed = (explain(large, others, QUIET, NEW_YORK, COLD) for others in ([], [large]))
    assert alone.adds == listed.adds
    assert alone.adds[LEAST_ACU] == 0.5


def test_a_small_wedding_among_many_fits_in_and_a_canceled_one_asks_for_nothing() -> None:
    small = wedding("W1", T, team=1, guests=0)
    assert explain(small, several(20, T), QUIET, NEW_YORK, COLD).lines()[-1] == "it fits into what stands there anyway"
    canceled = explain(replace(small, canceled=True), [], QUIET, NEW_YORK, COLD)
    assert canceled.adds == {}
    assert canceled.lines()[0].endswith("it is canceled and asks for nothing")
