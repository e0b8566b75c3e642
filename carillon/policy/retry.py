"""When something is tried again: `jitter` is a number in [0, 1) from the caller, delays are whole seconds (SQS)."""

from __future__ import annotations

from typing import Final

from carillon.model import Lane
from carillon.policy.lanes import LANES

_PATIENT_AFTER: Final = 20
_OUTAGE_MOST_S: Final = 300
_BUSY_MOST_S: Final = 30
UNEXPECTED_MOST: Final = 5
"""Receives of a message that fails for a reason nobody foresaw before it is taken for poison."""


def outage_delay_s(lane: Lane, receives: int, jitter: float) -> int:
    """Full jitter up to the lane's ceiling, and up to 5 min once the outage is a long one.

    The patience keeps the queue's `maxReceiveCount` of 50 from running out in an outage of under an hour.
    """
    ceiling = LANES[lane].outage_ceiling_s if receives <= _PATIENT_AFTER else _OUTAGE_MOST_S
    return 1 + int(jitter * (min(ceiling, 2**receives) - 1))


def busy_delay_s(lane: Lane, receives: int, jitter: float) -> int:
    """After 429 or 5xx for somebody who is connected: critical within a second, the others with full jitter."""
    if lane is Lane.CRITICAL:
        return 1
    return 1 + int(jitter * (min(_BUSY_MOST_S, 2**receives) - 1))
