"""Plan: what the calendar and the season ask for now, what AWS has, and the changes between the two.

A change that fails stops no other. Without the calendar the season's peaks still raise, and so does what was planned
for this moment before; nothing is lowered then, for nobody knows what it stands for.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from carillon.errors import OutageError, ScalingError
from carillon.flow.upcoming import upcoming
from carillon.names import Metric
from carillon.policy import applied, budget, capacity, one_offs, season
from carillon.policy.capacity import Action, Kind, Step
from carillon.policy.deployed import deployment, limits
from carillon.policy.timeline import HORIZON, SLOT
from carillon.ports.scaling import ScalingEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from carillon.config import CapacitySettings
    from carillon.flow.upcoming import Upcoming
    from carillon.policy.capacity import Knob, Present, Target
    from carillon.ports.scaling import OneOffs, PlanPorts, Scaling

_LOG = logging.getLogger(__name__)
WARMED_AHEAD: Final = timedelta(minutes=75)
"""A round comes every quarter of an hour, so that a wedding is warmed at least an hour before its window."""


@dataclass(frozen=True, slots=True)
class Done:
    """A change, and why it was not made if it was not."""

    step: Step
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is logged."""
        step = self.step
        facts = {"group": step.knob.group, "action": step.action, "previous": step.previous, "new": step.new}
        return {**facts, "most": step.most, "reason": step.reason, "failure": self.failure}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round did.

    Args:
        at: the moment planned for.
        peak: which peak is on, in words; empty at rest.
        done: the changes, in order.
        unseen: what could not be read, called or warmed, and why.
        weddings: of the local day; None when the calendar is away.
        recorded: whether the changes could be kept in the log.
        dry_run: whether nothing was changed.
        called: moments at which the planner is called from now on that it was not before, and the other way round.
        warmed: weddings whose people were read into memory.
        warnings: quotas that a coming day exceeds, caps that are too low, what the budget cuts; a sentence each.
    """

    at: datetime
    peak: str
    done: tuple[Done, ...]
    unseen: tuple[str, ...]
    weddings: int | None
    recorded: bool
    dry_run: bool
    called: Mapping[str, int] = field(default_factory=dict)
    warmed: int = 0
    warnings: tuple[str, ...] = ()

    def failures(self) -> list[str]:
        """What went wrong, a sentence each."""
        return [*self.unseen, *(f"{done.step.knob.group}: {done.failure}" for done in self.done if done.failure)]

    def check(self) -> None:
        """Raise what went wrong, so that the round is tried again and somebody is told.

        Raises:
            ScalingError: something could not be read or changed.
        """
        failures = self.failures()
        if failures:
            raise ScalingError(f"{len(failures)} changes of capacity failed: {'; '.join(failures)}")

    def to_json(self) -> dict[str, Any]:
        """As the function answers it."""
        return {
            "at": self.at.isoformat(),
            "peak": self.peak,
            "actions": [done.to_json() for done in self.done],
            "unseen": list(self.unseen),
            "calendar": "away" if self.weddings is None else "read",
            "weddings_today": self.weddings,
            "recorded": self.recorded,
            "dry_run": self.dry_run,
            "called": dict(self.called),
            "warmed": self.warmed,
            "warnings": list(self.warnings),
        }


def plan(
    ports: PlanPorts,
    settings: CapacitySettings,
    now: datetime,
    *,
    planned: Mapping[str, float] | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Bring capacity to what the calendar and the season ask for at `now`, which is in UTC.

    Idempotent, and absolute: what was changed by hand or by a deployment is set right again.

    Args:
        ports: the world.
        settings: what the deployment has.
        now: in UTC.
        planned: sizes by group that a call at an exact time carries; they count while the calendar is away.
        dry_run: only say what would change.

    Raises:
        ConfigError: the profile or the time zone is not known.
    """
    profile, zone = season.profile(settings.season), season.zone(settings.time_zone)
    peak = season.peak_at(profile, now, zone)
    ahead, wrong = _ahead(ports, settings, now)
    if ahead is None:
        groups = {knob.group: knob for knob in deployment(settings).knobs()}
        targets = applied.of_season(peak, limits(settings), planned or {}, groups)
    else:
        quiet = season.is_quiet(profile, now, zone) and not ahead.has_wedding(now, profile.traffic)
        targets = applied.of_plan(ahead.plan, now, limits(settings), quiet=quiet, reacted=ahead.reacted)
    present, unseen = _look(ports.scaling, targets)
    steps = capacity.steps(targets, present)
    if ahead is None:
        steps = applied.raising(steps)
    done = tuple(map(Done, steps)) if dry_run else _carry_out(ports.scaling, steps, present)
    trigger = _Trigger.of(ahead, peak.multiplier if peak else 1.0)
    noted = () if ahead is None else _noted(ahead, settings, steps, present)
    recorded = not dry_run and _record(ports, settings, now, trigger, (*done, *noted))
    outcome = Outcome(now, peak.name if peak else "", done, (*wrong, *unseen), None, recorded, dry_run)
    if ahead is not None:
        outcome = _prepare(ports, settings, outcome, ahead)
    if not dry_run:
        _measure(ports, outcome, ahead)
    return outcome


def _ahead(ports: PlanPorts, settings: CapacitySettings, now: datetime) -> tuple[Upcoming | None, tuple[str, ...]]:
    """What is to come, and what is wrong with the calendar beside its being away, which fails the round at its end."""
    try:
        return upcoming(ports.calendar, ports.log, settings, now), ()
    except OutageError:
        return None, ()
    except Exception as error:  # noqa: BLE001 - one row that nobody foresaw must not cost everybody the season's raise
        _LOG.exception("no plan comes of this calendar")
        return None, (f"the calendar: {type(error).__name__}: {error}",)


def _look(scaling: Scaling, targets: Iterable[Target]) -> tuple[dict[Knob, Present], tuple[str, ...]]:
    present, unseen = {}, []
    for target in targets:
        if not scaling.knows(target.knob):
            continue
        try:
            present[target.knob] = scaling.read(target.knob)
        except ScalingError as error:
            unseen.append(f"{target.knob.group}: {error.message}")
    return present, tuple(unseen)


def _carry_out(scaling: Scaling, steps: Iterable[Step], present: dict[Knob, Present]) -> tuple[Done, ...]:
    """What stands warm must fit into the reserve: where raising that failed, it gets what the reserve still holds."""
    done: list[Done] = []
    for planned in steps:
        refused = [one.step for one in done if one.failure and one.step.knob.lane is planned.knob.lane]
        step = planned
        if planned.knob.kind is Kind.PROVISIONED and refused and (held := refused[0].previous) is not None:
            step = replace(planned, new=min(planned.new, held), reason=f"{planned.reason}; the reserve holds {held:g}")
        if step.new == present[step.knob].size and step != planned:
            continue
        try:
            scaling.write(step)
        except ScalingError as error:
            done.append(Done(step, error.message))
        else:
            done.append(Done(step))
    return tuple(done)


def _prepare(ports: PlanPorts, settings: CapacitySettings, outcome: Outcome, ahead: Upcoming) -> Outcome:
    """What a calendar that can be read allows beside: calls at exact times, warming, and warnings."""
    now, dry_run = outcome.at, outcome.dry_run
    called, uncalled = _call(ports.one_offs, one_offs.of_plan(ahead.plan, now, now + HORIZON), now, dry_run=dry_run)
    warmed, cold = (0, ()) if dry_run else _warm(ports, settings, now, ahead)
    start, end = season.day_at(now, season.zone(settings.time_zone))
    told = (short.reason for group in (ahead.shortages, ahead.plan.capped, ahead.plan.cuts) for short in group)
    return replace(
        outcome,
        unseen=(*outcome.unseen, *uncalled, *cold),
        weddings=sum(start <= one.starts_at < end for one in ahead.weddings),
        called=called,
        warmed=warmed,
        warnings=tuple(told),
    )


def _call(
    standing: OneOffs, wanted: Mapping[datetime, one_offs.OneOff], now: datetime, *, dry_run: bool
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Have the planner called when its plan changes, and no more when it does not any more."""
    try:
        known = standing.standing()
    except ScalingError as error:
        return {}, (f"calls at exact times: {error.message}",)
    new = [one for at, one in wanted.items() if known.get(at) != one_offs.fingerprint(one)]
    gone = [at for at in known if at > now and at not in wanted]
    failures: list[str] = []
    if not dry_run:
        _each(standing.put, new, failures)
        _each(standing.drop, gone, failures)
    return {"put": len(new), "dropped": len(gone)}, tuple(failures[:1])


def _each(act: Callable[[Any], None], things: Iterable[Any], failures: list[str]) -> None:
    """One refusal is told for all: what throttles one call throttles the next, and the next round comes anyway."""
    for thing in things:
        try:
            act(thing)
        except ScalingError as error:
            failures.append(f"a call at an exact time: {error.message}")
            return


def _warm(ports: PlanPorts, settings: CapacitySettings, now: datetime, ahead: Upcoming) -> tuple[int, tuple[str, ...]]:
    before = season.profile(settings.season).traffic.before
    soon = [one.wedding_id for one in ahead.weddings if now < one.starts_at - before <= now + WARMED_AHEAD]
    if not soon:
        return 0, ()
    try:
        ports.warming.warm(soon)
    except OutageError as error:
        return 0, (f"warming {len(soon)} weddings: {error.message}",)
    return len(soon), ()


@dataclass(frozen=True, slots=True)
class _Trigger:
    """What the changes of a round answer to."""

    metric: str
    value: float

    @classmethod
    def of(cls, ahead: Upcoming | None, multiplier: float) -> _Trigger:
        if ahead is None:
            return cls("season", multiplier)
        return cls("plan", ahead.plan.expected)


def _noted(
    ahead: Upcoming, settings: CapacitySettings, steps: Iterable[Step], present: Mapping[Knob, Present]
) -> tuple[Done, ...]:
    """What stands as it should but was set while the log was away: the budget goes by the log."""
    changed, rest = {step.knob for step in steps}, ahead.plan.rest
    found = []
    for knob in budget.order(deployment(settings)):
        size = present[knob].size if knob in present and knob not in changed else None
        logged = ahead.logged.get(knob.group, rest[knob])
        if size is not None and size != logged:
            found.append(Done(Step(knob, Action.NOTE, logged, size, "it was set while nobody could note it")))
    return tuple(found)


def _record(
    ports: PlanPorts, settings: CapacitySettings, now: datetime, trigger: _Trigger, done: Iterable[Done]
) -> bool:
    """The function's own log has them as well, so that a database that is away costs no decision its reason."""
    rest = deployment(settings).rest
    events = [
        ScalingEvent(
            decided_at=now,
            scaling_group=one.step.knob.group,
            action=one.step.action,
            previous_size=one.step.previous,
            new_size=one.step.new,
            new_maximum=one.step.most,
            trigger_metric=trigger.metric,
            trigger_value=trigger.value,
            threshold=None,
            reason=one.step.reason,
            failure=one.failure,
            rest_size=rest(one.step.knob),
        )
        for one in done
    ]
    try:
        if events:
            ports.log.record(events)
    except OutageError:
        return False
    return True


def _measure(ports: PlanPorts, outcome: Outcome, ahead: Upcoming | None) -> None:
    """Weddings only of a round that went well: the alarm that rounds do not is silence."""
    count = ports.metrics.count
    count(Metric.CAPACITY_CHANGED, sum(not done.failure for done in outcome.done))
    if ahead is None:
        count(Metric.CALENDAR_AWAY, 1)
        return
    within = ahead.plan.demand[: HORIZON // SLOT]
    count(Metric.CONNECTIONS_EXPECTED, round(max(demand.connections for demand in within)))
    count(Metric.QUOTA_SHORTAGES, len({short.day for short in ahead.shortages}))
    count(Metric.BUDGET_CUTS, len(ahead.plan.cuts))
    count(Metric.WEDDINGS_WARMED, outcome.warmed)
    if outcome.weddings is not None and not outcome.failures():
        count(Metric.WEDDINGS_TODAY, outcome.weddings)
