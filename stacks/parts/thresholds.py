"""From which value on an alarm rings: a lane's from its promise, everything else here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from carillon.policy.lanes import LANES, MAX_CONCURRENCY

if TYPE_CHECKING:
    from carillon.model import Lane

CALM: Final = 2
"""On a day without a wedding a promise may be missed by this factor before somebody is told."""


@dataclass(frozen=True, slots=True)
class LaneThresholds:
    """A lane's. What is above one of them is too much.

    Args:
        oldest_s: age of the oldest message.
        depth: messages waiting.
        first_post_ms: from acceptance to the first post, 95th percentile.
    """

    oldest_s: int
    depth: int
    first_post_ms: int


def lane_thresholds(lane: Lane, *, wedding_day: bool) -> LaneThresholds:
    """On a wedding day the promise itself, else `CALM` times as much."""
    policy, factor = LANES[lane], 1 if wedding_day else CALM
    return LaneThresholds(policy.dwell_s * factor, policy.depth * factor, policy.first_post_ms * factor)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is no lane's.

    Args:
        index_misses: percent of look-ups that the connection index may leave to PostgreSQL.
        commit_ms: a commit of the writer; a chunk of 500 people waits for two.
        api_ms: the API's answer, 95th percentile.
    """

    index_misses: int
    commit_ms: int
    api_ms: int


ORDINARY: Final = Thresholds(index_misses=20, commit_ms=40, api_ms=500)
WEDDING_DAY: Final = Thresholds(index_misses=5, commit_ms=20, api_ms=250)

ERROR_SHARE: Final = 5
"""Percent of calls, requests, frames or posts."""
GONE_SHARE: Final = 20
"""Percent of posts answered 410: some always are, for `$disconnect` is best effort."""
NEAR: Final = 80
"""Percent of a limit."""
LANE_CONCURRENCY: Final = MAX_CONCURRENCY * NEAR // 100
OUTBOX_S: Final = 10
"""A relay round comes twice a second; ten seconds are twenty rounds that did not get it away."""
REPLICA_LAG_MS: Final = 1_000
"""Reports may be a moment old, not more."""
BALANCER_ERRORS: Final = 5
"""A minute, made by the balancer itself: no task answered."""
SOCKET_FAILURES: Final = 5
"""A minute, in which API Gateway could not call a function at all."""
WAITING_MINUTES: Final = 15
"""For how long a dead letter may wait to be filed."""
