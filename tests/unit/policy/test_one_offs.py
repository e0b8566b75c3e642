"""Calls at exact times: one for every moment at which the plan changes, few enough, told apart by what they carry."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given

from carillon.policy import one_offs
from carillon.policy.one_offs import OneOff, fingerprint
from carillon.policy.sizing import MOST_ACU
from carillon.policy.timeline import HORIZON, plan
from tests.unit.policy import calendars
from tests.unit.policy.calendars import BROADCAST, NEW_YORK, PROD, SATURDAY, unhurried, wedding

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.policy.demand import Wedding

AT = SATURDAY + timedelta(hours=12)
ONE = OneOff(AT, {"tasks": 3, "database.least_acu": 2.5}, "W1 begins at 14:00 Europe/Rome")


def calls(weddings: list[Wedding], now: datetime = SATURDAY) -> dict[datetime, OneOff]:
    made = plan(weddings, BROADCAST, NEW_YORK, PROD, now)
    return one_offs.of_plan(made, now, now + HORIZON)


@given(calendars.weddings)
@unhurried
def test_every_change_of_the_plan_has_its_call_which_carries_the_sizes_from_then_on(weddings: list[Wedding]) -> None:
    made = plan(weddings, BROADCAST, NEW_YORK, PROD, SATURDAY)
    called = calls(weddings)
    assert set(called) == {change.at for change in made.changes if change.knob != MOST_ACU}
    assert len(called) < 200
    for at, one in called.items():
        assert one.at == at
        assert one.sizes == {knob.group: size for knob, size in made.at(at).items()}
        assert one.reason in {change.reason for change in made.changes if change.at == at}


@given(calendars.weddings)
@unhurried
def test_an_hour_later_the_calls_that_are_yet_to_come_are_the_same(weddings: list[Wedding]) -> None:
    """Or every round would make them anew."""
    later = SATURDAY + timedelta(hours=1)
    before, after = calls(weddings), calls(weddings, later)
    common = {at for at in {*before, *after} if later < at < SATURDAY + HORIZON}
    assert {at: before[at] for at in common} == {at: after[at] for at in common}


def test_many_weddings_at_once_are_one_call() -> None:
    begins = calendars.at("2027-01-13T14:00")
    some = [wedding(f"W{number}", begins, team=400) for number in range(3)]
    called = calls(some, begins - timedelta(hours=10))
    assert called[begins - timedelta(hours=2, minutes=15)].reason == "W0 and 2 more begin at 14:00 Europe/Rome"


def test_calls_that_carry_the_same_have_the_same_fingerprint_whatever_the_order_and_kind_of_their_numbers() -> None:
    turned = replace(ONE, sizes={"database.least_acu": 2.5, "tasks": 3.0}, at=AT + HORIZON)
    assert fingerprint(turned) == fingerprint(ONE)
    assert len(fingerprint(ONE)) == 16
    others = [replace(ONE, reason="W2"), replace(ONE, sizes={"tasks": 4, "database.least_acu": 2.5})]
    assert len({fingerprint(one) for one in (ONE, *others)}) == 3
