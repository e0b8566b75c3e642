"""A round of the planner: what the calendar and the season ask for is there, and says why; nothing stops the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carillon.config import CapacitySettings, LaneSizes
from carillon.errors import ConfigError, ScalingError
from carillon.flow.plan import plan
from carillon.flow.upcoming import upcoming
from carillon.model import Lane
from carillon.names import Metric
from carillon.policy.budget import usd_per_hour
from carillon.policy.capacity import TASKS, Kind, Knob, Present
from carillon.policy.demand import Wedding
from carillon.policy.deployed import deployment
from carillon.policy.lanes import LANES
from carillon.policy.one_offs import fingerprint
from carillon.policy.prices import ACU_H, WARM_H
from carillon.policy.sizing import LEAST_ACU, MOST_ACU, READERS
from carillon.ports.scaling import PlanPorts, ScalingEvent
from carillon.testing import World
from carillon.testing.scaling import MemoryCalendar, MemoryOneOffs, MemoryScaling, MemoryScalingLog, MemoryWarming
from carillon.testing.sockets import CountingMetrics

if TYPE_CHECKING:
    from carillon.flow.plan import Outcome
    from carillon.policy.capacity import Step

SETTINGS = CapacitySettings(
    time_zone="America/New_York",
    reserved=LaneSizes.of({lane.word: str(policy.concurrency) for lane, policy in LANES.items()}),
    warm=True,
    warm_peaks=True,
    min_acu=2,
    max_acu=64,
    readers=1,
    max_readers=5,
    budget_usd=10_000,
)
REST = datetime(2027, 6, 5, 12, tzinfo=UTC)
PEAK = datetime(2027, 6, 5, 21, 30, tzinfo=UTC)
"""17:30 in New York on a Saturday in June."""
NIGHT = datetime(2027, 6, 6, 6, tzinfo=UTC)
WINTER = datetime(2027, 1, 13, 14, tzinfo=UTC)
"""A Wednesday without season: everything is at rest but for what the calendar asks."""
MINUTE, QUARTER, HOUR = timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1)
CRITICAL, LOW = Knob(Kind.RESERVED, Lane.CRITICAL), Knob(Kind.RESERVED, Lane.LOW)


def wedding(name: str, begins: datetime, *, team: int = 300, guests: int = 4000) -> Wedding:
    """3,400 connections, unless told otherwise."""
    return Wedding(name, begins, "America/New_York", team, guests)


def reaction(group: str, at: datetime) -> ScalingEvent:
    """A lane's consumers, doubled because of its queue."""
    return ScalingEvent(
        decided_at=at,
        scaling_group=group,
        action="scale_up",
        previous_size=8,
        new_size=16,
        new_maximum=None,
        trigger_metric="queued",
        trigger_value=20_000,
        threshold=10_000,
        reason="20,000 messages are queued, more than 10,000",
        failure="",
    )


class Stage:
    """A deployment at rest, and a planner for it."""

    def __init__(self) -> None:
        self.world = World()
        made = deployment(SETTINGS)
        most = {TASKS: 50, LEAST_ACU: 64, READERS: 5} | {Knob(Kind.PROVISIONED, lane): 50 for lane in Lane}
        knobs = [knob for knob in made.knobs() if knob != MOST_ACU]
        self.scaling = MemoryScaling(
            {knob: Present(made.rest(knob), made.rest(knob), most.get(knob)) for knob in knobs}
        )
        self.calendar = MemoryCalendar()
        self.one_offs, self.warming, self.log = MemoryOneOffs(), MemoryWarming(), MemoryScalingLog()
        self.ports = PlanPorts(
            scaling=self.scaling,
            calendar=self.calendar,
            one_offs=self.one_offs,
            warming=self.warming,
            log=self.log,
            metrics=CountingMetrics(self.world),
        )

    def plan(self, now: datetime, *, dry_run: bool = False, planned: dict[str, float] | None = None) -> Outcome:
        return plan(self.ports, SETTINGS, now, planned=planned, dry_run=dry_run)

    def sizes(self) -> dict[str, float | None]:
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
    assert stage.plan(PEAK).done == ()
    assert stage.plan(PEAK + timedelta(minutes=14)).done == ()


def test_what_was_changed_by_hand_is_set_right(stage: Stage) -> None:
    stage.scaling.knobs[LOW] = Present(1, 1)
    (done,) = stage.plan(WINTER).done
    assert done.to_json() == {
        "group": "reserved.low",
        "action": "raise",
        "previous": 1,
        "new": 2,
        "most": None,
        "reason": "at rest",
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
    assert len(events) == len(stage.log.events) == 9, "tasks, and of each lane what is reserved and what stands warm"
    refused = events["tasks"]
    assert (refused.action, refused.previous_size, refused.new_size, refused.failure) == (
        "raise",
        3,
        30,
        "ThrottlingException",
    )
    assert (refused.trigger_metric, refused.trigger_value, refused.decided_at) == ("plan", 2500, PEAK)
    assert events["provisioned.low"].failure == ""
    assert events["provisioned.low"].reason == "the season's peak of June, 10x, begins at 18:00 America/New_York"


def test_a_raise_and_a_lowering_say_whose_they_are_and_what_is_yet_to_come(stage: Stage) -> None:
    """A raise comes a quarter of an hour ahead: the few who are there by then are not its reason."""
    begins = WINTER + 6 * HOUR
    stage.calendar.held.append(wedding("W1", begins))
    stage.plan(begins - 2 * HOUR - QUARTER)
    assert {event.reason for event in stage.log.events} == {"W1 begins at 15:00 America/New_York"}
    assert {event.trigger_value for event in stage.log.events} == {3400 + 18.75}
    stage.plan(begins + 6 * HOUR + QUARTER)
    assert stage.log.events[-1].reason == "nobody of W1 is left at 21:00 America/New_York"


def test_a_size_that_the_budget_keeps_at_rest_says_so(stage: Stage) -> None:
    stage.calendar.held += [wedding(f"W{number}", WINTER) for number in range(10)]
    ahead = upcoming(stage.calendar, stage.log, replace(SETTINGS, budget_usd=1), WINTER).plan
    assert ahead.reason(LEAST_ACU, WINTER).endswith("planned, cut to 2 by the budget")


def test_what_was_warmed_in_reaction_to_load_is_not_taken_back_at_night_within_the_hour(stage: Stage) -> None:
    """A spike at two in the morning: the quiet hours are for what stands idle."""
    warm, most = Knob(Kind.PROVISIONED, Lane.LOW), 50
    stage.scaling.knobs[warm] = Present(2, 16, most)
    night = WINTER.replace(hour=7)
    stage.log.events.append(reaction("provisioned.low", night - 5 * MINUTE))
    stage.log.now = night
    assert stage.plan(night).done == ()
    assert stage.scaling.knobs[warm] == Present(2, 16, most)
    stage.log.now = night + HOUR
    stage.plan(night + HOUR).check()
    assert stage.scaling.knobs[warm].in_force == 2, "an hour later it stands idle"


def test_nothing_is_taken_back_at_night_while_a_wedding_is_on(stage: Stage) -> None:
    """Small enough to fit into what stands at rest; target tracking has its reasons, and a dance goes on until two."""
    warm, most = Knob(Kind.PROVISIONED, Lane.LOW), 50
    night = WINTER.replace(hour=5)
    stage.calendar.held.append(wedding("W1", night - 5 * HOUR, team=5, guests=80))
    stage.plan(night).check()
    stage.scaling.knobs[warm] = Present(2, 16, most)
    stage.plan(night + QUARTER).check()
    assert stage.scaling.knobs[warm] == Present(2, 16, most)
    stage.plan(night + HOUR).check()
    assert stage.scaling.knobs[warm].in_force == 2, "the dance is over"


def test_a_calendar_that_nobody_understands_costs_no_peak_and_fails_the_round(stage: Stage) -> None:
    def broken(_start: datetime, _end: datetime) -> list[Wedding]:
        raise ValueError("year 12027 is out of range")

    stage.calendar.between = broken  # type: ignore[assignment,method-assign]
    outcome = stage.plan(PEAK)
    assert stage.sizes()["tasks"] == 30
    with pytest.raises(ScalingError, match="the calendar: ValueError: year 12027"):
        outcome.check()
    assert stage.world.counted[Metric.CALENDAR_AWAY] == 1


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
    """New York's Saturday is on until four in the morning UTC."""
    begins = [REST, REST + timedelta(hours=15), REST + timedelta(hours=16), REST - timedelta(hours=9)]
    stage.calendar.held += [wedding(f"W{number}", when) for number, when in enumerate(begins)]
    outcome = stage.plan(REST)
    assert outcome.weddings == 2
    assert stage.world.counted[Metric.WEDDINGS_TODAY] == 2


def test_a_day_without_weddings_is_told_as_well(stage: Stage) -> None:
    stage.plan(REST)
    assert stage.world.counted[Metric.WEDDINGS_TODAY] == 0


def test_a_wedding_has_its_capacity_before_its_window_and_no_more_after_it(stage: Stage) -> None:
    begins = WINTER + 6 * HOUR
    stage.calendar.held.append(wedding("W1", begins))
    rest = stage.sizes()
    opens, closes = begins - 2 * HOUR, begins + 6 * HOUR
    assert stage.plan(opens - 2 * QUARTER).done == ()
    raised = {done.step.knob: done.step for done in stage.plan(opens - QUARTER).done}
    assert raised[LEAST_ACU].new > 2
    assert {step.action for step in raised.values()} == {"raise"}
    for during in (opens, begins, begins + 2 * HOUR):
        stage.plan(during).check()
    standing = stage.sizes()
    assert stage.plan(closes).done == ()
    assert stage.sizes() == standing
    stage.plan(closes + QUARTER).check()
    assert stage.sizes() == rest | {"reserved.critical": standing["reserved.critical"]}


def test_the_databases_ceiling_is_nobodys_to_turn(stage: Stage) -> None:
    stage.calendar.held.append(wedding("W1", WINTER))
    stage.plan(WINTER)
    assert MOST_ACU not in {step.knob for step in stage.scaling.written}


def test_the_planner_has_itself_called_whenever_its_plan_changes(stage: Stage) -> None:
    begins = WINTER + 6 * HOUR
    stage.calendar.held += [wedding("W1", begins), wedding("W2", begins), wedding("W3", WINTER + 50 * HOUR)]
    outcome = stage.plan(WINTER)
    called = sorted(stage.one_offs.calls)
    assert called[0] == begins - 2 * HOUR - QUARTER
    assert begins + 6 * HOUR + QUARTER in called
    assert all(WINTER < at < WINTER + 48 * HOUR for at in called)
    assert outcome.called == {"put": len(called), "dropped": 0}
    first = stage.one_offs.calls[called[0]]
    assert first.reason == "W1 and 1 more begin at 15:00 America/New_York"
    assert first.sizes["database.least_acu"] > 2
    assert stage.plan(WINTER).called == {"put": 0, "dropped": 0}


def test_a_wedding_that_moves_takes_its_calls_along_and_a_canceled_one_loses_them(stage: Stage) -> None:
    stage.calendar.held[:] = [wedding("W1", WINTER + 6 * HOUR)]
    stage.plan(WINTER)
    before = set(stage.one_offs.calls)
    stage.calendar.held[:] = [wedding("W1", WINTER + 7 * HOUR)]
    assert stage.plan(WINTER).called == {"put": len(before), "dropped": len(before)}
    assert set(stage.one_offs.calls) == {at + HOUR for at in before}
    stage.calendar.held[:] = [replace(stage.calendar.held[0], canceled=True)]
    stage.plan(WINTER)
    assert stage.one_offs.calls == {}


def test_a_call_that_says_something_else_is_replaced_and_a_dry_run_calls_nobody(stage: Stage) -> None:
    stage.calendar.held[:] = [wedding("W1", WINTER + 6 * HOUR)]
    assert stage.plan(WINTER, dry_run=True).called["put"] > 0
    assert stage.one_offs.calls == {}
    stage.plan(WINTER)
    at, one = next(iter(stage.one_offs.calls.items()))
    stage.calendar.held[:] = [wedding("W1", WINTER + 6 * HOUR, team=900)]
    stage.plan(WINTER)
    assert fingerprint(stage.one_offs.calls[at]) != fingerprint(one)


def test_what_cannot_be_called_fails_the_round_after_everything_else_was_done(stage: Stage) -> None:
    stage.calendar.held[:] = [wedding("W1", WINTER + HOUR)]
    stage.one_offs.refusing = "ThrottlingException"
    outcome = stage.plan(WINTER)
    assert stage.sizes()["database.least_acu"] != 2
    with pytest.raises(ScalingError, match="exact times: ThrottlingException"):
        outcome.check()


def test_without_the_calendar_the_seasons_peaks_still_raise_and_somebody_is_told(stage: Stage) -> None:
    stage.calendar.away = stage.log.away = True
    outcome = stage.plan(PEAK)
    outcome.check()
    assert stage.sizes()["tasks"] == 30
    assert (outcome.to_json()["calendar"], outcome.to_json()["recorded"]) == ("away", False)
    assert Metric.WEDDINGS_TODAY not in stage.world.counted, "its absence is what the alarm hears"
    assert stage.world.counted[Metric.CALENDAR_AWAY] == 1


def test_without_the_calendar_nothing_that_stands_for_a_wedding_is_taken_away(stage: Stage) -> None:
    stage.calendar.held.append(wedding("W1", WINTER + HOUR))
    stage.plan(WINTER)
    standing = stage.sizes()
    stage.calendar.away = True
    for later in (WINTER + QUARTER, WINTER + 24 * HOUR, NIGHT):
        assert stage.plan(later).done == ()
    assert stage.sizes() == standing
    stage.calendar.away = False
    stage.plan(WINTER + 24 * HOUR)
    assert stage.sizes()["database.least_acu"] == 2


def test_without_the_calendar_a_call_still_raises_what_was_planned_when_it_was_made(stage: Stage) -> None:
    stage.calendar.held.append(wedding("W1", WINTER + 6 * HOUR))
    stage.plan(WINTER)
    at = min(stage.one_offs.calls)
    carried = stage.one_offs.calls[at].sizes
    stage.calendar.away = stage.log.away = True
    stage.plan(at, planned=dict(carried)).check()
    assert stage.sizes()["database.least_acu"] == carried["database.least_acu"] > 2
    assert stage.plan(at, planned={"unheard.of": 7, "tasks": 1}).done == ()


def test_a_wedding_is_warmed_an_hour_before_its_window_and_never_twice_a_round(stage: Stage) -> None:
    begins = WINTER + 6 * HOUR
    stage.calendar.held += [wedding("W1", begins), wedding("W2", begins + 24 * HOUR)]
    opens = begins - 2 * HOUR
    assert stage.plan(opens - 6 * QUARTER).warmed == 0
    assert stage.plan(opens - HOUR).warmed == 1
    assert stage.warming.warmed == ["W1"]
    assert stage.world.counted[Metric.WEDDINGS_WARMED] == 1
    assert stage.plan(opens).warmed == 0


def test_what_cannot_be_warmed_is_told_and_stops_nothing(stage: Stage) -> None:
    stage.calendar.held.append(wedding("W1", WINTER + 3 * HOUR))
    stage.warming.away = True
    outcome = stage.plan(WINTER)
    assert outcome.weddings == 1
    with pytest.raises(ScalingError, match="warming 1 weddings"):
        outcome.check()


def test_a_day_that_exceeds_a_quota_is_warned_of_with_the_day_to_ask_by(stage: Stage) -> None:
    begins = WINTER + timedelta(days=40)
    stage.calendar.held += [wedding(f"W{number}", begins) for number in range(60)]
    warnings = stage.plan(WINTER).warnings
    assert any("needs" in one and "ask AWS by 2027-02-08" in one for one in warnings)
    assert stage.world.counted[Metric.QUOTA_SHORTAGES] == 1


def test_the_budget_cuts_what_the_month_cannot_bear_and_says_so(stage: Stage) -> None:
    stage.calendar.held += [wedding(f"W{number}", WINTER + 3 * HOUR) for number in range(10)]
    lean = plan(stage.ports, replace(SETTINGS, budget_usd=1), WINTER + HOUR)
    assert any("the budget of 2027-01 is $1.00" in one for one in lean.warnings)
    cut = stage.sizes()["database.least_acu"]
    whole = plan(stage.ports, replace(SETTINGS, budget_usd=1, over_budget=True), WINTER + HOUR)
    assert whole.warnings == tuple(one for one in whole.warnings if "budget" not in one)
    assert (stage.sizes()["database.least_acu"] or 0) > (cut or 0)


def test_what_a_month_has_spent_is_not_spent_again(stage: Stage) -> None:
    """Money for one of two like days: the second knows what the first took."""
    stage.calendar.held += [wedding(f"W{number}", WINTER + 3 * HOUR) for number in range(10)]
    settings = replace(SETTINGS, budget_usd=80)
    assert plan(stage.ports, settings, WINTER + HOUR).warnings == ()
    for at in sorted(stage.one_offs.calls):
        assert plan(stage.ports, settings, at).warnings == ()
    later = WINTER + 5 * 24 * HOUR
    stage.calendar.held += [wedding(f"V{number}", later + 3 * HOUR) for number in range(10)]
    (warning,) = {one.split(":")[0] for one in plan(stage.ports, settings, later + HOUR).warnings}
    assert warning.startswith("the budget of 2027-01 is $80.00, of which $")
    assert not warning.endswith("$80.00 is left for the plan")


def test_a_wedding_over_the_months_end_is_paid_by_both_months(stage: Stage) -> None:
    ends = datetime(2027, 2, 1, tzinfo=UTC)
    stage.calendar.held += [wedding(f"W{number}", ends - 2 * HOUR) for number in range(10)]
    for at in (ends - 4 * HOUR - QUARTER, ends - MINUTE):
        stage.plan(at).check()
    made, standing = deployment(SETTINGS), {knob: present.size or 0 for knob, present in stage.scaling.knobs.items()}
    added = usd_per_hour(standing, made) - usd_per_hour({knob: made.rest(knob) for knob in standing}, made)
    assert added > 0
    later = upcoming(stage.calendar, stage.log, SETTINGS, ends + 2 * HOUR)
    assert later.spent == pytest.approx(2 * added), "nothing was changed since the month began, but it costs"


def test_what_a_hand_did_is_no_spending_of_the_plans_and_no_credit(stage: Stage) -> None:
    """A runbook's minimum by hand, found by the next round: the budget is whole, and the wedding gets what it needs."""
    stage.calendar.held.append(wedding("W1", WINTER + 3 * HOUR))
    settings = replace(SETTINGS, budget_usd=100)
    for size in (32, 0.5):
        stage.scaling.knobs[LEAST_ACU] = Present(size, size, 64)
        plan(stage.ports, settings, WINTER - 2 * HOUR)
        assert upcoming(stage.calendar, stage.log, settings, WINTER).spent == 0
    assert plan(stage.ports, settings, WINTER + HOUR).warnings == ()
    assert (stage.sizes()["database.least_acu"] or 0) > 2


def test_what_was_raised_while_nobody_could_note_it_is_noted_once_and_counts_from_then_on(stage: Stage) -> None:
    stage.calendar.held.append(wedding("W1", WINTER + 3 * HOUR))
    stage.plan(WINTER)
    at = min(stage.one_offs.calls)
    carried = dict(stage.one_offs.calls[at].sizes)
    stage.calendar.away = stage.log.away = True
    stage.plan(at, planned=carried).check()
    assert stage.log.events == []
    stage.calendar.away = stage.log.away = False
    back = at + HOUR
    assert stage.plan(back).done == ()
    noted = {event.scaling_group: event for event in stage.log.events}
    assert {event.action for event in noted.values()} == {"note"}
    database = noted["database.least_acu"]
    assert (database.previous_size, database.new_size, database.rest_size) == (2, carried["database.least_acu"], 2)
    stage.plan(back)
    assert len(stage.log.events) == len(noted)
    acus = carried["database.least_acu"] * (1 + carried["database.readers"])
    hour = (acus - 2 * 2) * ACU_H + WARM_H
    assert set(noted) == {"database.least_acu", "provisioned.critical"}
    assert upcoming(stage.calendar, stage.log, SETTINGS, back + HOUR).spent == pytest.approx(hour)


def test_settings_that_name_nothing_are_refused(stage: Stage) -> None:
    with pytest.raises(ConfigError, match="winter"):
        plan(stage.ports, replace(SETTINGS, season="winter"), REST)
