"""Budgets: never exceeded unless somebody said so, cut in order, critical's reserve never, and every cut is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.model import Lane
from carillon.policy import budget as budgets
from carillon.policy.budget import Budget, Fitted, Ordered, Rows, fit, order, spent, usd_per_hour
from carillon.policy.capacity import TASKS, Kind, Knob
from carillon.policy.prices import ACU_H, CORE_H, WARM_H
from carillon.policy.sizing import LEAST_ACU, READERS
from stacks.cost.prices import price
from tests.unit.policy.calendars import PROD, unhurried

SLOT = timedelta(minutes=15)
JUNE = datetime(2027, 6, 30, 12, tzinfo=UTC)
WARM = {lane: Knob(Kind.PROVISIONED, lane) for lane in Lane}
REST = {knob: PROD.rest(knob) for knob in PROD.knobs()}


def rows(slots: int, **raised: float) -> Rows:
    """At rest, but for what is raised by name."""
    named = {knob.group.replace(".", "_"): knob for knob in PROD.knobs()}
    assert set(raised) <= set(named)
    made: Rows = {knob: [size] * slots for knob, size in REST.items()}
    for name, size in raised.items():
        made[named[name]] = [REST[named[name]], *[size] * (slots - 1)]
    return made


def fitted(made: Rows, budget: Budget) -> Fitted:
    return fit(made, JUNE, SLOT, PROD, budget)


def test_prices_are_those_of_the_price_list() -> None:
    assert pytest.approx(CORE_H, abs=5e-5) == price("fargate_vcpu_hour", "ARM64") + 2 * price(
        "fargate_gb_hour", "ARM64"
    )
    gb_s = price("lambda_provisioned_gb_second", "arm64")
    assert pytest.approx(WARM_H, abs=5e-6) == gb_s * 3600 * 1769 / 1024
    assert price("aurora_acu_hour") + price("rds_proxy_acu_hour") == ACU_H


def test_an_hour_costs_its_tasks_what_stands_warm_and_the_database_with_its_readers() -> None:
    sizes = {TASKS: 4, WARM[Lane.LOW]: 10, LEAST_ACU: 2, READERS: 3, Knob(Kind.RESERVED, Lane.LOW): 50}
    assert usd_per_hour(sizes, PROD) == pytest.approx(4 * 0.5 * CORE_H + 10 * WARM_H + 2 * 4 * ACU_H)


def test_what_fits_stays_as_it_is() -> None:
    planned = rows(9, tasks=20)
    made = fitted(planned, Budget(100))
    assert (made.rows, made.cuts, made.over) == (planned, (), {})
    assert made.usd == {"2027-06": pytest.approx(2 * 17 * 0.5 * CORE_H)}


def test_the_dearest_protection_is_cut_first_and_critical_last() -> None:
    assert [knob.group for knob in order(PROD)] == [
        "database.readers",
        "database.least_acu",
        "provisioned.low",
        "provisioned.normal",
        "provisioned.high",
        "tasks",
        "provisioned.critical",
    ]


def test_critical_is_last_even_where_tasks_cost_less() -> None:
    small = replace(PROD, task_cores=0.125)
    assert [knob.group for knob in order(small)][-2:] == ["tasks", "provisioned.critical"]


def test_a_cut_takes_no_more_than_it_must() -> None:
    planned = rows(5, tasks=20, provisioned_low=50)
    whole = fitted(planned, Budget(100)).usd["2027-06"]
    made = fitted(planned, Budget(whole - 9.999 * WARM_H))
    assert [cut.knob for cut in made.cuts] == [WARM[Lane.LOW]]
    assert made.rows[TASKS] == planned[TASKS]
    cut = made.cuts[0]
    assert (cut.planned, cut.size, cut.month) == (50, 40, "2027-06")
    assert "provisioned.low is cut from 50 to 40" in cut.reason


def test_a_cut_lowers_to_the_highest_level_that_the_budget_bears() -> None:
    planned = rows(5)
    planned[TASKS] = [3, 10, 20, 30, 3]
    ten_thrice = 3 * 7 * 0.5 * CORE_H / 4
    made = fitted(planned, Budget(ten_thrice))
    assert made.rows[TASKS] == [3, 10, 10, 10, 3]


def test_criticals_reserve_is_left_when_nothing_else_is() -> None:
    planned = rows(9, tasks=50, provisioned_critical=50, provisioned_high=50, reserved_critical=50)
    made = fitted(planned, Budget(0))
    assert made.rows[WARM[Lane.CRITICAL]] == [8] * 9
    assert made.rows[Knob(Kind.RESERVED, Lane.CRITICAL)] == planned[Knob(Kind.RESERVED, Lane.CRITICAL)]
    assert made.usd == {"2027-06": 0}
    assert made.cuts[-1].knob == WARM[Lane.CRITICAL]


def test_each_month_has_its_own_budget() -> None:
    planned = rows(96, tasks=20)
    made = fitted(planned, Budget(1000, {"2027-06": 1000.0}))
    assert set(made.rows[TASKS][:48]) == {3}
    assert set(made.rows[TASKS][48:]) == {20}
    assert {cut.month for cut in made.cuts} == {"2027-06"}


def test_an_override_cuts_nothing_and_says_by_how_much_it_is_over() -> None:
    planned = rows(9, tasks=20)
    made = fitted(planned, Budget(0.1, override=True))
    assert (made.rows, made.cuts) == (planned, ())
    assert made.over == {"2027-06": pytest.approx(made.usd["2027-06"] - 0.1)}


def test_what_the_month_costs_without_the_plan_is_not_left_for_it() -> None:
    assert Budget(100, {"2027-06": 70}).left("2027-06") == 30
    assert Budget(100, {"2027-06": 170}).left("2027-06") == 0
    assert Budget(100).left("2027-07") == 100


sizes = st.lists(st.integers(0, 60), min_size=1, max_size=60)


@given(st.fixed_dictionaries(dict.fromkeys(PROD.knobs(), sizes)), st.floats(0, 50), st.floats(0, 60))
@unhurried
def test_no_month_costs_more_than_its_budget(extra: dict[Knob, list[int]], usd: float, spent: float) -> None:
    slots = min(map(len, extra.values()))
    planned = {knob: [REST[knob] + more for more in row[:slots]] for knob, row in extra.items()}
    budget = Budget(usd, {"2027-06": spent})
    made = fitted(planned, budget)
    assert made.over == {}
    for month, cost in made.usd.items():
        assert cost <= budget.left(month) + 1e-9
    for knob, row in made.rows.items():
        assert all(REST[knob] <= size <= was for size, was in zip(row, planned[knob], strict=True))
    lowered = {knob for knob, row in made.rows.items() if row != planned[knob]}
    assert lowered == {cut.knob for cut in made.cuts}
    assert all(cut.usd >= 0 and cut.reason for cut in made.cuts)


def test_a_smaller_deployment_is_cheaper() -> None:
    assert usd_per_hour({TASKS: 4}, replace(PROD, task_cores=0.25)) == usd_per_hour({TASKS: 2}, PROD)
    assert budgets.month_of(JUNE) == "2027-06"


START = datetime(2027, 6, 1, tzinfo=UTC)


def ordered(hours: float, group: str, size: float, rest: float | None = None) -> Ordered:
    return Ordered(START + timedelta(hours=hours), group, size, rest)


def test_what_was_spent_is_what_stood_above_rest_for_as_long_as_it_stood() -> None:
    day = [ordered(10, "tasks", 13), ordered(16, "tasks", 3)]
    assert spent(day, START, START + timedelta(hours=24), PROD) == pytest.approx(6 * 10 * PROD.task_cores * CORE_H)
    assert spent(day[:1], START, day[0].at, PROD) == 0


def test_what_stood_when_a_month_begins_counts_from_its_first_moment() -> None:
    """As the log of the days before says; a wedding on New Year's Eve is paid for in both months."""
    raised = [ordered(-5, "tasks", 13)]
    hour = 10 * PROD.task_cores * CORE_H
    assert spent(raised, START, START + timedelta(hours=2), PROD) == pytest.approx(2 * hour)
    over = [*raised, ordered(-1, "tasks", 3)]
    assert spent(over, START, START + timedelta(hours=2), PROD) == 0


def test_what_somebody_set_by_hand_costs_the_plan_nothing_and_pays_nothing_back() -> None:
    """The plan finds 32 ACU, or half of one, and sets them right: nobody knows since when they stood."""
    end = START + timedelta(days=25)
    assert spent([ordered(500, "database.least_acu", PROD.min_acu)], START, end, PROD) == 0
    below = [ordered(1, "database.least_acu", 0.5), ordered(2, "tasks", 13), ordered(3, "tasks", 3)]
    assert spent(below, START, end, PROD) == pytest.approx(10 * PROD.task_cores * CORE_H)


def test_another_deployments_rest_is_what_stood_then_not_what_the_plan_added() -> None:
    """Eight ACU at rest until the twentieth, two from then on, and a wedding under each."""
    wedding_then = [ordered(10, "database.least_acu", 10, 8), ordered(18, "database.least_acu", 8, 8)]
    wedding_now = [ordered(500, "database.least_acu", 4, 2), ordered(508, "database.least_acu", 2, 2)]
    changed = [*wedding_then, ordered(480, "database.least_acu", 2, 2), *wedding_now]
    acus = 2 * 8 * (1 + PROD.readers)
    assert spent(changed, START, START + timedelta(days=30), PROD) == pytest.approx(2 * acus * ACU_H)


def test_groups_that_cost_nothing_or_nobody_knows_are_not_counted() -> None:
    odd = [ordered(1, "reserved.low", 50), ordered(1, "unheard.of", 9), ordered(2, "tasks", 1)]
    assert spent(odd, START, START + timedelta(hours=24), PROD) == 0
    assert spent([], START, START + timedelta(days=30), PROD) == 0
