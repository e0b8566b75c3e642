"""What the gateway knows about itself, for `/_status`."""

import os
import resource
import sys
from pathlib import Path


def resident_bytes() -> int:
    """Return the memory this process holds now, in bytes; where that is unknown, its highest so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def raise_file_limit() -> int:
    """Let this process open as many files as it may; return that number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Gauges:
    """Rates and the loop's lag, taken once a second.

    Attributes:
        posts_per_s: Posts answered in the last second.
        messages_per_s: Messages received from clients in the last second.
        lag_ms: How late the last tick came.
        worst_lag_ms: The latest tick of the last minute or two.
    """

    def __init__(self) -> None:
        self.posts_per_s = 0
        self.messages_per_s = 0
        self.lag_ms = 0.0
        self._posts = 0
        self._messages = 0
        self._ticks = 0
        self._worst = [0.0, 0.0]

    @property
    def worst_lag_ms(self) -> float:
        """Return the worst lag of this minute and the one before."""
        return max(self._worst)

    def tick(self, late_s: float, posts: int, messages: int) -> None:
        """Take one second's figures.

        Args:
            late_s: How late the tick came.
            posts: Posts so far.
            messages: Messages so far.
        """
        self.lag_ms = late_s * 1000
        self._ticks += 1
        if self._ticks % 60 == 0:
            self._worst = [self._worst[1], 0.0]
        self._worst[1] = max(self._worst[1], self.lag_ms)
        self.posts_per_s, self._posts = posts - self._posts, posts
        self.messages_per_s, self._messages = messages - self._messages, messages
