"""The token bucket that API Gateway describes for its throttling."""

from gateway.clock import Clock


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` a second.

    Args:
        rate: Tokens a second; 0 never refills.
        burst: Size of the bucket, which is full at first.
        clock: Where seconds are counted.
    """

    __slots__ = ("_burst", "_filled_at_s", "_now", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._now = clock.monotonic
        self._tokens = burst
        self._filled_at_s = self._now()

    def take(self) -> bool:
        """Take one token; False when there is none."""
        now_s = self._now()
        tokens = min(self._burst, self._tokens + (now_s - self._filled_at_s) * self._rate)
        self._filled_at_s = now_s
        taken = tokens >= 1.0
        self._tokens = tokens - 1.0 if taken else tokens
        return taken
