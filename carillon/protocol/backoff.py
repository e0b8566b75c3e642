"""How long to wait before the next attempt to connect: full jitter, so that a thousand phones do not come back at once.

Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter does the least work.
"""

from __future__ import annotations

from typing import Final

BASE_MS: Final = 500
CAP_MS: Final = 30_000
STEADY_MS: Final = 10_000
"""A connection that was live for this long was a good one: the next wait starts from the base again."""


def delay_ms(attempt: int, random: float) -> float:
    """The wait before attempt number `attempt` (from 0), for a random number in [0, 1)."""
    # the exponent is capped because 2.0**1024 overflows after a long night offline
    return random * min(CAP_MS, BASE_MS * 2.0 ** min(attempt, 10))
