"""The callback budget's promises, over any interleaving of lanes, wants and pauses."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.model import Lane
from carillon.policy.governor import LEAST_PAUSE_S, Budget, State, draw, full

BUDGETS = st.builds(
    Budget,
    rate=st.floats(1, 20_000),
    burst=st.floats(1, 10_000),
    reserve=st.floats(0, 0.9),
)
STEPS = st.lists(
    st.tuples(st.floats(0, 3), st.sampled_from(Lane), st.integers(0, 8_000)),
    max_size=60,
)
OTHERS = (Lane.HIGH, Lane.NORMAL, Lane.LOW)
EVERYTHING = 10**9


@given(BUDGETS, STEPS)
def test_no_lane_gets_more_than_its_share_whatever_the_interleaving(
    budget: Budget, steps: list[tuple[float, Lane, int]]
) -> None:
    state, now, total, others = full(budget, 0.0), 0.0, 0, 0
    for pause, lane, want in steps:
        now += pause
        state, granted, _ = draw(budget, state, now, lane, want)
        total += granted
        others += granted if lane is not Lane.CRITICAL else 0
        assert 0 <= granted <= want
        assert state.reserve >= 0
        assert state.shared >= 0
        allowed = budget.burst + budget.rate * now
        assert total <= allowed * (1 + 1e-9)
        assert others <= (1 - budget.reserve) * allowed * (1 + 1e-9)


@given(BUDGETS, st.lists(st.tuples(st.floats(0, 1), st.sampled_from(OTHERS)), min_size=1, max_size=30))
def test_critical_finds_its_reserve_however_hungry_the_others_are(
    budget: Budget, bites: list[tuple[float, Lane]]
) -> None:
    """Also right after critical itself emptied everything: what flows in is shared out, not left to the loudest."""
    state, _, _ = draw(budget, full(budget, 0.0), 0.0, Lane.CRITICAL, EVERYTHING)
    now = 0.0
    for pause, lane in bites:
        now += pause
        state, _, _ = draw(budget, state, now, lane, EVERYTHING)
    _, granted, _ = draw(budget, state, now, Lane.CRITICAL, EVERYTHING)
    assert granted >= math.floor(budget.reserve * min(budget.burst, budget.rate * now) - 1e-6)


@given(BUDGETS, st.sampled_from(Lane), st.integers(1, 100))
def test_who_waits_as_told_gets_something(budget: Budget, lane: Lane, want: int) -> None:
    empty, _, _ = draw(budget, State(0.0, 0.0, 0.0), 0.0, lane, want)
    _, granted, pause = draw(budget, empty, 0.0, lane, want)
    assert granted == 0
    assert pause >= LEAST_PAUSE_S
    holds = budget.burst if lane is Lane.CRITICAL else budget.burst * (1 - budget.reserve)
    _, granted, _ = draw(budget, empty, pause * (1 + 1e-9) + 1e-9, lane, want)
    assert granted >= 1 or holds < 1


def test_critical_may_use_everything_and_the_others_all_but_the_reserve() -> None:
    budget = Budget(rate=10_000, burst=5_000, reserve=0.2)
    assert draw(budget, full(budget, 0.0), 0.0, Lane.CRITICAL, EVERYTHING).granted == 5_000
    assert draw(budget, full(budget, 0.0), 0.0, Lane.HIGH, EVERYTHING).granted == 4_000


def test_critical_spends_its_reserve_before_what_is_shared() -> None:
    budget = Budget(rate=100, burst=100, reserve=0.2)
    state, _, _ = draw(budget, full(budget, 0.0), 0.0, Lane.CRITICAL, 30)
    assert state == State(reserve=0.0, shared=70.0, at=0.0)


@pytest.mark.parametrize("lane", Lane)
def test_a_clock_that_went_back_neither_refills_nor_starves(lane: Lane) -> None:
    budget = Budget(rate=100, burst=100, reserve=0.2)
    state, _, _ = draw(budget, State(0.0, 0.0, 1_000.0), 10.0, lane, 1)
    assert (state.reserve, state.shared) == (0.0, 0.0)
    assert draw(budget, state, 11.0, lane, 50).granted == 50
