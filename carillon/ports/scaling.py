"""What the planner needs of the world: the knobs in AWS, and how many weddings a day has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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
class PlanPorts:
    """All that the planner touches, chosen by `wiring`."""

    scaling: Scaling
    calendar: Calendar
    metrics: Metrics
