"""Reactive rules: each threshold of both seasons, cooldowns, bounds, and no flapping."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.model import Lane
from carillon.policy.capacity import TASKS, Action, Kind, Knob
from carillon.policy.lanes import LANES
from carillon.policy.reactive import bounds, decide
from carillon.policy.sizing import MOST_ACU
from carillon.policy.thresholds import IN_SEASON, OFF_SEASON, Bounds, Mode, Observation, State, mode_at
from tests.unit.policy.calendars import BROADCAST, NEW_YORK, PROD, unhurried

NOW = datetime(2027, 6, 5, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NORMAL, CRITICAL = Knob(Kind.PROVISIONED, Lane.NORMAL), Knob(Kind.RESERVED, Lane.CRITICAL)
ALLOWED = Bounds(rest=4, least=4, most=50)
IDLE = Observation(connections=10, queued=0, latency_ms=20, errors=0, in_use=0.1)


def calm_for(minutes: int, size: float = 16, **changed: object) -> State:
    return replace(State(size, calm_since=NOW - minutes * MINUTE), **changed)


@pytest.mark.parametrize(
    ("mode", "seen", "metric"),
    [
        (IN_SEASON, Observation(connections=5_001), "connections"),
        (IN_SEASON, Observation(queued=1_001), "queued"),
        (IN_SEASON, Observation(latency_ms=501), "latency_ms"),
        (IN_SEASON, Observation(errors=0.021), "errors"),
        (OFF_SEASON, Observation(connections=10_001), "connections"),
        (OFF_SEASON, Observation(queued=10_001), "queued"),
        (OFF_SEASON, Observation(in_use=0.81), "in_use"),
        (IN_SEASON, Observation(age_s=30.1), "age_s"),
    ],
)
def test_what_is_above_a_threshold_doubles(mode: Mode, seen: Observation, metric: str) -> None:
    made = decide(NORMAL, State(4), seen, NOW, mode, ALLOWED)
    assert (made.action, made.size, made.metric) == (Action.RAISE, 8, metric)
    assert made.state == State(8, NOW)
    assert made.value is not None
    assert made.threshold is not None
    assert made.value > made.threshold
    assert "doubled" in made.reason


@pytest.mark.parametrize(
    ("mode", "seen"),
    [
        (IN_SEASON, Observation(connections=5_000, queued=1_000, latency_ms=500, errors=0.02, in_use=0.8, age_s=30)),
        (OFF_SEASON, Observation(connections=10_000, queued=10_000, in_use=0.8)),
        (IN_SEASON, Observation()),
    ],
)
def test_what_is_at_a_threshold_or_not_known_changes_nothing(mode: Mode, seen: Observation) -> None:
    assert decide(NORMAL, State(4), seen, NOW, mode, ALLOWED).action is None


def test_doubling_ends_at_the_cap_and_says_so() -> None:
    flood = Observation(queued=50_000)
    last = decide(NORMAL, State(30), flood, NOW, IN_SEASON, ALLOWED)
    assert last.size == 50
    assert last.reason.endswith("(in season): raised to 50")
    at_cap = decide(NORMAL, State(50), flood, NOW, IN_SEASON, ALLOWED)
    assert (at_cap.action, at_cap.size) == (None, 50)
    assert "50 is the cap" in at_cap.reason


def test_twice_the_size_carries_twice_the_connections() -> None:
    seen = Observation(connections=9_000)
    assert decide(NORMAL, State(4), seen, NOW, IN_SEASON, ALLOWED).size == 8
    assert decide(NORMAL, State(8), seen, NOW, IN_SEASON, ALLOWED).action is None


@pytest.mark.parametrize(
    ("mode", "waits", "action"),
    [
        (IN_SEASON, 2, None),
        (IN_SEASON, 3, Action.RAISE),
        (OFF_SEASON, 4, None),
        (OFF_SEASON, 5, Action.RAISE),
    ],
)
def test_adding_waits_for_its_cooldown(mode: Mode, waits: int, action: Action | None) -> None:
    made = decide(NORMAL, State(4, NOW - waits * MINUTE), Observation(in_use=0.9), NOW, mode, ALLOWED)
    assert made.action is action


def test_a_cooldown_is_told_in_whole_seconds() -> None:
    state = State(4, NOW - timedelta(seconds=62.5))
    made = decide(NORMAL, state, Observation(in_use=0.9), NOW, IN_SEASON, ALLOWED)
    assert made.reason == "90% are in use, more than 80%; cooling down for 0:01:58"


@pytest.mark.parametrize(
    ("mode", "waits", "action"),
    [
        (IN_SEASON, 19, None),
        (IN_SEASON, 20, Action.LOWER),
        (OFF_SEASON, 9, None),
        (OFF_SEASON, 10, Action.LOWER),
    ],
)
def test_taking_waits_for_its_cooldown(mode: Mode, waits: int, action: Action | None) -> None:
    state = calm_for(10, changed_at=NOW - waits * MINUTE)
    assert decide(NORMAL, state, IDLE, NOW, mode, ALLOWED).action is action


def test_every_cooldown_is_between_three_and_twenty_minutes() -> None:
    waits = [wait for mode in (IN_SEASON, OFF_SEASON) for wait in (mode.out_after, mode.in_after)]
    assert all(3 * MINUTE <= wait <= 20 * MINUTE for wait in waits)


def test_what_is_idle_for_ten_minutes_is_halved() -> None:
    first = decide(NORMAL, State(16), IDLE, NOW, OFF_SEASON, ALLOWED)
    assert (first.action, first.state.calm_since) == (None, NOW)
    early = decide(NORMAL, first.state, IDLE, NOW + 9 * MINUTE, OFF_SEASON, ALLOWED)
    assert early.action is None
    due = decide(NORMAL, early.state, IDLE, NOW + 10 * MINUTE, OFF_SEASON, ALLOWED)
    assert (due.action, due.size, due.state) == (Action.LOWER, 8, State(8, NOW + 10 * MINUTE))


@pytest.mark.parametrize(
    "busy",
    [
        Observation(in_use=0.4),
        replace(IDLE, queued=1_000),
        replace(IDLE, connections=2_000 * 4),
        Observation(connections=10, queued=0),
    ],
)
def test_calm_begins_anew_once_it_was_not(busy: Observation) -> None:
    made = decide(NORMAL, calm_for(60), busy, NOW, OFF_SEASON, ALLOWED)
    assert (made.action, made.state.calm_since) == (None, None)


@pytest.mark.parametrize("size", [16, 50])
def test_calm_begins_anew_after_what_could_not_be_answered(size: float) -> None:
    """A cooldown, or the cap, kept it from being doubled: that was no calm either."""
    state = calm_for(9, size, changed_at=NOW - MINUTE)
    made = decide(NORMAL, state, Observation(in_use=0.9), NOW, OFF_SEASON, ALLOWED)
    assert (made.action, made.state.calm_since) == (None, None)


def test_halving_ends_at_what_the_plan_asks_for() -> None:
    planned = replace(ALLOWED, least=12)
    last = decide(NORMAL, calm_for(10), IDLE, NOW, OFF_SEASON, planned)
    assert last.size == 12
    assert last.reason.endswith("(off season): lowered to 12")
    there = decide(NORMAL, calm_for(10, 12), IDLE, NOW, OFF_SEASON, planned)
    assert (there.action, there.size) == (None, 12)


def test_what_stands_over_the_cap_is_not_halved_to_over_it() -> None:
    assert decide(NORMAL, calm_for(10, 200), IDLE, NOW, OFF_SEASON, ALLOWED).size == 50


@pytest.mark.parametrize(("size", "raised"), [(0, 4), (1, 4), (3, 6)])
def test_less_than_would_stand_at_rest_is_no_answer(size: float, raised: float) -> None:
    """Where nothing stands warm at rest, doubling nothing would help nobody."""
    made = decide(NORMAL, State(size), Observation(age_s=31), NOW, OFF_SEASON, replace(ALLOWED, least=0))
    assert made.size == raised


@pytest.mark.parametrize("mode", [IN_SEASON, OFF_SEASON])
def test_in_any_season_a_queue_below_a_thousand_lets_go_and_none_above_it_does(mode: Mode) -> None:
    state = calm_for(60)
    assert decide(NORMAL, state, replace(IDLE, queued=999), NOW, mode, ALLOWED).action is Action.LOWER
    assert decide(NORMAL, state, replace(IDLE, queued=1_000), NOW, mode, ALLOWED).action is None


@pytest.mark.parametrize("lane", Lane)
def test_half_of_its_dwell_objective_is_too_old_for_a_lane(lane: Lane) -> None:
    knob, half = Knob(Kind.PROVISIONED, lane), LANES[lane].dwell_s / 2
    for mode in (IN_SEASON, OFF_SEASON):
        assert decide(knob, State(8), Observation(age_s=half + 0.1), NOW, mode, ALLOWED).action is Action.RAISE
        assert decide(knob, State(8), Observation(age_s=half), NOW, mode, ALLOWED).action is None


def test_what_the_plan_asks_for_waits_for_no_cooldown() -> None:
    made = decide(NORMAL, State(4, NOW), IDLE, NOW, IN_SEASON, replace(ALLOWED, least=20))
    assert (made.action, made.size, made.reason) == (Action.RAISE, 20, "the plan asks for 20")


def test_criticals_reserve_is_never_lowered() -> None:
    allowed = Bounds(rest=8, least=8, most=50)
    assert decide(CRITICAL, calm_for(60, 50), IDLE, NOW, OFF_SEASON, allowed).action is None
    assert decide(replace(CRITICAL, lane=Lane.LOW), calm_for(60, 50), IDLE, NOW, OFF_SEASON, allowed).size == 25


def test_a_lane_that_somebody_stopped_stays_so() -> None:
    flood = Observation(queued=50_000)
    assert decide(Knob(Kind.RESERVED, Lane.LOW), State(0), flood, NOW, IN_SEASON, ALLOWED).action is None


def test_the_database_scales_itself() -> None:
    assert decide(MOST_ACU, State(4), Observation(in_use=1), NOW, IN_SEASON, ALLOWED).action is None


@pytest.mark.parametrize(("month", "mode"), [(6, IN_SEASON), (5, IN_SEASON), (7, OFF_SEASON), (1, OFF_SEASON)])
def test_the_season_is_the_profiles(month: int, mode: Mode) -> None:
    assert mode_at(BROADCAST, datetime(2027, month, 15, tzinfo=UTC), NEW_YORK) is mode


def test_the_season_begins_by_local_clocks() -> None:
    edge = datetime(2027, 5, 31, 23, tzinfo=UTC)
    weaker = replace(BROADCAST, months={6: 3.0})
    assert mode_at(weaker, edge, NEW_YORK) is OFF_SEASON
    assert mode_at(weaker, edge, ZoneInfo("Europe/Rome")) is IN_SEASON


def test_no_lane_may_grow_into_another_ones_part_of_the_account() -> None:
    small = replace(PROD, limits=replace(PROD.limits, lane_max=1000), concurrency=500)
    knobs = [Knob(Kind.RESERVED, lane) for lane in Lane]
    assert sum(bounds(knob, small, 0).most for knob in knobs) <= 500 - 100
    assert bounds(TASKS, PROD, 12) == Bounds(3, 12, 50)
    assert bounds(TASKS, PROD, 60).least == 50


seen = st.builds(
    Observation,
    connections=st.floats(0, 1e5),
    queued=st.floats(0, 1e5),
    age_s=st.floats(0, 400),
    latency_ms=st.floats(0, 5000),
    errors=st.floats(0, 1),
    in_use=st.floats(0, 1),
)


@given(st.lists(st.tuples(seen, st.integers(10, 900)), max_size=60), st.sampled_from([IN_SEASON, OFF_SEASON]))
@unhurried
def test_whatever_is_seen_sizes_keep_to_their_bounds_and_do_not_flap(
    story: list[tuple[Observation, int]], mode: Mode
) -> None:
    state, now, changes = State(4), NOW, []
    for observed, seconds in story:
        now += timedelta(seconds=seconds)
        made = decide(NORMAL, state, observed, now, mode, ALLOWED)
        assert ALLOWED.least <= made.size <= ALLOWED.most
        assert (made.size != state.size) == (made.action is not None)
        assert made.reason
        state = made.state
        if made.action:
            changes.append((now, made.action))
    for (before, _), (after, action) in itertools.pairwise(changes):
        assert after - before >= (mode.out_after if action is Action.RAISE else mode.in_after)


@given(seen, st.floats(0.81, 1))
@unhurried
def test_nothing_lowers_what_is_in_use(observed: Observation, in_use: float) -> None:
    made = decide(NORMAL, calm_for(60), replace(observed, in_use=in_use), NOW, IN_SEASON, ALLOWED)
    assert made.action is Action.RAISE
