"""Time as the gateway sees it: one clock for every timer, so that a test can let two hours pass at once."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A callback that has been asked for and may still be called off."""

    def cancel(self) -> None:
        """Call the callback off; harmless when it already ran."""


class Clock(Protocol):
    """Where the gateway reads time and asks for callbacks."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""

    def time(self) -> float:
        """Return seconds since 1970-01-01 UTC."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` on the event loop `delay_s` seconds from now."""


class SystemClock:
    """The machine's time and the running event loop's timers."""

    # Called for every post: no frame of ours in between.
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Ask the running event loop."""
        return asyncio.get_running_loop().call_later(delay_s, callback)


class _DrivenTimer:
    """One entry of a `DrivenClock`."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Call the callback off."""
        self.callback = None


class DrivenClock:
    """A clock that stands still until `advance` moves it.

    Args:
        start_s: What `time()` answers at first, in seconds since 1970.
    """

    def __init__(self, start_s: float = 1_780_000_000.0) -> None:
        self._start_s = start_s
        self._now_s = 0.0
        self._due: list[tuple[float, int, _DrivenTimer]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._now_s

    def time(self) -> float:
        """Return the start plus the seconds advanced so far."""
        return self._start_s + self._now_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Keep `callback` until `advance` passes its moment."""
        timer = _DrivenTimer(callback)
        heapq.heappush(self._due, (self._now_s + max(delay_s, 0.0), next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass: run what falls due, in order, each at its own moment."""
        end_s = self._now_s + seconds
        while self._due and self._due[0][0] <= end_s:
            self._now_s, _, timer = heapq.heappop(self._due)
            if timer.callback is not None:
                timer.callback()
        self._now_s = end_s
