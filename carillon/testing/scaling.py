"""The planner's knobs and the wedding calendar in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from carillon.errors import OutageError, ScalingError
from carillon.policy.capacity import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.policy.capacity import Knob, Present, Step
    from carillon.ports.scaling import ScalingEvent


@dataclass
class MemoryScaling:
    """See `ports.scaling.Scaling`; ordering takes no time.

    Args:
        knobs: what is set.
        refusing: by group, what AWS says instead of setting it.
        unreadable: by group, what it says instead of answering.
        written: the steps taken.
    """

    knobs: dict[Knob, Present]
    refusing: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    written: list[Step] = field(default_factory=list)

    def read(self, knob: Knob) -> Present:
        """What is set."""
        if knob.group in self.unreadable:
            raise ScalingError(self.unreadable[knob.group])
        return self.knobs[knob]

    def write(self, step: Step) -> None:
        """Set it, as AWS would: warm environments fit into the reserve, the minimum under the maximum."""
        if step.knob.group in self.refusing:
            raise ScalingError(self.refusing[step.knob.group])
        was = self.knobs[step.knob]
        most = was.most if step.most is None else step.most
        if most is not None and step.new > most:
            raise ScalingError(f"the minimum {step.new} is above the maximum {most}")
        self.written.append(step)
        if step.knob.kind is Kind.RESERVED:
            self.knobs[step.knob] = replace(was, size=step.new, in_force=step.new)
            return
        ordered = max(step.new, was.in_force if most is None else min(was.in_force, most))
        self.knobs[step.knob] = replace(was, size=step.new, in_force=ordered, most=most)


@dataclass
class MemoryCalendar:
    """See `ports.scaling.Calendar`."""

    starts: list[datetime] = field(default_factory=list)
    away: bool = False

    def weddings(self, start: datetime, end: datetime) -> int:
        """Count them."""
        if self.away:
            raise OutageError("the database is away")
        return sum(start <= one < end for one in self.starts)


@dataclass
class MemoryScalingLog:
    """See `ports.scaling.ScalingLog`."""

    events: list[ScalingEvent] = field(default_factory=list)
    away: bool = False

    def record(self, events: Sequence[ScalingEvent]) -> None:
        """Keep them."""
        if self.away:
            raise OutageError("the database is away")
        self.events.extend(events)
