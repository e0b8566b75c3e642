"""Plan: what the season asks for now, what AWS has, and the changes between the two.

A change that fails stops no other. The wedding calendar is read last: without it the season's schedule holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from carillon.errors import OutageError, ScalingError
from carillon.model import Lane
from carillon.names import Metric
from carillon.policy import capacity, season
from carillon.policy.capacity import Kind, Limits
from carillon.ports.scaling import ScalingEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from carillon.config import PlanSettings
    from carillon.policy.capacity import Knob, Present, Step, Target
    from carillon.ports.scaling import PlanPorts, Scaling


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
        unseen: what could not be read, and why.
        weddings: of the local day; None when the calendar is away.
        recorded: whether the changes could be kept in the log.
        dry_run: whether nothing was changed.
    """

    at: datetime
    peak: str
    done: tuple[Done, ...]
    unseen: tuple[str, ...]
    weddings: int | None
    recorded: bool
    dry_run: bool

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
        }


def plan(ports: PlanPorts, settings: PlanSettings, now: datetime, *, dry_run: bool = False) -> Outcome:
    """Bring capacity to what the season asks for at `now`.

    Idempotent, and absolute: what was changed by hand or by a deployment is set right again.

    Raises:
        ConfigError: the profile or the time zone is not known.
    """
    profile, zone = season.profile(settings.season), season.zone(settings.time_zone)
    peak = season.peak_at(profile, now, zone)
    targets = capacity.targets(peak, limits(settings), quiet=season.is_quiet(profile, now, zone))
    present, unseen = _look(ports.scaling, targets)
    steps = capacity.steps(targets, present)
    done = tuple(map(Done, steps)) if dry_run else _carry_out(ports.scaling, steps, present)
    recorded = not dry_run and _record(ports, now, peak.multiplier if peak else 1.0, done)
    weddings = _weddings(ports, now, settings)
    outcome = Outcome(now, peak.name if peak else "", done, unseen, weddings, recorded, dry_run)
    if not dry_run and outcome.weddings is not None and not outcome.failures():
        ports.metrics.count(Metric.WEDDINGS_TODAY, outcome.weddings)
    return outcome


def limits(settings: PlanSettings) -> Limits:
    """The deployment's sizes."""
    sizes = {lane: settings.reserved.size(lane.word) for lane in Lane}
    return Limits(
        min_tasks=settings.min_tasks,
        max_tasks=settings.max_tasks,
        lane_max=settings.lane_max,
        reserved={lane: size for lane, size in sizes.items() if size is not None},
        warm=settings.warm,
        warm_peaks=settings.warm_peaks,
    )


def _look(scaling: Scaling, targets: Iterable[Target]) -> tuple[dict[Knob, Present], tuple[str, ...]]:
    present, unseen = {}, []
    for target in targets:
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
            step = replace(planned, new=min(planned.new, held), reason=f"{planned.reason}; the reserve holds {held}")
        if step.new == present[step.knob].size and step != planned:
            continue
        try:
            scaling.write(step)
        except ScalingError as error:
            done.append(Done(step, error.message))
        else:
            done.append(Done(step))
    return tuple(done)


def _weddings(ports: PlanPorts, now: datetime, settings: PlanSettings) -> int | None:
    try:
        return ports.calendar.weddings(*season.day_at(now, season.zone(settings.time_zone)))
    except OutageError:
        return None


def _record(ports: PlanPorts, now: datetime, multiplier: float, done: Iterable[Done]) -> bool:
    """The function's own log has them as well, so that a database that is away costs no decision its reason."""
    events = [
        ScalingEvent(
            decided_at=now,
            scaling_group=one.step.knob.group,
            action=one.step.action,
            previous_size=one.step.previous,
            new_size=one.step.new,
            new_maximum=one.step.most,
            trigger_metric="season",
            trigger_value=multiplier,
            threshold=None,
            reason=one.step.reason,
            failure=one.failure,
        )
        for one in done
    ]
    try:
        if events:
            ports.log.record(events)
    except OutageError:
        return False
    return True
