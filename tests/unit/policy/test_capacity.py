"""Sizes and changes: within the caps, never below rest, monotone, settled after one round, each with its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carillon.model import Lane
from carillon.policy import season
from carillon.policy.capacity import TASKS, Action, Kind, Knob, Limits, Present, Step, Target, steps, targets
from carillon.policy.lanes import LANES
from carillon.policy.profiles import PROFILES

JUNE = next(peak for peak in season.peaks(PROFILES["broadcast"]) if peak.month == 6)
PROD = Limits(min_tasks=3, max_tasks=50, lane_max=50, reserved=dict.fromkeys(Lane, 50), warm=True, warm_peaks=True)
COLD = replace(PROD, warm=False)
LEAN = replace(PROD, reserved={lane: policy.concurrency for lane, policy in LANES.items()})
unhurried = settings(deadline=None)  # a busy machine is no failure
WARM_LOW, RESERVED_LOW = Knob(Kind.PROVISIONED, Lane.LOW), Knob(Kind.RESERVED, Lane.LOW)

limits = st.builds(
    Limits,
    min_tasks=st.integers(1, 10),
    max_tasks=st.integers(10, 50),
    lane_max=st.integers(8, 60),
    reserved=st.dictionaries(st.sampled_from(list(Lane)), st.integers(2, 60)),
    warm=st.booleans(),
    warm_peaks=st.booleans(),
)
multipliers = st.floats(1, 30)


def sizes(made: tuple[Target, ...]) -> dict[str, int]:
    return {target.knob.group: target.size for target in made}


def at_rest(limit: Limits) -> dict[Knob, Present]:
    return {one.knob: Present(one.size, one.size, one.most) for one in targets(None, limit, quiet=False)}


def after(present: dict[Knob, Present], made: tuple[Step, ...]) -> dict[Knob, Present]:
    """What AWS has once it has done all that."""
    changed = dict(present)
    for step in made:
        was = changed[step.knob]
        most = was.most if step.most is None else step.most
        in_force = max(step.new, was.in_force if most is None else min(was.in_force, most))
        if step.knob.kind is Kind.RESERVED:
            in_force = step.new
        changed[step.knob] = Present(step.new, in_force, most)
    return changed


def test_a_june_evening_is_ten_times_rest_up_to_the_caps() -> None:
    assert sizes(targets(JUNE, LEAN, quiet=False)) == {
        "tasks": 30,
        "reserved.critical": 50,
        "reserved.high": 50,
        "reserved.normal": 40,
        "reserved.low": 20,
        "provisioned.critical": 50,
        "provisioned.high": 50,
        "provisioned.normal": 40,
        "provisioned.low": 20,
    }


def test_rest_is_what_the_lanes_are_promised() -> None:
    assert sizes(targets(None, LEAN, quiet=False)) == {
        "tasks": 3,
        "reserved.critical": 8,
        "reserved.high": 6,
        "reserved.normal": 4,
        "reserved.low": 2,
        "provisioned.critical": 8,
        "provisioned.high": 6,
        "provisioned.normal": 4,
        "provisioned.low": 2,
    }


def test_every_target_says_why() -> None:
    reasons = {target.knob.group: target.reason for target in targets(JUNE, LEAN, quiet=False)}
    assert reasons["tasks"] == "peak of June, 10x: 3 at rest x 10 = 30"
    assert reasons["reserved.critical"] == "peak of June, 10x: 8 at rest x 10 = 80, capped at 50"
    assert {target.reason for target in targets(None, COLD, quiet=False) if target.size == 0} == {
        "no peak: consumers stand warm for peaks only"
    }


def test_a_stage_without_warm_consumers_has_nothing_to_say_about_them() -> None:
    dev = replace(PROD, warm=False, warm_peaks=False)
    assert not any(target.knob.kind is Kind.PROVISIONED for target in targets(JUNE, dev, quiet=False))


def test_a_lane_without_a_reserve_gets_none() -> None:
    small_account = replace(PROD, reserved={})
    assert not any(target.knob.kind is Kind.RESERVED for target in targets(JUNE, small_account, quiet=False))


@unhurried
@given(limit=limits, multiplier=multipliers)
def test_never_above_a_cap_nor_below_rest(limit: Limits, multiplier: float) -> None:
    for target in targets(replace(JUNE, multiplier=multiplier), limit, quiet=False):
        most = limit.max_tasks if target.knob == TASKS else limit.lane_max
        least = limit.min_tasks if target.knob.lane is None else LANES[target.knob.lane].concurrency
        assert least <= target.size <= most


@unhurried
@given(limit=limits, pair=st.tuples(multipliers, multipliers).map(sorted))
def test_more_load_never_gets_less_capacity(limit: Limits, pair: list[float]) -> None:
    less, more = (sizes(targets(replace(JUNE, multiplier=one), limit, quiet=False)) for one in pair)
    assert all(less[group] <= more[group] for group in less)


@unhurried
@given(limit=limits, multiplier=multipliers)
def test_one_round_settles_it(limit: Limits, multiplier: float) -> None:
    """Without its own doing the next round finds nothing to change: no flapping."""
    wanted = targets(replace(JUNE, multiplier=multiplier), limit, quiet=False)
    rest = {target.knob: Present(1, 1, 60) for target in wanted}
    raised = after(rest, steps(wanted, rest))
    assert steps(wanted, raised) == ()


presents = st.builds(Present, st.none() | st.integers(0, 80), st.integers(0, 80), st.none() | st.integers(0, 80))


@unhurried
@given(limit=limits, peak=st.sampled_from([None, JUNE]), quiet=st.booleans(), data=st.data())
def test_whatever_was_there_steps_stay_within_the_caps(
    limit: Limits,
    peak: season.Peak | None,
    quiet: bool,  # noqa: FBT001 - hypothesis fills it in by its name
    data: st.DataObject,
) -> None:
    wanted = targets(peak, limit, quiet=quiet)
    present = {target.knob: data.draw(presents) for target in wanted}
    made = steps(wanted, present)
    for step in made:
        was = present[step.knob]
        most = limit.max_tasks if step.knob == TASKS else limit.lane_max
        assert step.new <= most or (step.knob.kind is Kind.RESERVED and step.new <= (was.size or 0))
        assert step.most is None or step.new <= step.most <= limit.lane_max
        assert step.reason
        if step.knob == Knob(Kind.RESERVED, Lane.CRITICAL) and was.size is not None:
            assert step.new > was.size
        if step.action is not Action.RESTORE:
            assert step.new != step.previous or step.most == step.new
    orders = [step.knob.kind is not Kind.RESERVED for step in made if step.action is not Action.LOWER]
    assert orders == sorted(orders)


def test_the_critical_reserve_is_never_lowered() -> None:
    present = {**at_rest(LEAN), **{Knob(Kind.RESERVED, lane): Present(50, 50) for lane in Lane}}
    lowered = [step.knob.group for step in steps(targets(None, LEAN, quiet=False), present)]
    assert lowered == ["reserved.high", "reserved.normal", "reserved.low"]


def test_a_reserve_stays_as_large_as_what_stands_warm_in_it() -> None:
    present = at_rest(LEAN) | {RESERVED_LOW: Present(20, 20), WARM_LOW: Present(2, 15, 50)}
    (step,) = steps(targets(None, LEAN, quiet=False), present)
    assert (step.knob, step.new) == (RESERVED_LOW, 15)
    assert "15 still stand warm" in step.reason


def test_reserves_go_up_first_and_down_last() -> None:
    up = steps(targets(JUNE, LEAN, quiet=False), at_rest(LEAN))
    kinds = [step.knob.kind for step in up]
    assert kinds == [Kind.RESERVED] * 4 + [Kind.TASKS] + [Kind.PROVISIONED] * 4
    high = {one.knob: Present(one.size, 0, one.most) for one in targets(JUNE, LEAN, quiet=False)}
    down = [step.knob.kind for step in steps(targets(None, LEAN, quiet=False), high)]
    assert down == [Kind.TASKS] + [Kind.PROVISIONED] * 4 + [Kind.RESERVED] * 3


def test_warm_environments_that_stand_idle_at_night_are_taken_back_and_target_tracking_is_let_go_again() -> None:
    rest = at_rest(COLD)
    idle = rest | {WARM_LOW: Present(0, 20, 50)}
    assert steps(targets(None, COLD, quiet=False), idle) == ()
    (taken,) = steps(targets(None, COLD, quiet=True), idle)
    assert (taken.action, taken.new, taken.most) == (Action.LOWER, 0, 0)
    pressed = idle | {WARM_LOW: Present(0, 20, 0)}
    assert steps(targets(None, COLD, quiet=True), pressed) == (), "AWS takes a while: nothing to say twice"
    (freed,) = steps(targets(None, COLD, quiet=True), idle | {WARM_LOW: Present(0, 0, 0)})
    assert (freed.action, freed.new, freed.most) == (Action.RESTORE, 0, 50)


def test_the_next_peak_frees_what_the_night_pressed_down() -> None:
    pressed = at_rest(COLD) | {WARM_LOW: Present(0, 20, 0)}
    step = next(one for one in steps(targets(JUNE, COLD, quiet=False), pressed) if one.knob == WARM_LOW)
    assert (step.action, step.previous, step.new, step.most) == (Action.RAISE, 0, 20, 50)


@pytest.mark.parametrize("knob", [TASKS, WARM_LOW])
def test_a_minimum_that_is_not_in_force_is_set_again(knob: Knob) -> None:
    """A deployment, or a hand, took tasks or environments away below the minimum."""
    rest = at_rest(PROD)
    (step,) = steps(targets(None, PROD, quiet=False), rest | {knob: replace(rest[knob], in_force=1)})
    assert (step.knob, step.action, step.new) == (knob, Action.RESTORE, rest[knob].size)
    assert "only 1 are there" in step.reason


def test_a_maximum_lowered_in_an_emergency_is_respected() -> None:
    present = at_rest(PROD) | {TASKS: Present(3, 3, 5)}
    step = next(one for one in steps(targets(JUNE, PROD, quiet=False), present) if one.knob == TASKS)
    assert (step.new, step.most) == (5, None)
    assert "its own maximum is 5" in step.reason


@pytest.mark.parametrize("peak", [None, JUNE])
def test_a_lane_that_somebody_stopped_stays_stopped(peak: season.Peak | None) -> None:
    present = at_rest(LEAN) | {RESERVED_LOW: Present(0, 0), WARM_LOW: Present(0, 0, 0)}
    lanes = {step.knob.lane for step in steps(targets(peak, LEAN, quiet=False), present)}
    assert Lane.LOW not in lanes
    assert (Lane.CRITICAL in lanes) == (peak is not None)


def test_what_could_not_be_seen_is_left_alone() -> None:
    present = at_rest(PROD)
    del present[TASKS]
    assert TASKS not in {step.knob for step in steps(targets(JUNE, PROD, quiet=False), present)}
