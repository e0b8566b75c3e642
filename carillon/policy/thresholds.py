"""What reactive scaling looks at and answers: thresholds and cooldowns of both halves of the year, state, decision.

In season (months above 1) capacity is added at 5,000 connections, 1,000 queued messages, 500 ms or 2 % errors; outside
it at 10,000 connections, and taken at 2,000. In any season a queue above 10,000 adds, and one below 1,000 lets go.

Cooldowns are between 3 and 20 minutes, by what a mistake costs. Too little costs messages: adding waits for 3 minutes
in season and 5 outside (what was ordered must stand first). Too much costs cents: taking waits for 20 and for 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from carillon.policy.capacity import Action
    from carillon.policy.profiles import Profile

QUEUE_OUT: Final = 10_000
QUEUE_IN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Mode:
    """The thresholds and cooldowns of one half of the year.

    Args:
        name: in reasons.
        connections_out: capacity is added above it.
        connections_in: and may be taken below it; in season the same fifth as outside (an assumption).
        queued_out: capacity is added above it.
        queued_in: and may be taken below it, in any season.
        latency_ms: capacity is added above it; None where no source names one.
        errors: share of failures above which capacity is added; likewise.
        out_after: from one change to the next that adds.
        in_after: from one change to the next that takes.
    """

    name: str
    connections_out: int
    connections_in: int
    queued_out: int
    queued_in: int
    latency_ms: float | None
    errors: float | None
    out_after: timedelta
    in_after: timedelta


IN_SEASON: Final = Mode(
    "in season", 5_000, 1_000, 1_000, QUEUE_IN, 500.0, 0.02, timedelta(minutes=3), timedelta(minutes=20)
)
OFF_SEASON: Final = Mode(
    "off season", 10_000, 2_000, QUEUE_OUT, QUEUE_IN, None, None, timedelta(minutes=5), timedelta(minutes=10)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What is seen; a metric without data is None, and neither adds nor forbids taking.

    Args:
        connections: open in all.
        queued: messages that wait, in the lane or in all.
        age_s: of the oldest of them.
        latency_ms: from acceptance to the first post, p95.
        errors: share of requests or posts that failed, 0 to 1.
        in_use: share of the capacity that is busy, 0 to 1.
    """

    connections: float | None = None
    queued: float | None = None
    age_s: float | None = None
    latency_ms: float | None = None
    errors: float | None = None
    in_use: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What a decision must remember.

    Args:
        size: as it is.
        changed_at: of the last change; None if there was none.
        calm_since: since when it could do with less; None while it could not.
    """

    size: float
    changed_at: datetime | None = None
    calm_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which sizes a decision may choose.

    Args:
        rest: what the thresholds of connections are meant for.
        least: what the plan asks for now; never below it. For critical's consumers also what they are deployed with.
        most: the hard cap.
    """

    rest: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do.

    Args:
        action: None to leave it.
        size: the new one, or the old.
        reason: in words.
        state: to be kept for the next decision.
        metric: what decided: `connections`, `queued`, `age_s`, ...; empty when nothing did.
        value: how it stood.
        threshold: what it was held against.
    """

    action: Action | None
    size: float
    reason: str
    state: State
    metric: str = ""
    value: float | None = None
    threshold: float | None = None


def mode_at(profile: Profile, now: datetime, zone: ZoneInfo) -> Mode:
    """In season while the profile's month there is above 1."""
    return IN_SEASON if profile.months.get(now.astimezone(zone).month, 1.0) > 1 else OFF_SEASON
