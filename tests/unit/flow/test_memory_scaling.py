"""The double of AWS refuses what AWS would: a flow that passes with it asks for nothing impossible."""

from __future__ import annotations

import pytest

from carillon.errors import ScalingError
from carillon.model import Lane
from carillon.policy.capacity import TASKS, Action, Kind, Knob, Present, Step
from carillon.testing.scaling import MemoryScaling

WARM, RESERVE, LEAST_ACU = Knob(Kind.PROVISIONED, Lane.LOW), Knob(Kind.RESERVED, Lane.LOW), Knob(Kind.LEAST_ACU)


@pytest.fixture
def scaling() -> MemoryScaling:
    return MemoryScaling(
        {WARM: Present(4, 4, 50), RESERVE: Present(20, 20), TASKS: Present(3, 5, 50), LEAST_ACU: Present(0.5, 0.5, 64)}
    )


def step(knob: Knob, new: float) -> Step:
    return Step(knob, Action.RAISE, None, new, "test")


def test_an_order_leaves_the_least_as_it_is(scaling: MemoryScaling) -> None:
    scaling.order(WARM, 20)
    scaling.order(WARM, 4)
    assert scaling.ordered == [(WARM, 20), (WARM, 4)]
    assert scaling.read(WARM) == Present(4, 4, 50)


@pytest.mark.parametrize(("size", "why"), [(3, "less than 4"), (21, "more than 20"), (51, "more than 50")])
def test_an_order_below_the_least_above_the_most_or_the_reserve_is_refused(
    scaling: MemoryScaling, size: int, why: str
) -> None:
    with pytest.raises(ScalingError, match=why):
        scaling.order(WARM, size)
    assert scaling.read(WARM) == Present(4, 4, 50)


def test_only_what_stands_warm_can_be_ordered(scaling: MemoryScaling) -> None:
    with pytest.raises(ScalingError, match="stands warm"):
        scaling.order(TASKS, 9)


def test_what_was_not_deployed_is_neither_known_nor_read_nor_set(scaling: MemoryScaling) -> None:
    readers = Knob(Kind.READERS)
    assert [scaling.knows(knob) for knob in (WARM, readers)] == [True, False]
    with pytest.raises(ScalingError, match="not deployed"):
        scaling.read(readers)
    with pytest.raises(ScalingError, match="not deployed"):
        scaling.write(step(readers, 2))


def test_a_least_above_the_most_is_refused(scaling: MemoryScaling) -> None:
    with pytest.raises(ScalingError, match=r"64\.5 is above the maximum 64"):
        scaling.write(step(LEAST_ACU, 64.5))


def test_target_tracking_keeps_what_it_ordered_above_a_new_least_and_a_database_has_none(
    scaling: MemoryScaling,
) -> None:
    for knob in (TASKS, LEAST_ACU):
        scaling.write(step(knob, 4))
    assert scaling.read(TASKS) == Present(4, 5, 50)
    assert scaling.read(LEAST_ACU) == Present(4, 4, 64)
