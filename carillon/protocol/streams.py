"""One lane's stream on the client: what was had, what is held back behind a gap, and what is known to exist."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from carillon.protocol.server_frames import EventFrame

HELD_LIMIT: Final = 1_000
"""Events held back per lane; beyond it they are dropped and asked for again, so that memory stays bounded."""


class Held(Enum):
    """What became of an event that was to be held back."""

    KEPT = auto()
    ALREADY = auto()
    NO_ROOM = auto()


class Stream:
    """Offsets of one lane.

    Attributes:
        position: the last offset had without a gap; None until the server told the first.
        known: the highest offset known to exist.
        spilled: an event was dropped since the last question, for want of room or because its epoch is another.
    """

    __slots__ = ("_held", "known", "position", "spilled")

    def __init__(self, position: int | None = None) -> None:
        self.position = position
        self.known = position or 0
        self.spilled = False
        self._held: dict[int, EventFrame] = {}

    @property
    def gap(self) -> bool:
        """Whether an event is known to exist that was not had."""
        return self.known > (self.position or 0)

    def hold(self, event: EventFrame) -> Held:
        """Keep an event until its turn, if it is not kept already and there is room."""
        offset = event.offset
        assert offset is not None
        self.known = max(self.known, offset)
        held = self._held.get(offset)
        if held is not None and held.attempt >= event.attempt:
            return Held.ALREADY
        if held is None and len(self._held) >= HELD_LIMIT:
            self.spilled = True
            return Held.NO_ROOM
        self._held[offset] = event
        return Held.KEPT

    def take(self) -> EventFrame | None:
        """The held event whose turn it is, which then counts as had."""
        if not self._held or self.position is None:
            return None
        event = self._held.pop(self.position + 1, None)
        if event is not None:
            self.position += 1
        return event

    def reach(self, offset: int) -> int:
        """Count everything up to `offset` as had; tells how many held events this drops as duplicates."""
        self.position = max(self.position or 0, offset)
        self.known = max(self.known, self.position)
        stale = [held for held in self._held if held <= self.position]
        for held in stale:
            del self._held[held]
        return len(stale)

    def restart(self, epoch: str) -> None:
        """A new epoch: forget the position, keep only what was held of that epoch."""
        self.position = None
        self._held = {offset: event for offset, event in self._held.items() if event.epoch == epoch}
        self.known = max(self._held, default=0)


class Recent:
    """The last few event ids with a number each; the oldest are forgotten beyond the limit."""

    __slots__ = ("_limit", "_seen")

    def __init__(self, limit: int = 128) -> None:
        self._limit = limit
        self._seen: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._seen

    def get(self, event_id: str) -> int:
        """The number remembered, 0 when unknown."""
        return self._seen.get(event_id, 0)

    def add(self, event_id: str, number: int = 1) -> None:
        """Remember an id."""
        self._seen[event_id] = number
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
