"""Named points in time of one session. The driver calls `tick` at `next_due`; nothing here knows a clock."""

from __future__ import annotations


class Timers:
    """At most a dozen timers, so that a scan is cheaper than a heap."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def set(self, name: str, due_ms: float) -> None:
        """(Re)start a timer."""
        self._due[name] = due_ms

    def clear(self, *names: str) -> None:
        """Stop timers; without names all of them."""
        if not names:
            self._due.clear()
        for name in names:
            self._due.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._due

    def next_due(self) -> float | None:
        """When the next one is due, in milliseconds of the clock of the inputs; None when none runs."""
        return min(self._due.values(), default=None)

    def pop(self, now_ms: float) -> str | None:
        """Stop and name the earliest timer that is due; None when none is. Ties go by name, the same everywhere."""
        due = min(((at, name) for name, at in self._due.items() if at <= now_ms), default=None)
        if due is None:
            return None
        del self._due[due[1]]
        return due[1]
