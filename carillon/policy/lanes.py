"""What each lane is promised: its numbers, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from carillon.model import Lane


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """One lane's numbers.

    Args:
        visibility_s: how long the queue hides a message that is being worked on. Short, so that a killed consumer
            delays a wedding by seconds; also the consumer function's time-out.
        attempts: posts per delivery before it is `failed` (it is still served when the person comes back).
        concurrency: consumers at rest; at most 50 under load.
        post_s: longest time for the posts of one chunk.
        outage_ceiling_s: longest wait between two looks at a store that is away, for the first 20 looks.
    """

    visibility_s: int
    attempts: int
    concurrency: int
    post_s: float
    outage_ceiling_s: int


LANES: Final[dict[Lane, LanePolicy]] = {
    Lane.CRITICAL: LanePolicy(visibility_s=15, attempts=5, concurrency=8, post_s=4.0, outage_ceiling_s=5),
    Lane.HIGH: LanePolicy(visibility_s=30, attempts=3, concurrency=6, post_s=8.0, outage_ceiling_s=20),
    Lane.NORMAL: LanePolicy(visibility_s=30, attempts=3, concurrency=4, post_s=8.0, outage_ceiling_s=60),
    Lane.LOW: LanePolicy(visibility_s=30, attempts=3, concurrency=2, post_s=8.0, outage_ceiling_s=300),
}

MAX_RECEIVES: Final = 50
"""The queue's `maxReceiveCount`: high, because an outage hands a message back many times without being its fault."""
MAX_CONCURRENCY: Final = 50
MAX_ESCALATIONS: Final = 5
"""How often a critical broadcast is repeated at most to those who have not acked."""
