"""The callback budget: how many posts a lane may make now, so that the account's quota is never overrun.

API Gateway counts all calls of an account in a Region in one token bucket (rate and burst). It is cut in two here: a
reserve that only `critical` draws, and a shared part. Critical takes its reserve first and then the shared part, so it
may use everything; the other lanes take from the shared part alone, so they never draw the reserve, burst included.
`adapters/governor.lua` is the same rule in the store; a contract test keeps the two alike to the last digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from carillon.model import Lane

LEAST_PAUSE_S: Final = 0.01
"""Nobody is asked to come back sooner: under pressure tokens are handed out in small heaps, not one by one."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The quota: `rate` posts per second, `burst` at once; `reserve` is the share of both for critical alone."""

    rate: float
    burst: float
    reserve: float


@dataclass(frozen=True, slots=True)
class State:
    """Tokens left in both parts at the time `at` (seconds)."""

    reserve: float
    shared: float
    at: float


class Draw(NamedTuple):
    """What a lane got: `granted` posts; when 0, how long until one can be had. `state` is the budget afterwards."""

    state: State
    granted: int
    retry_after_s: float


def full(budget: Budget, now: float) -> State:
    """A budget nobody has drawn from."""
    return State(budget.reserve * budget.burst, (1 - budget.reserve) * budget.burst, now)


def draw(budget: Budget, state: State, now: float, lane: Lane, want: int) -> Draw:
    """Take up to `want` posts for `lane` at the time `now`; never more than the lane's parts hold, never half a post.

    A clock that went back refills nothing and counts on from there: waiting for the old time would starve everybody.
    """
    critical = lane is Lane.CRITICAL
    filled = _refill(budget, state, now)
    held = filled.reserve + filled.shared if critical else filled.shared
    granted = max(0, min(want, math.floor(held)))
    from_reserve = min(float(granted), filled.reserve) if critical else 0.0
    left = State(filled.reserve - from_reserve, filled.shared - (granted - from_reserve), now)
    if granted or want <= 0:
        return Draw(left, granted, 0.0)
    rate = budget.rate if critical else budget.rate * (1 - budget.reserve)
    return Draw(left, 0, max(LEAST_PAUSE_S, (1 - held) / rate))


def _refill(budget: Budget, state: State, now: float) -> State:
    new = max(0.0, now - state.at) * budget.rate
    return State(
        min(budget.reserve * budget.burst, state.reserve + budget.reserve * new),
        min((1 - budget.reserve) * budget.burst, state.shared + (1 - budget.reserve) * new),
        now,
    )
