"""A round of reacting: who gets more and who less, what may never happen, and what it does when somebody is away."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carillon.config import CapacitySettings, LaneSizes
from carillon.errors import ConfigError, OutageError, ScalingError
from carillon.flow.react import react
from carillon.model import Lane
from carillon.names import Metric
from carillon.policy.capacity import Kind, Knob, Present
from carillon.policy.lanes import LANES
from carillon.ports.scaling import LaneSeen, ReactPorts, ScalingEvent
from carillon.testing import World
from carillon.testing.scaling import MemoryLaneWatch, MemoryScaling, MemoryScalingLog
from carillon.testing.sockets import CountingMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.flow.react import Reaction

SETTINGS = CapacitySettings(
    time_zone="America/New_York",
    reserved=LaneSizes.of({lane.word: "50" for lane in Lane}),
    warm=True,
    warm_peaks=True,
)
JUNE = datetime(2027, 6, 5, 18, tzinfo=UTC)
JANUARY = datetime(2027, 1, 13, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUIET = LaneSeen(queued=0, age_s=0.0, latency_ms=20.0, errors=0.0, in_use=(0.5,) * 10)
IDLE = replace(QUIET, in_use=(0.1,) * 10)


def warm(lane: Lane) -> Knob:
    return Knob(Kind.PROVISIONED, lane)


def reserve(lane: Lane) -> Knob:
    return Knob(Kind.RESERVED, lane)


class Stage:
    """A deployment at rest, on which nothing is short and nothing idle."""

    def __init__(self) -> None:
        self.world = World()
        self.scaling = MemoryScaling(
            {
                **{warm(lane): Present(LANES[lane].concurrency, LANES[lane].concurrency, 50) for lane in Lane},
                **{reserve(lane): Present(50, 50) for lane in Lane},
            }
        )
        self.watch = MemoryLaneWatch(dict.fromkeys(Lane, QUIET))
        self.log = MemoryScalingLog()
        self.settings = SETTINGS
        self.ports = ReactPorts(
            scaling=self.scaling, watch=self.watch, log=self.log, metrics=CountingMetrics(self.world)
        )

    def react(self, now: datetime = JUNE, *, dry_run: bool = False) -> Reaction:
        self.log.now = now
        return react(self.ports, self.settings, now, dry_run=dry_run)

    def sizes(self) -> dict[str, float]:
        return {knob.lane.word: present.in_force for knob, present in self.scaling.knobs.items() if is_warm(knob)}

    def has(self, lane: Lane, in_force: float, *, least: float | None = None, most: float | None = 50) -> None:
        self.scaling.knobs[warm(lane)] = Present(LANES[lane].concurrency if least is None else least, in_force, most)

    def changed(self, lane: Lane, at: datetime) -> None:
        """The log says that it was."""
        event = ScalingEvent(
            decided_at=at,
            scaling_group=warm(lane).group,
            action="scale_up",
            previous_size=1,
            new_size=2,
            new_maximum=None,
            trigger_metric="queued",
            trigger_value=1,
            threshold=1,
            reason="",
            failure="",
        )
        self.log.events.append(event)


def is_warm(knob: Knob) -> bool:
    return knob.kind is Kind.PROVISIONED


REST = {lane.word: LANES[lane].concurrency for lane in Lane}


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_lane_that_fills_up_gets_twice_the_consumers_and_the_others_keep_theirs(stage: Stage) -> None:
    stage.watch.seen[Lane.NORMAL] = replace(QUIET, queued=1_200)
    reaction = stage.react()
    assert stage.sizes() == REST | {"normal": 8}
    assert reaction.to_json()["decisions"] == [
        {
            "group": "provisioned.normal",
            "action": "scale_up",
            "previous": 4,
            "new": 8,
            "metric": "queued",
            "value": 1_200,
            "threshold": 1_000,
            "reason": "1,200 messages are queued, more than 1,000 (in season): doubled",
            "failure": "",
        }
    ]
    assert set(reaction.to_json()["left"].values()) == {"nothing asks for a change"}
    json.dumps(reaction.to_json())


def test_what_was_decided_is_kept_and_counted(stage: Stage) -> None:
    stage.watch.seen[Lane.LOW] = replace(QUIET, age_s=151.0)
    stage.react()
    (event,) = stage.log.events
    assert (event.decided_at, event.scaling_group, event.action) == (JUNE, "provisioned.low", "scale_up")
    assert (event.previous_size, event.new_size, event.new_maximum) == (2, 4, None)
    assert (event.trigger_metric, event.trigger_value, event.threshold) == ("age_s", 151, 150)
    assert (event.reason, event.failure) == (
        "the oldest message has waited 151.0 s, more than 150.0 s (in season): doubled",
        "",
    )
    assert stage.world.counted == {Metric.CAPACITY_CHANGED: 1}


@pytest.mark.parametrize(
    ("now", "seen", "metric"),
    [
        (JUNE, replace(QUIET, queued=1_001), "queued"),
        (JANUARY, replace(QUIET, queued=10_001), "queued"),
        (JUNE, replace(QUIET, age_s=2.6), "age_s"),
        (JANUARY, replace(QUIET, age_s=2.6), "age_s"),
        (JUNE, replace(QUIET, latency_ms=501.0), "latency_ms"),
        (JUNE, replace(QUIET, errors=0.03), "errors"),
        (JUNE, replace(QUIET, connections=5_001.0), "connections"),
        (JANUARY, replace(QUIET, connections=10_001.0), "connections"),
        (JANUARY, replace(QUIET, in_use=(0.1,) * 9 + (0.81,)), "in_use"),
    ],
)
def test_critical_gets_more_by_each_of_its_signs(stage: Stage, now: datetime, seen: LaneSeen, metric: str) -> None:
    stage.watch.seen[Lane.CRITICAL] = seen
    (decision,) = stage.react(now).to_json()["decisions"]
    assert (decision["group"], decision["new"], decision["metric"]) == ("provisioned.critical", 16, metric)
    assert stage.sizes()["critical"] == 16


@pytest.mark.parametrize(
    "seen",
    [
        replace(QUIET, queued=10_000, latency_ms=900.0, errors=0.5, connections=10_000.0),
        LaneSeen(queued=None, age_s=None, latency_ms=None, errors=None, in_use=()),
    ],
)
def test_off_season_less_than_ten_thousand_or_nothing_seen_asks_for_nothing(stage: Stage, seen: LaneSeen) -> None:
    stage.watch.seen = dict.fromkeys(Lane, seen)
    reaction = stage.react(JANUARY)
    assert (stage.sizes(), reaction.log, stage.log.events) == (REST, "not asked", [])


def test_a_lane_idle_for_ten_minutes_is_halved_down_to_the_plans_minimum(stage: Stage) -> None:
    stage.watch.seen = dict.fromkeys(Lane, IDLE)
    for lane in Lane:
        stage.has(lane, 40, least=15)
    made = stage.react(JANUARY).to_json()["decisions"]
    assert set(stage.sizes().values()) == {20}
    assert {(one["action"], one["metric"], one["threshold"]) for one in made} == {("scale_down", "in_use", 0.4)}
    stage.react(JANUARY + 9 * MINUTE)
    assert set(stage.sizes().values()) == {20}
    for minutes in (10, 20, 30):
        stage.react(JANUARY + minutes * MINUTE)
    assert set(stage.sizes().values()) == {15}


@pytest.mark.parametrize("minutes", [0, 1, 9])
def test_ten_minutes_are_ten(stage: Stage, minutes: int) -> None:
    stage.has(Lane.HIGH, 40)
    stage.watch.seen[Lane.HIGH] = replace(QUIET, in_use=(0.1, 0.4, *(0.1,) * minutes))
    stage.react(JANUARY)
    assert stage.sizes()["high"] == 40


def test_a_queue_keeps_what_it_has_until_it_is_below_a_thousand(stage: Stage) -> None:
    stage.has(Lane.HIGH, 40)
    for now in (JUNE, JANUARY):
        stage.watch.seen[Lane.HIGH] = replace(IDLE, queued=1_000)
        stage.react(now)
        assert stage.sizes()["high"] == 40
    stage.watch.seen[Lane.HIGH] = replace(IDLE, queued=999)
    stage.react(JUNE)
    assert stage.sizes()["high"] == 20


def test_critical_keeps_what_it_is_deployed_with_whatever_the_plan_asks_for(stage: Stage) -> None:
    stage.watch.seen[Lane.CRITICAL] = IDLE
    stage.has(Lane.CRITICAL, 9, least=0)
    stage.react(JANUARY)
    assert stage.sizes()["critical"] == 8


def test_where_nothing_stands_warm_a_full_lane_gets_what_would_stand_at_rest(stage: Stage) -> None:
    stage.settings = replace(SETTINGS, warm=False)
    stage.has(Lane.CRITICAL, 0, least=0)
    stage.watch.seen[Lane.CRITICAL] = replace(QUIET, age_s=3.0, in_use=(0.0,) * 10)
    (decision,) = stage.react().to_json()["decisions"]
    assert (decision["previous"], decision["new"]) == (0, 8)
    stage.watch.seen[Lane.CRITICAL] = IDLE
    for minutes in range(20, 120, 20):
        stage.react(JUNE + minutes * MINUTE)
    assert stage.sizes()["critical"] == 0


@pytest.mark.parametrize(
    ("reserved", "most", "concurrency", "cap"),
    [(50, 50, 1_000, 50), (20, 50, 1_000, 20), (50, 15, 1_000, 15), (50, 50, 180, 20), (None, None, 1_000, 50)],
)
def test_no_lane_gets_over_its_reserve_target_trackings_cap_and_its_part_of_the_account(
    stage: Stage, reserved: int | None, most: int | None, concurrency: int, cap: int
) -> None:
    stage.settings = replace(SETTINGS, concurrency=concurrency, reserved=LaneSizes())
    stage.scaling.knobs[reserve(Lane.LOW)] = Present(reserved, reserved or 0)
    stage.has(Lane.LOW, 12, most=most)
    stage.watch.seen[Lane.LOW] = replace(QUIET, queued=50_000)
    for minutes in range(0, 30, 3):
        stage.react(JUNE + minutes * MINUTE).check()
    assert stage.sizes()["low"] == cap
    assert f"{cap} is the cap" in stage.react(JUNE + timedelta(hours=1)).to_json()["left"]["provisioned.low"]


def test_the_three_other_lanes_at_their_most_leave_critical_its_part_of_the_account(stage: Stage) -> None:
    stage.settings = replace(SETTINGS, concurrency=260, reserved=LaneSizes())
    for lane in Lane:
        del stage.scaling.knobs[reserve(lane)]
    others = {Lane.HIGH, Lane.NORMAL, Lane.LOW}
    stage.watch.seen.update(dict.fromkeys(others, replace(QUIET, queued=50_000)))
    for minutes in range(0, 60, 3):
        stage.react(JUNE + minutes * MINUTE).check()
    assert [stage.sizes()[lane.word] for lane in others] == [40, 40, 40]
    assert 260 - 100 - sum(stage.sizes()[lane.word] for lane in others) == 40


def test_a_lane_that_somebody_stopped_stays_so(stage: Stage) -> None:
    stage.scaling.knobs[reserve(Lane.LOW)] = Present(0, 0)
    stage.has(Lane.LOW, 0, least=0)
    stage.watch.seen[Lane.LOW] = replace(QUIET, queued=50_000)
    reaction = stage.react()
    assert (stage.sizes()["low"], stage.scaling.ordered) == (0, [])
    assert reaction.to_json()["left"]["provisioned.low"] == "somebody stopped this lane"


def test_what_the_plan_asks_for_is_left_to_it_until_it_stands(stage: Stage) -> None:
    """Minutes after a raise the old consumers are all busy; doubling what is on its way would be for nothing."""
    stage.has(Lane.HIGH, 6, least=20)
    stage.watch.seen[Lane.HIGH] = replace(QUIET, in_use=(1.0,) * 10)
    assert "20, which are on their way; 6 are there" in stage.react().to_json()["left"]["provisioned.high"]
    stage.has(Lane.HIGH, 20, least=20)
    stage.react()
    assert stage.sizes()["high"] == 40


def test_where_the_reserve_is_smaller_than_the_plans_minimum_nothing_goes_below_it(stage: Stage) -> None:
    stage.has(Lane.HIGH, 40, least=30)
    stage.scaling.knobs[reserve(Lane.HIGH)] = Present(20, 20)
    stage.watch.seen[Lane.HIGH] = IDLE
    reaction = stage.react(JANUARY)
    assert stage.scaling.ordered == []
    assert reaction.to_json()["left"]["provisioned.high"] == "the plan asks for 30, and 20 is the cap"


def test_lanes_that_were_not_deployed_warm_are_left_out(stage: Stage) -> None:
    del stage.scaling.knobs[warm(Lane.LOW)]
    stage.watch.seen = dict.fromkeys(Lane, replace(QUIET, queued=5_000))
    stage.react().check()
    assert stage.sizes() == {"critical": 16, "high": 12, "normal": 8}


def test_one_lanes_refusal_stops_no_other_and_is_told_and_kept(stage: Stage) -> None:
    stage.scaling.refusing["provisioned.critical"] = "ThrottlingException"
    stage.scaling.unreadable["provisioned.low"] = "AccessDenied"
    stage.watch.seen = dict.fromkeys(Lane, replace(QUIET, queued=5_000))
    reaction = stage.react()
    assert stage.sizes() == REST | {"high": 12, "normal": 8}
    with pytest.raises(ScalingError) as raised:
        reaction.check()
    assert raised.value.message == (
        "2 reactions to load failed: provisioned.low: AccessDenied; provisioned.critical: ThrottlingException"
    )
    assert stage.world.counted == {Metric.CAPACITY_CHANGED: 2}
    assert [event.failure for event in stage.log.events if event.scaling_group == "provisioned.critical"] == [
        "",
        "ThrottlingException",
    ]


def test_an_unreadable_reserve_counts_as_none_to_be_touched(stage: Stage) -> None:
    stage.scaling.unreadable["reserved.high"] = "AccessDenied"
    stage.watch.seen[Lane.HIGH] = replace(QUIET, queued=5_000)
    reaction = stage.react()
    assert stage.sizes() == REST
    assert reaction.failures() == ["provisioned.high: AccessDenied"]


def test_without_the_database_nothing_is_changed_and_it_says_so(stage: Stage) -> None:
    """Nobody knows when a lane was last changed."""
    stage.log.away = True
    stage.watch.seen[Lane.HIGH] = replace(QUIET, queued=5_000)
    reaction = stage.react()
    reaction.check()
    assert (stage.sizes(), stage.scaling.ordered, stage.world.counted) == (REST, [], {})
    answer = reaction.to_json()
    assert (answer["decisions"], answer["log"]) == ([], "away")
    assert "the database is away" in answer["left"]["provisioned.high"]
    assert answer["left"]["provisioned.low"] == "nothing asks for a change"


def test_a_database_that_goes_away_before_an_order_is_written_down_has_none_made(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_events: Sequence[ScalingEvent]) -> None:
        raise OutageError("the database is away")

    monkeypatch.setattr(stage.log, "record", away)
    stage.watch.seen[Lane.HIGH] = replace(QUIET, queued=5_000)
    reaction = stage.react()
    assert (stage.sizes(), stage.world.counted) == (REST, {})
    assert (reaction.to_json()["decisions"], reaction.log) == ([], "away")


def test_a_quiet_round_does_not_ask_the_database(stage: Stage) -> None:
    stage.log.away = True
    reaction = stage.react()
    reaction.check()
    assert reaction.log == "not asked"


def test_without_cloudwatch_nothing_is_decided_and_the_round_fails(stage: Stage) -> None:
    stage.watch.away = True
    stage.has(Lane.HIGH, 40)
    reaction = stage.react()
    assert (stage.sizes(), stage.log.events) == (REST | {"high": 40}, [])
    with pytest.raises(ScalingError, match="1 reactions to load failed: the lanes: CloudWatch is away"):
        reaction.check()


def test_a_dry_run_says_the_same_and_does_nothing(stage: Stage) -> None:
    stage.watch.seen[Lane.HIGH] = replace(QUIET, queued=5_000)
    told = stage.react(dry_run=True)
    assert (stage.sizes(), stage.scaling.ordered, stage.log.events, stage.world.counted) == (REST, [], [], {})
    assert told.to_json()["decisions"] == stage.react().to_json()["decisions"]
    assert told.dry_run


def test_a_cooldown_is_the_lanes_own(stage: Stage) -> None:
    stage.watch.seen = dict.fromkeys(Lane, replace(QUIET, queued=5_000))
    stage.changed(Lane.HIGH, JUNE - 2 * MINUTE)
    reaction = stage.react()
    assert stage.sizes() == {"critical": 16, "high": 6, "normal": 8, "low": 4}
    assert "cooling down for 0:01:00" in reaction.to_json()["left"]["provisioned.high"]
    stage.react(JUNE + MINUTE)
    assert stage.sizes() == {"critical": 16, "high": 12, "normal": 8, "low": 4}


def test_the_season_decides_the_thresholds(stage: Stage) -> None:
    stage.watch.seen[Lane.HIGH] = replace(QUIET, queued=5_000)
    assert stage.react(JANUARY).mode == "off season"
    assert stage.sizes() == REST
    assert stage.react(JUNE).mode == "in season"
    assert stage.sizes()["high"] == 12


def test_two_rounds_at_once_double_once(stage: Stage) -> None:
    """Whenever the second begins: it reads the old size and orders the same, or finds the new one's cooldown."""
    stage.watch.seen[Lane.HIGH] = replace(QUIET, queued=5_000)
    orders: list[float] = []
    for moment in ("look", "read", "reacted", "record", "order"):
        one = Stage()
        one.watch.seen = stage.watch.seen
        interrupt(one, moment)
        one.react().check()
        orders.append(one.sizes()["high"])
    assert orders == [12] * 5


def interrupt(stage: Stage, moment: str) -> None:
    """Another round goes by just before and just after what the round does at a moment."""
    port = {"look": stage.watch, "read": stage.scaling, "order": stage.scaling}.get(moment, stage.log)
    usual = getattr(port, moment)

    def interrupted(*given: object) -> object:
        setattr(port, moment, usual)
        stage.react().check()
        answer = usual(*given)
        stage.react(JUNE + timedelta(seconds=1)).check()
        return answer

    setattr(port, moment, interrupted)


def test_a_round_that_dies_after_its_order_leaves_its_cooldown(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.watch.seen[Lane.HIGH] = replace(QUIET, queued=5_000)
    with monkeypatch.context() as patched:
        patched.setattr(stage.ports.metrics, "count", lambda *_given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stage.react()
    stage.watch.seen[Lane.HIGH] = IDLE
    for minutes in range(1, 20):
        stage.react(JUNE + minutes * MINUTE)
    assert stage.sizes()["high"] == 12
    stage.react(JUNE + 20 * MINUTE)
    assert stage.sizes()["high"] == 6


def test_settings_that_name_nothing_are_refused(stage: Stage) -> None:
    stage.settings = replace(SETTINGS, season="winter")
    with pytest.raises(ConfigError, match="winter"):
        stage.react()


shares = st.sampled_from([0.0, 0.1, 0.39, 0.4, 0.6, 0.8, 0.81, 1.0])
lanes_seen = st.builds(
    LaneSeen,
    queued=st.none() | st.sampled_from([0, 99, 999, 1_001, 10_001]),
    age_s=st.none() | st.sampled_from([0.0, 3.0, 400.0]),
    latency_ms=st.none() | st.sampled_from([20.0, 501.0]),
    errors=st.none() | st.sampled_from([0.0, 0.03]),
    in_use=st.lists(shares, max_size=10).map(tuple) | st.just((0.1,) * 10) | st.just((0.9,) * 10),
)
minimums = st.sampled_from([0, 2, 8, 20, 30])
rounds = st.fixed_dictionaries(
    {
        "seen": st.fixed_dictionaries(dict.fromkeys(Lane, lanes_seen)),
        "minutes": st.integers(1, 6),
        "planned": st.none() | st.tuples(st.sampled_from(Lane), minimums, st.sampled_from([10, 30, 50])),
        "reserved": st.none() | st.tuples(st.sampled_from(Lane), st.sampled_from([0, 12, 50, None])),
        "tracked": st.none() | st.tuples(st.sampled_from(Lane), st.integers(0, 50)),
        "away": st.sampled_from([False] * 5 + [True]),
    }
)


@given(
    st.lists(rounds, min_size=5, max_size=30),
    st.sampled_from([JUNE, JANUARY]),
    st.sampled_from([1_000, 180]),
    st.sampled_from([{"warm": True}, {"warm": False}]),
)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_whatever_happens_no_bound_is_passed_no_reserve_touched_and_nothing_flaps(
    story: list[dict[str, object]], start: datetime, concurrency: int, rest: dict[str, bool]
) -> None:
    stage, now = Stage(), start
    stage.settings = replace(SETTINGS, concurrency=concurrency, reserved=LaneSizes(), **rest)
    quarter = (concurrency - 100) // 4
    changes: list[tuple[str, datetime, str]] = []
    for one in story:
        now += one["minutes"] * MINUTE
        happen(stage, one)
        before, reserves = stage.sizes(), {lane: stage.scaling.knobs[reserve(lane)] for lane in Lane}
        stage.scaling.ordered.clear()
        reaction = stage.react(now)
        reaction.check()
        assert {lane: stage.scaling.knobs[reserve(lane)] for lane in Lane} == reserves
        assert not (stage.log.away and stage.scaling.ordered)
        for knob, size in stage.scaling.ordered:
            present = stage.scaling.knobs[knob]
            assert is_warm(knob)
            assert size != before[knob.lane.word]
            assert present.size <= size <= min(present.most, 50, max(quarter, LANES[knob.lane].concurrency))
            assert reserves[knob.lane].size is None or 0 < size <= reserves[knob.lane].size
            assert not (rest["warm"] and knob.lane is Lane.CRITICAL and size < min(8, present.most))
        changes += [(made["group"], now, made["action"]) for made in reaction.to_json()["decisions"]]
    out, back = (3, 20) if start is JUNE else (5, 10)
    for group in {group for group, _, _ in changes}:
        own = [(at, action) for name, at, action in changes if name == group]
        for (first, _), (second, action) in itertools.pairwise(own):
            assert second - first >= (out if action == "scale_up" else back) * MINUTE


def happen(stage: Stage, one: dict[str, object]) -> None:
    """The world between two rounds: the planner, target tracking and people at work, and what is seen after it."""
    knobs = stage.scaling.knobs
    if one["planned"]:
        lane, least, most = one["planned"]
        knobs[warm(lane)] = replace(knobs[warm(lane)], size=min(least, most), most=most)
    if one["reserved"]:
        lane, size = one["reserved"]
        knobs[reserve(lane)] = Present(size, size or 0)
    if one["tracked"]:
        lane, size = one["tracked"]
        knobs[warm(lane)] = replace(knobs[warm(lane)], in_force=size)
    stage.watch.seen = dict(one["seen"])
    stage.log.away = one["away"]
