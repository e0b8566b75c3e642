"""The look ahead: to the end of the month, with what it has spent; and what one wedding has to do with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from carillon.config import CapacitySettings
from carillon.errors import NotFoundError, OutageError
from carillon.flow.upcoming import explained, upcoming
from carillon.policy.demand import Wedding
from carillon.policy.sizing import LEAST_ACU
from carillon.ports.scaling import ScalingEvent
from carillon.testing.scaling import MemoryCalendar, MemoryScalingLog

SETTINGS = CapacitySettings(time_zone="Europe/Rome", min_acu=2, max_acu=64, budget_usd=500)
NOW = datetime(2027, 1, 13, 9, 7, tzinfo=UTC)
BEGINS = NOW.replace(hour=15, minute=0)
WEDDING = Wedding("W1", BEGINS, "Europe/Lisbon", 300, 4000)
RAISED = ScalingEvent(
    decided_at=NOW - timedelta(hours=10),
    scaling_group="database.least_acu",
    action="raise",
    previous_size=2,
    new_size=12,
    new_maximum=None,
    trigger_metric="plan",
    trigger_value=9000,
    threshold=None,
    reason="W0 begins",
    failure="",
)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (NOW, datetime(2027, 2, 1, tzinfo=UTC)),
        (datetime(2027, 1, 30, 23, 59, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)),
        (datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2028, 2, 1, tzinfo=UTC)),
    ],
)
def test_a_plan_reaches_to_the_end_of_the_month_that_the_next_48_hours_end_in(now: datetime, end: datetime) -> None:
    """A budget is spread over a whole month."""
    ahead = upcoming(MemoryCalendar([WEDDING]), MemoryScalingLog(), SETTINGS, now)
    assert ahead.plan.start <= now < ahead.plan.start + timedelta(minutes=15)
    assert ahead.plan.end == end


def test_what_the_log_says_was_set_is_spent_and_not_left_for_the_plan() -> None:
    ahead = upcoming(MemoryCalendar([WEDDING]), MemoryScalingLog([RAISED]), SETTINGS, NOW)
    assert 20 < ahead.spent < 40
    poor = replace(SETTINGS, budget_usd=round(ahead.spent))
    cut = upcoming(MemoryCalendar([WEDDING]), MemoryScalingLog([RAISED]), poor, NOW).plan
    assert "is left for the plan" in cut.cuts[0].reason
    assert cut.at(BEGINS)[LEAST_ACU] < ahead.plan.at(BEGINS)[LEAST_ACU]


def test_a_wedding_is_explained_among_those_around_it() -> None:
    others = [replace(WEDDING, wedding_id=f"V{number}") for number in range(3)]
    told = explained(MemoryCalendar([WEDDING, *others]), SETTINGS, "W1")
    assert told.wedding == WEDDING
    assert told.adds[LEAST_ACU] > 0
    assert "W1 begins on Wednesday, 2027-01-13 at 15:00 Europe/Lisbon" in told.lines()[0]
    canceled = replace(WEDDING, canceled=True)
    assert explained(MemoryCalendar([canceled]), SETTINGS, "W1").adds == {}


def test_a_wedding_that_is_not_there_or_cannot_be_asked_for_is_no_empty_answer() -> None:
    with pytest.raises(NotFoundError, match="'W2'"):
        explained(MemoryCalendar([WEDDING]), SETTINGS, "W2")
    with pytest.raises(OutageError):
        explained(MemoryCalendar([WEDDING], away=True), SETTINGS, "W1")
    with pytest.raises(OutageError):
        upcoming(MemoryCalendar([WEDDING]), MemoryScalingLog(away=True), SETTINGS, NOW)
