"""From the season's multiplier to sizes, and from sizes to the changes that lead there. Every change says why.

What can be sized ("knobs"): the API's tasks at least, per lane the reserved and the provisioned concurrency of its
consumer, and the database, which the fixed peaks leave alone and only a plan by demand (`policy/sizing`) sizes.
Reserved concurrency is what a consumer may use and nobody else can take; provisioned is what of it stands warm, so it
is never more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from carillon.model import Lane
from carillon.policy.lanes import LANES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from carillon.policy.season import Peak


class Kind(StrEnum):
    """What is sized."""

    TASKS = "tasks"
    RESERVED = "reserved"
    PROVISIONED = "provisioned"
    LEAST_ACU = "database.least_acu"
    MOST_ACU = "database.most_acu"
    READERS = "database.readers"


@dataclass(frozen=True, slots=True)
class Knob:
    """One number in AWS; `lane` is None for what is not a lane's."""

    kind: Kind
    lane: Lane | None = None

    @property
    def group(self) -> str:
        """`tasks`, `reserved.critical`, ..."""
        return self.kind.value if self.lane is None else f"{self.kind.value}.{self.lane.word}"


TASKS: Final = Knob(Kind.TASKS)
STOPPED: Final = 0
"""A reserve of nothing is how somebody stops a consumer in an emergency (Lambda's console calls it "Throttle")."""


class Action(StrEnum):
    """What a change does."""

    RAISE = "raise"
    LOWER = "lower"
    RESTORE = "restore"
    """It is set right, but somebody or something changed what comes of it."""
    NOTE = "note"
    """It stands as it should, but the log did not know: it was set while nobody could write there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a deployment has at rest and may have at most.

    Args:
        min_tasks: API tasks at rest.
        max_tasks: API tasks at most.
        lane_max: consumers of a lane at most.
        reserved: reserved concurrency the lanes are deployed with; one that is not there has none, and gets none.
        warm: whether consumers stand warm at rest.
        warm_peaks: whether they stand warm for the season's peaks.
    """

    min_tasks: int
    max_tasks: int
    lane_max: int
    reserved: Mapping[Lane, int]
    warm: bool
    warm_peaks: bool


@dataclass(frozen=True, slots=True)
class Target:
    """The size that a knob should have.

    Args:
        knob: what is sized.
        size: the least there should be.
        reason: why, in words.
        most: what target tracking may raise it to; None where that is not the plan's.
        takes_back: whether what stands above `size` is taken back by force. Target tracking never does that for an
            idle consumer: without calls there is no utilisation, so its alarm has no data.
    """

    knob: Knob
    size: float
    reason: str
    most: float | None = None
    takes_back: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """What AWS says of a knob.

    Args:
        size: what it is set to; None where nothing is set.
        in_force: tasks or environments that have been ordered in fact.
        most: what it can be raised to; None where nothing limits it.
    """

    size: float | None
    in_force: float
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One change: `new` in place of `previous`, and no more than `most` where that is set too."""

    knob: Knob
    action: Action
    previous: float | None
    new: float
    reason: str
    most: float | None = None


def targets(peak: Peak | None, limits: Limits, *, quiet: bool) -> tuple[Target, ...]:
    """The size of every knob during `peak` or at rest.

    Args:
        peak: the one that is on, if any.
        limits: of the deployment.
        quiet: whether so little happens at this hour that warm environments above the plan are a waste.
    """
    multiplier = 1.0 if peak is None else peak.multiplier
    why = "no peak" if peak is None else f"peak of {peak.name}, {multiplier:g}x"
    made = [_sized(TASKS, limits.min_tasks, multiplier, limits.max_tasks, why)]
    for lane in LANES:
        if lane in limits.reserved:
            made.append(_reserved(lane, multiplier, limits, why))
        if limits.warm or limits.warm_peaks:
            made.append(_provisioned(lane, peak, limits, why, quiet=quiet))
    return tuple(made)


def _reserved(lane: Lane, multiplier: float, limits: Limits, why: str) -> Target:
    sized = _sized(Knob(Kind.RESERVED, lane), LANES[lane].concurrency, multiplier, limits.lane_max, why)
    deployed = min(limits.reserved[lane], limits.lane_max)
    return sized if sized.size >= deployed else Target(sized.knob, deployed, f"{why}: {deployed} are deployed")


def _provisioned(lane: Lane, peak: Peak | None, limits: Limits, why: str, *, quiet: bool) -> Target:
    knob, base = Knob(Kind.PROVISIONED, lane), LANES[lane].concurrency
    if peak is not None:
        return replace(_sized(knob, base, peak.multiplier, limits.lane_max, why), most=limits.lane_max)
    if limits.warm:
        return replace(_sized(knob, base, 1, limits.lane_max, why), most=limits.lane_max, takes_back=quiet)
    return Target(knob, 0, f"{why}: consumers stand warm for peaks only", limits.lane_max, takes_back=quiet)


def _sized(knob: Knob, base: int, multiplier: float, most: int, why: str) -> Target:
    asked = math.ceil(round(base * max(1.0, multiplier), 6))
    reason = f"{why}: {base} at rest" + (f" x {multiplier:g} = {asked}" if asked != base else "")
    return Target(knob, min(asked, most), reason + (f", capped at {most}" if asked > most else ""))


def steps(wanted: Iterable[Target], present: Mapping[Knob, Present]) -> tuple[Step, ...]:
    """The changes from what is to what should be, in an order in which AWS takes them; knobs not seen are left alone.

    Reserves are raised before, and lowered after, what stands warm within them.
    """
    found = [
        step for target in wanted if target.knob in present and (step := _DECIDE[target.knob.kind](target, present))
    ]
    return tuple(sorted(found, key=_order))


def _order(step: Step) -> int:
    if step.knob.kind is not Kind.RESERVED:
        return 1
    return 2 if step.action is Action.LOWER else 0


def _tasks(target: Target, present: Mapping[Knob, Present]) -> Step | None:
    """The maximum is not the plan's: whoever lowered it in an emergency meant it."""
    now, size, reason = present[target.knob], target.size, target.reason
    if now.most is not None and size > now.most:
        size, reason = now.most, f"{reason}; its own maximum is {now.most}"
    if size == now.size and now.in_force < size:
        return Step(target.knob, Action.RESTORE, size, size, f"{reason}; only {now.in_force} are there")
    return _moved(target.knob, now.size, size, reason)


def _reserve(target: Target, present: Mapping[Knob, Present]) -> Step | None:
    """Critical's reserve is never lowered, nobody's below what still stands warm in it; a stopped lane stays so."""
    was, size, reason = present[target.knob].size, target.size, target.reason
    if was == STOPPED:
        return None
    if was is not None and size < was:
        if target.knob.lane is Lane.CRITICAL:
            return None
        warm = present.get(Knob(Kind.PROVISIONED, target.knob.lane), Present(None, 0)).in_force
        if warm > size:
            size, reason = min(was, warm), f"{reason}; {warm} still stand warm"
    return _moved(target.knob, was, size, reason)


def _warm(target: Target, present: Mapping[Knob, Present]) -> Step | None:
    """The maximum is the plan's too: for a round it comes down to the minimum to take back what stands idle."""
    now, most = present[target.knob], target.most
    if present.get(Knob(Kind.RESERVED, target.knob.lane), Present(None, 0)).size == STOPPED:
        return None
    if target.takes_back and now.in_force > target.size:
        reason = f"{target.reason}; {now.in_force} stand warm in the quiet hours, the rest is taken back"
        if (now.size, now.most) == (target.size, target.size):
            return None
        return Step(target.knob, Action.LOWER, now.size, target.size, reason, target.size)
    if now.size == target.size and now.in_force < target.size:
        reason = f"{target.reason}; only {now.in_force} are there"
        return Step(target.knob, Action.RESTORE, now.size, target.size, reason, most)
    if now.size == target.size and now.most != most:
        reason = f"{target.reason}; target tracking may go up to {most}, not {now.most}"
        return Step(target.knob, Action.RESTORE, now.size, target.size, reason, most)
    moved = _moved(target.knob, now.size, target.size, target.reason)
    return moved and replace(moved, most=most)


def _moved(knob: Knob, was: float | None, size: float, reason: str) -> Step | None:
    if was == size:
        return None
    return Step(knob, Action.LOWER if was is not None and size < was else Action.RAISE, was, size, reason)


def _database(target: Target, present: Mapping[Knob, Present]) -> Step | None:
    """Its maximum is the deployment's; a reader takes minutes to come, one that is missing is not asked for again."""
    now, size, reason = present[target.knob], target.size, target.reason
    if now.most is not None and size > now.most:
        size, reason = now.most, f"{reason}; its own maximum is {now.most:g}"
    return _moved(target.knob, now.size, size, reason)


_DECIDE: Final = {
    Kind.TASKS: _tasks,
    Kind.RESERVED: _reserve,
    Kind.PROVISIONED: _warm,
    Kind.LEAST_ACU: _database,
    Kind.READERS: _database,
}
