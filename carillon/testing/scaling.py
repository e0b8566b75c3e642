"""What planning and reacting need of the world, in memory: knobs, calendar, log, one-off calls, warming and a watch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from carillon.errors import OutageError, ScalingError
from carillon.policy.capacity import Kind, Knob
from carillon.policy.one_offs import fingerprint
from carillon.ports.scaling import PLANNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from carillon.model import Lane
    from carillon.policy.capacity import Present, Step
    from carillon.policy.demand import Wedding
    from carillon.policy.one_offs import OneOff
    from carillon.ports.scaling import LaneSeen, ScalingEvent

_AT_ONCE: Final = (Kind.RESERVED, Kind.LEAST_ACU, Kind.MOST_ACU)
"""What has no target tracking above it: what is set is in force."""


@dataclass
class MemoryScaling:
    """See `ports.scaling.Scaling`; ordering takes no time.

    Args:
        knobs: what is set; a knob that is not among them was not deployed.
        refusing: by group, what AWS says instead of setting it.
        unreadable: by group, what it says instead of answering.
        written: the steps taken.
        ordered: the orders taken, by knob and size.
    """

    knobs: dict[Knob, Present]
    refusing: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    written: list[Step] = field(default_factory=list)
    ordered: list[tuple[Knob, int]] = field(default_factory=list)

    def knows(self, knob: Knob) -> bool:
        """Whether it was deployed."""
        return knob in self.knobs

    def read(self, knob: Knob) -> Present:
        """What is set."""
        if knob.group in self.unreadable:
            raise ScalingError(self.unreadable[knob.group])
        return self._present(knob)

    def write(self, step: Step) -> None:
        """Set it, as AWS would: the minimum stays under the maximum."""
        was = self._taken(step.knob)
        most = was.most if step.most is None else step.most
        if most is not None and step.new > most:
            raise ScalingError(f"the minimum {step.new:g} is above the maximum {most:g}")
        self.written.append(step)
        if step.knob.kind in _AT_ONCE:
            self.knobs[step.knob] = replace(was, size=step.new, in_force=step.new)
            return
        ordered = max(step.new, was.in_force if most is None else min(was.in_force, most))
        self.knobs[step.knob] = replace(was, size=step.new, in_force=ordered, most=most)

    def order(self, knob: Knob, size: int) -> None:
        """Have so many warm, as AWS would: from the least to the most, and within the lane's reserve."""
        was = self._taken(knob)
        if knob.kind is not Kind.PROVISIONED:
            raise ScalingError(f"{knob.group} is nothing that stands warm")
        reserve = self.knobs.get(Knob(Kind.RESERVED, knob.lane))
        for most in (was.most, reserve.size if reserve else None):
            if most is not None and size > most:
                raise ScalingError(f"{knob.group}: {size} are more than {most:g}")
        if size < (was.size or 0):
            raise ScalingError(f"{knob.group}: {size} are less than {was.size:g}")
        self.ordered.append((knob, size))
        self.knobs[knob] = replace(was, in_force=size)

    def _taken(self, knob: Knob) -> Present:
        if knob.group in self.refusing:
            raise ScalingError(self.refusing[knob.group])
        return self._present(knob)

    def _present(self, knob: Knob) -> Present:
        if knob not in self.knobs:
            raise ScalingError(f"{knob.group} is not deployed")
        return self.knobs[knob]


@dataclass
class MemoryCalendar:
    """See `ports.scaling.Calendar`; a test may change what it holds."""

    held: list[Wedding] = field(default_factory=list)
    away: bool = False

    def weddings(self, start: datetime, end: datetime) -> int:
        """Count them."""
        return len(self.between(start, end))

    def between(self, start: datetime, end: datetime) -> list[Wedding]:
        """Those of them."""
        self._ask()
        found = (one for one in self.held if start <= one.starts_at < end and not one.canceled)
        return sorted(found, key=lambda one: (one.starts_at, one.wedding_id))

    def wedding(self, wedding_id: str) -> Wedding | None:
        """The one of that name."""
        self._ask()
        return next((one for one in self.held if one.wedding_id == wedding_id), None)

    def _ask(self) -> None:
        if self.away:
            raise OutageError("the database is away")


@dataclass
class MemoryOneOffs:
    """See `ports.scaling.OneOffs`.

    Args:
        calls: those that are yet to come.
        refusing: what AWS says instead of doing or answering anything.
    """

    calls: dict[datetime, OneOff] = field(default_factory=dict)
    refusing: str = ""

    def standing(self) -> dict[datetime, str]:
        """Those yet to come, told apart by what they carry."""
        self._ask()
        return {at: fingerprint(one) for at, one in self.calls.items()}

    def put(self, one_off: OneOff) -> None:
        """Have it called."""
        self._ask()
        self.calls[one_off.at] = one_off

    def drop(self, at: datetime) -> None:
        """Have it not called."""
        self._ask()
        self.calls.pop(at, None)

    def _ask(self) -> None:
        if self.refusing:
            raise ScalingError(self.refusing)


@dataclass
class MemoryWarming:
    """See `ports.scaling.Warming`.

    Args:
        people: how many a wedding has.
        warmed: the weddings it was asked for, in that order.
        away: whether the database is.
    """

    people: Mapping[str, int] = field(default_factory=dict)
    warmed: list[str] = field(default_factory=list)
    away: bool = False

    def warm(self, wedding_ids: Sequence[str]) -> int:
        """Keep their names; one that nobody knows has nobody."""
        if self.away:
            raise OutageError("the database is away")
        self.warmed.extend(wedding_ids)
        return sum(self.people.get(one, 0) for one in wedding_ids)


@dataclass
class MemoryScalingLog:
    """See `ports.scaling.ScalingLog`.

    Args:
        events: what was recorded, or what a test says was.
        away: whether the database is.
        now: what time it is; None for that of the latest event.
    """

    events: list[ScalingEvent] = field(default_factory=list)
    away: bool = False
    now: datetime | None = None

    def record(self, events: Sequence[ScalingEvent]) -> None:
        """Keep them."""
        self._ask()
        self.events.extend(events)

    def made(self, since: datetime) -> list[ScalingEvent]:
        """Those of the plan and the season that were carried out."""
        found = [one for one in self._ordered() if one.trigger_metric in PLANNED and not one.failure]
        return [one for one in found if one.decided_at >= since]

    def latest(self, limit: int) -> list[ScalingEvent]:
        """The last of them, the newest first."""
        return self._ordered()[::-1][:limit]

    def reacted(self) -> dict[str, datetime]:
        """The newest of each group within the hour."""
        found = [one for one in self._ordered() if one.trigger_metric not in PLANNED and not one.failure]
        now = self.now or max((one.decided_at for one in self.events), default=None)
        hour = timedelta(hours=1)
        return {one.scaling_group: one.decided_at for one in found if now is not None and one.decided_at > now - hour}

    def _ordered(self) -> list[ScalingEvent]:
        self._ask()
        return sorted(self.events, key=lambda one: one.decided_at)

    def _ask(self) -> None:
        if self.away:
            raise OutageError("the database is away")


@dataclass
class MemoryLaneWatch:
    """See `ports.scaling.LaneWatch`.

    Args:
        seen: how the lanes do.
        away: whether CloudWatch is.
    """

    seen: dict[Lane, LaneSeen] = field(default_factory=dict)
    away: bool = False

    def look(self, now: datetime) -> dict[Lane, LaneSeen]:
        """All of them, at any time."""
        if self.away:
            raise ScalingError("CloudWatch is away")
        return dict(self.seen)
