"""A round of the planner: it changes what differs and says why; no refusal and no lost calendar stops the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carillon.config import LaneSizes, LaneUrls, PlanSettings
from carillon.errors import ConfigError, ScalingError
from carillon.flow.plan import limits, plan
from carillon.model import Lane
from carillon.names import Metric
from carillon.policy.capacity import TASKS, Kind, Knob, Present, targets
from carillon.policy.lanes import LANES
from carillon.ports.scaling import PlanPorts
from carillon.testing import World
from carillon.testing.scaling import MemoryCalendar, MemoryScaling, MemoryScalingLog
from carillon.testing.sockets import CountingMetrics

if TYPE_CHECKING:
    from carillon.flow.plan import Outcome
    from carillon.policy.capacity import Step

SETTINGS = PlanSettings(
    time_zone="America/New_York",
    service="cluster/api",
    functions=LaneUrls.of({lane.word: f"{lane.word}:live" for lane in Lane}),
    reserved=LaneSizes.of({lane.word: str(policy.concurrency) for lane, policy in LANES.items()}),
    warm=True,
    warm_peaks=True,
)
REST = datetime(2027, 6, 5, 12, tzinfo=UTC)
PEAK = datetime(2027, 6, 5, 21, 30, tzinfo=UTC)
"""17:30 in New York on a Saturday in June."""
NIGHT = datetime(2027, 6, 6, 6, tzinfo=UTC)
CRITICAL, LOW = Knob(Kind.RESERVED, Lane.CRITICAL), Knob(Kind.RESERVED, Lane.LOW)


class Stage:
    """A deployment at rest, and a planner for it."""

    def __init__(self) -> None:
        self.world = World()
        rest = targets(None, limits(SETTINGS), quiet=False)
        most = {one.knob: one.most or (50 if one.knob == TASKS else None) for one in rest}
        self.scaling = MemoryScaling({one.knob: Present(one.size, one.size, most[one.knob]) for one in rest})
        self.calendar = MemoryCalendar([REST, REST + timedelta(hours=5), REST + timedelta(days=1)])
        self.log = MemoryScalingLog()
        self.ports = PlanPorts(
            scaling=self.scaling, calendar=self.calendar, log=self.log, metrics=CountingMetrics(self.world)
        )

    def plan(self, now: datetime, *, dry_run: bool = False) -> Outcome:
        return plan(self.ports, SETTINGS, now, dry_run=dry_run)

    def sizes(self) -> dict[str, int | None]:
        return {knob.group: present.size for knob, present in self.scaling.knobs.items()}


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_peak_raises_everything_and_its_end_lowers_it_all_but_the_critical_reserve(stage: Stage) -> None:
    before = stage.sizes()
    raised = stage.plan(PEAK)
    assert raised.peak == "June"
    assert stage.sizes()["tasks"] == 30
    assert stage.sizes()["provisioned.critical"] == 50
    assert {done.step.action for done in raised.done} == {"raise"}
    for after in (PEAK + timedelta(hours=2, minutes=45), NIGHT, NIGHT + timedelta(minutes=15)):
        stage.plan(after).check()
    assert stage.sizes() == before | {"reserved.critical": 50}


def test_the_second_round_changes_nothing(stage: Stage) -> None:
    assert stage.plan(PEAK).done
    assert stage.plan(PEAK + timedelta(minutes=15)).done == ()


def test_what_was_changed_by_hand_is_set_right(stage: Stage) -> None:
    stage.scaling.knobs[LOW] = Present(1, 1)
    (done,) = stage.plan(REST).done
    assert done.to_json() == {
        "group": "reserved.low",
        "action": "raise",
        "previous": 1,
        "new": 2,
        "most": None,
        "reason": "no peak: 2 at rest",
        "failure": "",
    }


def test_two_rounds_at_once_end_where_one_does(stage: Stage) -> None:
    """The second has read before the first wrote, and writes after it."""
    alone = Stage()
    alone.plan(PEAK)
    seen = dict(stage.scaling.knobs)
    stage.plan(PEAK)
    late = MemoryScaling(dict(stage.scaling.knobs))
    late.read = lambda knob: seen[knob]  # type: ignore[method-assign]
    plan(replace(stage.ports, scaling=late), SETTINGS, PEAK).check()
    assert {knob.group: present.size for knob, present in late.knobs.items()} == alone.sizes()


def test_a_dry_run_says_the_same_and_does_nothing(stage: Stage) -> None:
    before = stage.sizes()
    told = stage.plan(PEAK, dry_run=True)
    assert (stage.sizes(), stage.scaling.written, stage.world.counted, stage.log.events) == (before, [], {}, [])
    assert told.to_json()["actions"] == stage.plan(PEAK).to_json()["actions"]


def test_one_refusal_stops_nobody_else_and_fails_the_round(stage: Stage) -> None:
    stage.scaling.refusing["tasks"] = "ThrottlingException"
    outcome = stage.plan(PEAK)
    assert stage.sizes()["tasks"] == 3
    assert stage.sizes()["provisioned.low"] == 20
    with pytest.raises(ScalingError, match="1 changes of capacity failed: tasks: ThrottlingException"):
        outcome.check()
    assert Metric.WEDDINGS_TODAY not in stage.world.counted, "a round that failed does not count as one that went well"
    stage.scaling.refusing.clear()
    stage.plan(PEAK).check()
    assert stage.sizes()["tasks"] == 30


def test_every_decision_is_recorded_with_what_led_to_it_the_refused_ones_too(stage: Stage) -> None:
    stage.scaling.refusing["tasks"] = "ThrottlingException"
    assert stage.plan(PEAK).recorded
    events = {event.scaling_group: event for event in stage.log.events}
    assert len(events) == len(stage.log.events) == 9
    refused = events["tasks"]
    assert (refused.action, refused.previous_size, refused.new_size, refused.failure) == (
        "raise",
        3,
        30,
        "ThrottlingException",
    )
    assert (refused.trigger_metric, refused.trigger_value, refused.decided_at) == ("season", 10, PEAK)
    assert events["provisioned.low"].failure == ""
    assert events["provisioned.low"].reason == "peak of June, 10x: 2 at rest x 10 = 20"


def test_what_cannot_be_read_is_left_alone_and_fails_the_round(stage: Stage) -> None:
    stage.scaling.unreadable["provisioned.high"] = "AccessDenied"
    outcome = stage.plan(PEAK)
    assert stage.sizes()["provisioned.high"] == 6
    assert stage.sizes()["tasks"] == 30
    with pytest.raises(ScalingError, match=r"provisioned\.high: AccessDenied"):
        outcome.check()


def test_where_a_reserve_cannot_be_raised_no_more_stands_warm_than_fits_into_it(stage: Stage) -> None:
    stage.scaling.knobs[CRITICAL] = Present(20, 20)
    stage.scaling.refusing["reserved.critical"] = "below its minimum of [100]"
    outcome = stage.plan(PEAK)
    assert stage.sizes()["provisioned.critical"] == 20
    warm: Step = next(done.step for done in outcome.done if done.step.knob.group == "provisioned.critical")
    assert "the reserve holds 20" in warm.reason


def test_the_days_weddings_are_told_in_the_stages_time_zone(stage: Stage) -> None:
    outcome = stage.plan(REST)
    assert outcome.weddings == 2
    assert stage.world.counted[Metric.WEDDINGS_TODAY] == 2


def test_a_day_without_weddings_is_told_as_well(stage: Stage) -> None:
    stage.calendar.starts.clear()
    stage.plan(REST)
    assert stage.world.counted[Metric.WEDDINGS_TODAY] == 0


def test_without_the_calendar_the_seasons_schedule_holds(stage: Stage) -> None:
    stage.calendar.away = stage.log.away = True
    outcome = stage.plan(PEAK)
    outcome.check()
    assert stage.sizes()["tasks"] == 30
    assert (outcome.to_json()["calendar"], outcome.to_json()["recorded"]) == ("away", False)
    assert Metric.WEDDINGS_TODAY not in stage.world.counted, "its absence is what the alarm hears"


def test_settings_that_name_nothing_are_refused(stage: Stage) -> None:
    with pytest.raises(ConfigError, match="winter"):
        plan(stage.ports, PlanSettings(time_zone="UTC", service="a/b", functions=LaneUrls(), season="winter"), REST)
