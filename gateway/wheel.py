"""One timer for every deadline: a wheel of one-second slots, so that ten thousand idle connections cost nothing."""

from collections.abc import Callable
from typing import Protocol

from gateway.clock import Clock, Timer


class Expiring(Protocol):
    """Something with a deadline that may move while it waits."""

    slot: int

    def deadline_s(self) -> float:
        """Return the moment on the clock's monotonic axis at which `expire` is due."""

    def expire(self) -> None:
        """End: the deadline has passed."""


class Wheel:
    """Looks once a second at what may be due.

    A deadline that moved later (a message came) costs nothing when it moves: the item is looked at in its old slot
    and put into the new one then. A deadline that moves earlier needs `add` again.

    Args:
        clock: Whose seconds count.
        on_tick: Called each tick with the seconds it came late, for the loop's lag.
    """

    def __init__(self, clock: Clock, on_tick: Callable[[float], None] | None = None) -> None:
        self._clock = clock
        self._on_tick = on_tick
        self._slots: dict[int, set[Expiring]] = {}
        self._done_to = int(clock.monotonic())
        self._timer: Timer | None = None
        self._due_s = 0.0

    def start(self) -> None:
        """Begin to tick."""
        self._due_s = self._clock.monotonic() + 1.0
        self._timer = self._clock.call_later(1.0, self._tick)

    def stop(self) -> None:
        """Stop ticking and forget everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()

    def add(self, item: Expiring) -> None:
        """Watch `item`, or put it where its new deadline belongs."""
        self.remove(item)
        item.slot = max(int(item.deadline_s()) + 1, self._done_to + 1)
        self._slots.setdefault(item.slot, set()).add(item)

    def remove(self, item: Expiring) -> None:
        """Watch `item` no longer."""
        items = self._slots.get(item.slot)
        if items is not None:
            items.discard(item)
            if not items:
                del self._slots[item.slot]

    def _tick(self) -> None:
        now_s = self._clock.monotonic()
        if self._on_tick is not None:
            self._on_tick(max(0.0, now_s - self._due_s))
        self._due_s = now_s + 1.0
        self._timer = self._clock.call_later(1.0, self._tick)
        for slot in range(self._done_to + 1, int(now_s) + 1):
            self._done_to = slot
            for item in self._slots.pop(slot, ()):
                if item.deadline_s() <= now_s:
                    item.expire()
                else:
                    self.add(item)
