"""What planning and reacting need of the world: the knobs in AWS, the calendar, a log, and calls at exact times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from carillon.model import Lane
    from carillon.policy.capacity import Knob, Present, Step
    from carillon.policy.demand import Wedding
    from carillon.policy.one_offs import OneOff
    from carillon.ports.callbacks import Metrics

PLANNED: Final = ("plan", "season")
"""What a decision names as its trigger unless it was made in reaction to load."""


class Scaling(Protocol):
    """Reads and sets capacity. Setting what is set already changes nothing, so that two may do it at once.

    Every method raises `ScalingError` when AWS refuses or cannot be reached, tries included.
    """

    def knows(self, knob: Knob) -> bool:
        """Whether this deployment has it: none that was not made with the stack is sized."""
        ...

    def read(self, knob: Knob) -> Present:
        """What is set and in force."""
        ...

    def write(self, step: Step) -> None:
        """Set `new`, the least there should be, and `most` where the step has one."""
        ...

    def order(self, knob: Knob, size: int) -> None:
        """Have so many warm consumers of a lane now, at or above its least, which stays what it is."""
        ...


class Calendar(Protocol):
    """The weddings there are. Every method raises `OutageError` without the store."""

    def weddings(self, start: datetime, end: datetime) -> int:
        """How many that are not canceled begin from `start` on and before `end`."""
        ...

    def between(self, start: datetime, end: datetime) -> Sequence[Wedding]:
        """Those, by their beginning: all of them, read page by page."""
        ...

    def wedding(self, wedding_id: str) -> Wedding | None:
        """One, canceled or not; None when there is none."""
        ...


class OneOffs(Protocol):
    """Calls of the planner at exact times. Every method raises `ScalingError` as `Scaling` does."""

    def standing(self) -> Mapping[datetime, str]:
        """Those that are yet to come: by their time, `policy.one_offs.fingerprint` of what they carry.

        One that must be put again, whatever it carries, has a fingerprint that no call has.
        """
        ...

    def put(self, one_off: OneOff) -> None:
        """Have it called then; one at the same time is replaced."""
        ...

    def drop(self, at: datetime) -> None:
        """Have nothing called then; nothing is fine."""
        ...


class Warming(Protocol):
    """Reads what a wedding's first broadcast will read, so that it is in memory by then."""

    def warm(self, wedding_ids: Sequence[str]) -> int:
        """Warm the teams, preferences, inbox heads and sockets of these weddings; answers how many people they are.

        Raises:
            OutageError: the database is away, or too slow for them all. A cache that is away is no error: it is asked
                again by the flow.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingEvent:
    """A decision on capacity.

    Args:
        decided_at: when.
        scaling_group: `tasks`, `reserved.critical`, `provisioned.low`, `database.least_acu`, ...
        action: `raise`, `lower`, `restore` or `note` of the plan; `scale_up` or `scale_down` in reaction to load.
        previous_size: what was set; None where nothing was.
        new_size: what was decided.
        new_maximum: what target tracking may raise it to, where that was decided as well.
        trigger_metric: what was looked at: `plan`, `season`, or `queued`, `age_s`, `in_use`, ...
        trigger_value: how it stood; of the plan the connections expected, of the season its multiplier.
        threshold: what it was held against; None for plan and season.
        reason: in words.
        failure: what AWS said, if it did not do it.
        rest_size: what stood at rest in the deployment of then; None of what reacts to load.
    """

    decided_at: datetime
    scaling_group: str
    action: str
    previous_size: float | None
    new_size: float
    new_maximum: float | None
    trigger_metric: str
    trigger_value: float
    threshold: float | None
    reason: str
    failure: str
    rest_size: float | None = None


class ScalingLog(Protocol):
    """Keeps decisions, for whoever asks later why. Every method raises `OutageError` without the store."""

    def record(self, events: Sequence[ScalingEvent]) -> None:
        """Keep them."""
        ...

    def made(self, since: datetime) -> Sequence[ScalingEvent]:
        """Those of this Region from then on that were carried out, the earliest first; of the plan and season alone."""
        ...

    def latest(self, limit: int) -> Sequence[ScalingEvent]:
        """The last ones, whatever came of them, the newest first."""
        ...

    def reacted(self) -> Mapping[str, datetime]:
        """When each group was last changed in reaction to load, in the last hour."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSeen:
    """How a lane does; what has no data is None.

    Args:
        queued: messages that wait.
        age_s: of the oldest of them.
        latency_ms: from acceptance to the first post, p95 of the last minutes.
        errors: share of the consumer's calls that failed in the last minutes, 0 to 1.
        in_use: share of the warm consumers that were busy, 0 to 1, for each of the last ten whole minutes, the latest
            last; a minute without a call is 0.
        connections: open in all, the same for every lane.
    """

    queued: float | None
    age_s: float | None
    latency_ms: float | None
    errors: float | None
    in_use: tuple[float, ...]
    connections: float | None = None


class LaneWatch(Protocol):
    """Looks at the lanes."""

    def look(self, now: datetime) -> Mapping[Lane, LaneSeen]:
        """All of them; ScalingError when AWS refuses or cannot be reached, tries included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPorts:
    """All that the planner touches, chosen by `wiring`."""

    scaling: Scaling
    calendar: Calendar
    one_offs: OneOffs
    warming: Warming
    log: ScalingLog
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactPorts:
    """All that reacting to load touches, likewise."""

    scaling: Scaling
    watch: LaneWatch
    log: ScalingLog
    metrics: Metrics
