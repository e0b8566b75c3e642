"""The callback budget: how long posts wait because API Gateway's rate is shared, by the real governor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from carillon.model import Lane
from carillon.policy.governor import Budget, draw, full
from simulate.figures import figure

if TYPE_CHECKING:
    from simulate.clock import Clock
    from simulate.load import Load
    from simulate.weddings import Flags, Floats

CALM: Final = 0.4
"""Share of the rate in use below which nobody waits: a burst is half a second of it."""
LEAST_RATE: Final = 500.0
"""What is left for posts where frames alone fill the quota. An assumption: API Gateway knows no precedence."""


def throttled_s(clock: Clock, load: Load, quota: float) -> Floats:
    """How long the last post of a bucket waits, by lane and bucket; second by second where the rate is short.

    Args:
        clock: the buckets.
        load: posts, and frames that spend the same rate.
        quota: API Gateway's requests per second; its bucket grows with it.
    """
    made = np.zeros_like(load.posts_s)
    burst = figure("callback_burst") * quota / figure("callback_rps")
    waiting = [0.0] * len(Lane)
    for place in np.flatnonzero(_pressed(load, quota)).tolist():
        rate = max(LEAST_RATE, quota - float(load.frames_s[place]))
        budget = Budget(rate, burst, figure("callback_reserve"))
        waiting = _second_by_second(clock, budget, load.posts_s[:, place].tolist(), waiting)
        made[:, place] = [
            left / (rate if lane == Lane.CRITICAL else rate * (1 - budget.reserve)) for lane, left in enumerate(waiting)
        ]
    return made


def _pressed(load: Load, quota: float) -> Flags:
    """Buckets with pressure, and those after them until what waits is gone."""
    over = np.cumsum(load.requests_s - 0.8 * quota)
    left = over - np.minimum(np.minimum.accumulate(over), 0)
    made: Flags = (left > 0) | (load.requests_s > CALM * quota)
    return made


def _second_by_second(clock: Clock, budget: Budget, posts_s: list[float], waiting: list[float]) -> list[float]:
    state = full(budget, 0.0)
    for second in range(1, int(clock.bucket_s) + 1):
        for lane in Lane:
            waiting[lane] += posts_s[lane]
            state, granted, _ = draw(budget, state, float(second), lane, int(np.ceil(waiting[lane])))
            waiting[lane] = max(0.0, waiting[lane] - granted)
    return waiting
