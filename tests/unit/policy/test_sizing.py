"""Sizes: never above a cap, never below what the demand takes where the cap allows, and more for more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.model import Lane
from carillon.policy import sizing
from carillon.policy.capacity import TASKS, Kind, Knob, Limits
from carillon.policy.demand import NOTHING, Demand, of_background
from carillon.policy.lanes import LANES
from carillon.policy.sizing import LEAST_ACU, MOST_ACU, READERS, Deployment
from tests.unit.policy.calendars import PROD, unhurried

LEAN = replace(PROD, limits=replace(PROD.limits, reserved={lane: LANES[lane].concurrency for lane in Lane}))
COLD = replace(PROD, limits=replace(PROD.limits, warm=False))
RESERVED, WARM = Kind.RESERVED, Kind.PROVISIONED

demands = st.builds(
    Demand,
    connections=st.floats(0, 2e6),
    messages_s=st.floats(0, 5e3),
    posts_s=st.floats(0, 1e5),
    connects_s=st.floats(0, 2e3),
)
deployments = st.builds(
    Deployment,
    limits=st.builds(
        Limits,
        min_tasks=st.integers(1, 10),
        max_tasks=st.integers(10, 50),
        lane_max=st.integers(8, 400),
        reserved=st.dictionaries(st.sampled_from(list(Lane)), st.integers(2, 60)),
        warm=st.booleans(),
        warm_peaks=st.booleans(),
    ),
    task_cores=st.sampled_from([0.25, 0.5, 1, 4]),
    min_acu=st.sampled_from([0, 0.5, 2, 8]),
    max_acu=st.sampled_from([8, 16, 256]),
    readers=st.integers(1, 2),
    max_readers=st.integers(2, 5),
    concurrency=st.integers(10, 5000),
)


def groups(sizes: dict[Knob, float]) -> dict[str, float]:
    return {knob.group: size for knob, size in sizes.items()}


def test_without_wedding_and_season_everything_is_at_rest() -> None:
    assert groups(sizing.sizes(of_background(1), LEAN, busy=False)) == {
        **{f"{kind}.{lane.word}": LANES[lane].concurrency for kind in ("reserved", "provisioned") for lane in Lane},
        "tasks": 3,
        "database.least_acu": 2,
        "database.most_acu": 4,
        "database.readers": 2,
    }


def test_a_busy_saturday_is_sized_by_what_a_unit_carries() -> None:
    """50,000 connections, 10 messages and 500 posts a second; three times as many in the busiest minute."""
    saturday = Demand(connections=50_000, messages_s=10, posts_s=500)
    reads_s = 50_000 / 60
    tasks = 1.5 + 1.3 * (3 * 10 * 0.0044 + reads_s * 0.0013) / (0.5 * 0.55)
    assert groups(sizing.sizes(saturday, LEAN)) == {
        "reserved.critical": 9,  # all 8 of its reserve, and 1.3 x 3 x 5 % x (10/10 + 500/5000)
        "reserved.high": 6,  # half of 6, and 1.3 x 0.66
        "reserved.normal": 5,  # half of 4, and 1.3 x 1.65
        "reserved.low": 3,  # half of 2, and 1.3 x 0.825
        "provisioned.critical": 9,
        "provisioned.high": 6,
        "provisioned.normal": 5,
        "provisioned.low": 3,
        "tasks": int(tasks) + 1,
        "database.least_acu": 19,  # half of 2, and 1.3 x (1,500/400 + 50,000/5,000), to the next half
        "database.most_acu": 38,
        "database.readers": 5,  # half of 2, and 1.3 x 833/300
    }


def test_consumers_that_are_cold_at_rest_stand_warm_while_a_wedding_is_on() -> None:
    cold, warm = (sizing.sizes(NOTHING, COLD, busy=busy) for busy in (False, True))
    for lane in Lane:
        assert (cold[Knob(WARM, lane)], warm[Knob(WARM, lane)]) == (0, LANES[lane].concurrency)


def test_critical_keeps_its_whole_reserve_free() -> None:
    demand = Demand(messages_s=1000)
    takes = 1.3 * sizing.load(Knob(RESERVED, Lane.CRITICAL), demand, LEAN)
    asked = sizing.asked(Knob(RESERVED, Lane.CRITICAL), demand, LEAN)
    assert asked >= takes + LANES[Lane.CRITICAL].concurrency


@given(demands, deployments, st.booleans())
@unhurried
def test_no_size_is_above_its_cap_or_below_rest(demand: Demand, deployment: Deployment, busy: bool) -> None:  # noqa: FBT001 - drawn
    for knob, size in sizing.sizes(demand, deployment, busy=busy).items():
        assert deployment.rest(knob) <= size <= deployment.most(knob)


@given(demands, deployments)
@unhurried
def test_no_size_is_below_the_demand_and_its_head_room_where_the_cap_allows(
    demand: Demand, deployment: Deployment
) -> None:
    for knob, size in sizing.sizes(demand, deployment).items():
        needed = 1.3 * sizing.load(knob, demand, deployment)
        assert size >= min(needed, deployment.most(knob)) - 1e-6


@given(demands, demands, deployments)
@unhurried
def test_more_demand_never_gets_less(demand: Demand, more: Demand, deployment: Deployment) -> None:
    some, all_of_it = (sizing.sizes(one, deployment) for one in (demand, demand + more))
    assert all(all_of_it[knob] >= size for knob, size in some.items())


@given(demands, demands, deployments)
@unhurried
def test_loads_add_up(demand: Demand, more: Demand, deployment: Deployment) -> None:
    for knob in deployment.knobs():
        apart = sum(sizing.load(knob, one, deployment) for one in (demand, more))
        assert sizing.load(knob, demand + more, deployment) == pytest.approx(apart)


@given(demands, deployments)
@unhurried
def test_what_stands_warm_fits_into_the_reserve(demand: Demand, deployment: Deployment) -> None:
    sizes = sizing.sizes(demand, deployment)
    for lane in deployment.limits.reserved:
        assert sizes.get(Knob(WARM, lane), 0) <= sizes[Knob(RESERVED, lane)]


@given(demands, st.integers(500, 5000), st.integers(50, 5000))
@unhurried
def test_all_lanes_together_leave_the_account_what_it_may_not_reserve(
    demand: Demand, concurrency: int, lane_max: int
) -> None:
    limits = replace(LEAN.limits, lane_max=lane_max)
    sizes = sizing.sizes(demand, replace(LEAN, limits=limits, concurrency=concurrency))
    assert sum(sizes[Knob(RESERVED, lane)] for lane in Lane) <= concurrency - sizing.UNRESERVED


@given(demands, deployments)
@unhurried
def test_units_are_whole_and_those_of_the_database_halves(demand: Demand, deployment: Deployment) -> None:
    for knob, size in sizing.sizes(demand, deployment).items():
        assert (2 * size if knob in (LEAST_ACU, MOST_ACU) else size) % 1 == 0


@given(demands, deployments)
@unhurried
def test_the_databases_range_is_one(demand: Demand, deployment: Deployment) -> None:
    sizes = sizing.sizes(demand, deployment)
    assert sizes[LEAST_ACU] <= sizes[MOST_ACU]
    assert {TASKS, READERS} < set(sizes)
