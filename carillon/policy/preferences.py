"""Whether, when and how a person gets a broadcast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from carillon.model import Kind, Lane, Status
from carillon.policy import quiet_hours

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.model import Recipient


@dataclass(frozen=True, slots=True)
class Decision:
    """`QUEUED`, `FILTERED` (with the `reason`) or `DELAYED` (until `release_at`); no post without `realtime`."""

    status: Status
    realtime: bool = True
    reason: str | None = None
    release_at: datetime | None = None


def decide(recipient: Recipient, lane: Lane, kind: Kind, now: datetime) -> Decision:
    """Critical bypasses everything; then opt-outs, then channels, then quiet hours (which only a post would break)."""
    chosen = recipient.preferences
    if lane is Lane.CRITICAL:
        return Decision(Status.QUEUED)
    if chosen.critical_only:
        return Decision(Status.FILTERED, reason="critical_only")
    if kind not in chosen.kinds:
        return Decision(Status.FILTERED, reason="kind")
    if not chosen.realtime:
        return (
            Decision(Status.QUEUED, realtime=False) if chosen.in_app else Decision(Status.FILTERED, reason="channels")
        )
    until = quiet_hours.release_at(chosen.quiet, quiet_hours.zone_for(recipient, now), now)
    return Decision(Status.DELAYED, release_at=until) if until else Decision(Status.QUEUED)
