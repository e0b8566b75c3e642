"""What became of one chunk's posts; handed from post to settle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What became of a chunk's posts: by connection what was tried, by person what came of it.

    `refusals` counts the posts that failed, by reason: one person's several devices are several posts.
    """

    tried: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    gone: list[str] = field(default_factory=list)
    first_sent_at: float | None = None
