"""React: what each lane shows now, held against the rules, and the orders of warm consumers that follow from it.

It keeps nothing from one round to the next: how many stand warm says AWS, when that was last changed says the log, how
long a lane has been calm says CloudWatch. Two rules make that safe. Sizes are read before the log, and an order is in
the log before AWS gets it. So whoever sees the size that another round ordered sees its cooldown as well, and a round
that dies half way leaves a cooldown too many, never one too few. Without the log nothing is ordered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from carillon.errors import OutageError, ScalingError
from carillon.model import Lane
from carillon.names import Metric
from carillon.policy import reactive, season
from carillon.policy.capacity import STOPPED, Action, Kind, Knob
from carillon.policy.deployed import deployment
from carillon.policy.thresholds import Bounds, Decision, Observation, State, mode_at
from carillon.ports.scaling import LaneSeen, ScalingEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from carillon.config import CapacitySettings
    from carillon.policy.capacity import Present
    from carillon.policy.sizing import Deployment
    from carillon.policy.thresholds import Mode
    from carillon.ports.scaling import ReactPorts, Scaling, ScalingLog

_WORDS: Final = {Action.RAISE: "scale_up", Action.LOWER: "scale_down"}
_AWAY: Final = "not done: the database is away, and more consumers would not bring it back"
_UNSEEN: Final = LaneSeen(queued=None, age_s=None, latency_ms=None, errors=None, in_use=())


@dataclass(frozen=True, slots=True)
class Judged:
    """What was decided of a lane, and why it was not done if it was not.

    Args:
        knob: its warm consumers.
        previous: how many were ordered before.
        decision: without an action it was left as it is.
        failure: what AWS said.
    """

    knob: Knob
    previous: float
    decision: Decision
    failure: str = ""

    @property
    def changes(self) -> bool:
        """Whether something else is to be ordered."""
        return self.decision.action is not None

    def to_json(self) -> dict[str, Any]:
        """As it is logged; for one that changes."""
        made = self.decision
        assert made.action is not None
        sizes = {"action": _WORDS[made.action], "previous": self.previous, "new": made.size}
        trigger = {"metric": made.metric, "value": made.value, "threshold": made.threshold}
        return {"group": self.knob.group, **sizes, **trigger, "reason": made.reason, "failure": self.failure}

    def event(self, now: datetime) -> ScalingEvent:
        """As it is kept; for one that changes."""
        made = self.decision
        assert made.action is not None
        return ScalingEvent(
            decided_at=now,
            scaling_group=self.knob.group,
            action=_WORDS[made.action],
            previous_size=self.previous,
            new_size=made.size,
            new_maximum=None,
            trigger_metric=made.metric,
            trigger_value=made.value or 0.0,
            threshold=made.threshold,
            reason=made.reason,
            failure=self.failure,
        )


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a round did.

    Args:
        at: when.
        mode: which half of the year's rules held.
        judged: the lanes, critical first.
        unseen: what could not be read, and why.
        log: `not asked` while nothing was to be changed, else `kept` or `away`.
        dry_run: whether nothing was changed.
    """

    at: datetime
    mode: str
    judged: tuple[Judged, ...]
    unseen: tuple[str, ...]
    log: str
    dry_run: bool

    def failures(self) -> list[str]:
        """What went wrong, a sentence each."""
        return [*self.unseen, *(f"{one.knob.group}: {one.failure}" for one in self.judged if one.failure)]

    def check(self) -> None:
        """Raise what went wrong, so that somebody is told.

        Raises:
            ScalingError: something could not be seen or ordered.
        """
        failures = self.failures()
        if failures:
            raise ScalingError(f"{len(failures)} reactions to load failed: {'; '.join(failures)}")

    def to_json(self) -> dict[str, Any]:
        """As the function answers it."""
        return {
            "at": self.at.isoformat(),
            "mode": self.mode,
            "decisions": [one.to_json() for one in self.judged if one.changes],
            "left": {one.knob.group: one.decision.reason for one in self.judged if not one.changes},
            "unseen": list(self.unseen),
            "log": self.log,
            "dry_run": self.dry_run,
        }


@dataclass(frozen=True, slots=True)
class _Warm:
    """A lane's consumers before anything is decided; `barred` says why nothing may be."""

    knob: Knob
    size: float
    allowed: Bounds
    seen: LaneSeen
    barred: str


def react(ports: ReactPorts, settings: CapacitySettings, now: datetime, *, dry_run: bool = False) -> Reaction:
    """Order more warm consumers for lanes that are short of them, and fewer for idle ones.

    Raises:
        ConfigError: the profile or the time zone is not known.
    """
    mode = mode_at(season.profile(settings.season), now, season.zone(settings.time_zone))
    lanes, unseen = _look(ports, deployment(settings), now)
    judged, log = _judge(lanes, mode, now, {}), "not asked"
    if any(one.changes for one in judged):
        try:
            judged, log = _judge(lanes, mode, now, ports.log.reacted()), "kept"
        except OutageError:
            judged, log = _held(judged), "away"
    if not dry_run and any(one.changes for one in judged):
        judged, log = _carry_out(ports, judged, now)
    return Reaction(now, mode.name, judged, unseen, log, dry_run)


def _look(ports: ReactPorts, rest: Deployment, now: datetime) -> tuple[list[_Warm], tuple[str, ...]]:
    try:
        seen = ports.watch.look(now)
    except ScalingError as error:
        return [], (f"the lanes: {error.message}",)
    lanes, unseen = [], []
    for knob in (Knob(Kind.PROVISIONED, lane) for lane in Lane):
        try:
            if ports.scaling.knows(knob):
                lanes.append(_warm(ports.scaling, knob, rest, seen))
        except ScalingError as error:
            unseen.append(f"{knob.group}: {error.message}")
    return lanes, tuple(unseen)


def _warm(scaling: Scaling, knob: Knob, rest: Deployment, seen: Mapping[Lane, LaneSeen]) -> _Warm:
    """Its cap is the least of the deployment's, of what target tracking may reach, and of the lane's own reserve."""
    assert knob.lane is not None
    present, reserve = scaling.read(knob), _reserve(scaling, knob.lane)
    planned = present.size or 0
    usual = reactive.bounds(knob, rest, planned)
    most = min(cap for cap in (usual.most, present.most, reserve) if cap is not None)
    allowed = Bounds(usual.rest, min(usual.least, most), most)
    return _Warm(knob, present.in_force, allowed, seen.get(knob.lane, _UNSEEN), _barred(present, reserve, allowed))


def _reserve(scaling: Scaling, lane: Lane) -> float | None:
    """What the lane may use at most and nobody else can take; None where nothing is set aside."""
    knob = Knob(Kind.RESERVED, lane)
    return scaling.read(knob).size if scaling.knows(knob) else None


def _barred(present: Present, reserve: float | None, allowed: Bounds) -> str:
    """The plan's minimum is the planner's to bring: there would be two hands at it, and a cooldown for nothing."""
    planned = present.size or 0
    if reserve == STOPPED:
        return "somebody stopped this lane"
    if planned > allowed.most:
        return f"the plan asks for {planned:g}, and {allowed.most:g} is the cap"
    if present.in_force < allowed.least:
        return f"the plan asks for {allowed.least:g}, which are on their way; {present.in_force:g} are there"
    return ""


def _judge(lanes: Iterable[_Warm], mode: Mode, now: datetime, changed: Mapping[str, datetime]) -> tuple[Judged, ...]:
    made = []
    for lane in lanes:
        state = State(lane.size, changed.get(lane.knob.group), _calm_since(lane.seen.in_use, now))
        decision = Decision(None, lane.size, lane.barred, state)
        if not lane.barred:
            decision = reactive.decide(lane.knob, state, _observed(lane.seen), now, mode, lane.allowed)
        made.append(Judged(lane.knob, lane.size, decision))
    return tuple(made)


def _observed(seen: LaneSeen) -> Observation:
    return Observation(
        connections=seen.connections,
        queued=seen.queued,
        age_s=seen.age_s,
        latency_ms=seen.latency_ms,
        errors=seen.errors,
        in_use=seen.in_use[-1] if seen.in_use else None,
    )


def _calm_since(in_use: Sequence[float], now: datetime) -> datetime | None:
    """When the run of minutes began that could do with less; None while there is none."""
    minutes = 0
    for share in reversed(in_use):
        if share >= reactive.USE_IN:
            break
        minutes += 1
    return now - timedelta(minutes=minutes) if minutes else None


def _held(judged: Iterable[Judged]) -> tuple[Judged, ...]:
    """Without the log nobody knows when a lane was last changed, nor would know it of this change."""
    return tuple(
        replace(
            one,
            decision=replace(one.decision, action=None, size=one.previous, reason=f"{one.decision.reason}; {_AWAY}"),
        )
        if one.changes
        else one
        for one in judged
    )


def _carry_out(ports: ReactPorts, judged: tuple[Judged, ...], now: datetime) -> tuple[tuple[Judged, ...], str]:
    if not _kept(ports.log, judged, now):
        return _held(judged), "away"
    done = tuple(_ordered(ports.scaling, one) if one.changes else one for one in judged)
    ports.metrics.count(Metric.CAPACITY_CHANGED, sum(one.changes and not one.failure for one in done))
    # A refusal is kept beside the order that AWS refused; its cooldown keeps the next rounds from asking in vain.
    return done, "kept" if _kept(ports.log, [one for one in done if one.failure], now) else "away"


def _ordered(scaling: Scaling, judged: Judged) -> Judged:
    try:
        scaling.order(judged.knob, int(judged.decision.size))
    except ScalingError as error:
        return replace(judged, failure=error.message)
    return judged


def _kept(log: ScalingLog, judged: Iterable[Judged], now: datetime) -> bool:
    events = [one.event(now) for one in judged if one.changes]
    try:
        if events:
            log.record(events)
    except OutageError:
        return False
    return True
