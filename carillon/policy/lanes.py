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
        dwell_s: the dwell objective: no message stays in the lane for longer, work on it included. Critical: everyone
            of 10,000 within it.
        first_post_ms: from acceptance to the first post, for 95 of 100 broadcasts.
    """

    visibility_s: int
    attempts: int
    concurrency: int
    post_s: float
    outage_ceiling_s: int
    dwell_s: int
    first_post_ms: int

    @property
    def depth(self) -> int:
        """Messages that the consumers at rest can work off within the dwell objective; more of them is a backlog."""
        return self.concurrency * self.dwell_s * MESSAGES_PER_S


MESSAGES_PER_S: Final = 10
"""What a consumer works off at least: a wedding of 100 people costs it well under a tenth of a second."""

LANES: Final[dict[Lane, LanePolicy]] = {
    Lane.CRITICAL: LanePolicy(
        visibility_s=15, attempts=5, concurrency=8, post_s=4.0, outage_ceiling_s=5, dwell_s=5, first_post_ms=100
    ),
    Lane.HIGH: LanePolicy(
        visibility_s=30, attempts=3, concurrency=6, post_s=8.0, outage_ceiling_s=20, dwell_s=20, first_post_ms=250
    ),
    Lane.NORMAL: LanePolicy(
        visibility_s=30, attempts=3, concurrency=4, post_s=8.0, outage_ceiling_s=60, dwell_s=60, first_post_ms=1000
    ),
    Lane.LOW: LanePolicy(
        visibility_s=30, attempts=3, concurrency=2, post_s=8.0, outage_ceiling_s=300, dwell_s=300, first_post_ms=5000
    ),
}

MAX_RECEIVES: Final = 50
"""The queue's `maxReceiveCount`: high, because an outage hands a message back many times without being its fault."""
MAX_CONCURRENCY: Final = 50
MAX_ESCALATIONS: Final = 5
"""How often a critical broadcast is repeated at most to those who have not acked."""
