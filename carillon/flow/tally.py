"""What became of one chunk's posts; handed from post to settle."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What became of a chunk's posts: by connection what was tried, by person what came of it."""

    tried: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    first_sent_at: float | None = None
