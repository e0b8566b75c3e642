"""What the planner needs of the world: the knobs in AWS, and how many weddings a day has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.policy.capacity import Knob, Present, Step
    from carillon.ports.callbacks import Metrics


class Scaling(Protocol):
    """Reads and sets capacity. Setting what is set already changes nothing, so that two may do it at once.

    Every method raises `ScalingError` when AWS refuses or cannot be reached, tries included.
    """

    def read(self, knob: Knob) -> Present:
        """What is set and in force."""
        ...

    def write(self, step: Step) -> None:
        """Set `new`, and `most` where the step has one."""
        ...


class Calendar(Protocol):
    """The weddings there are."""

    def weddings(self, start: datetime, end: datetime) -> int:
        """How many that are not canceled begin from `start` on and before `end`; OutageError without the store."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingEvent:
    """A decision on capacity.

    Args:
        decided_at: when.
        scaling_group: `tasks`, `reserved.critical`, `provisioned.low`, ...
        action: `raise`, `lower` or `restore`.
        previous_size: what was set; None where nothing was.
        new_size: what was decided.
        new_maximum: what target tracking may raise it to, where that was decided as well.
        trigger_metric: what was looked at: `season`, or a metric's name.
        trigger_value: how it stood; the season's multiplier.
        threshold: what it was held against; None for the season.
        reason: in words.
        failure: what AWS said, if it did not do it.
    """

    decided_at: datetime
    scaling_group: str
    action: str
    previous_size: int | None
    new_size: int
    new_maximum: int | None
    trigger_metric: str
    trigger_value: float
    threshold: float | None
    reason: str
    failure: str


class ScalingLog(Protocol):
    """Keeps decisions, for whoever asks later why."""

    def record(self, events: Sequence[ScalingEvent]) -> None:
        """Keep them; OutageError without the store."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPorts:
    """All that the planner touches, chosen by `wiring`."""

    scaling: Scaling
    calendar: Calendar
    log: ScalingLog
    metrics: Metrics
