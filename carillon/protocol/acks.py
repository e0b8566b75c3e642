"""Which acks are owed. Cumulative per lane, and batched: every frame counts against API Gateway's 10,000 a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carillon.model import Lane

if TYPE_CHECKING:
    from collections.abc import Mapping

DELAY_MS: Final = 200
SPREAD_MS: Final = 800
"""An ack leaves 0.2 to 1.0 s after the first event it covers; at once when a critical one is among them."""


class Acks:
    """Owed acks of one inbox; `automatic` acks what was shown, otherwise only what was acked by hand counts."""

    __slots__ = ("_owed", "_sent_here", "automatic", "by_hand", "urgent")

    def __init__(self, *, automatic: bool) -> None:
        self.automatic = automatic
        self.urgent = False
        self.by_hand: dict[Lane, int] = {}
        self._owed: set[Lane] = set()
        self._sent_here: set[Lane] = set()

    @property
    def owed(self) -> bool:
        """Whether there is something to send."""
        return bool(self._owed)

    def had(self, lane: Lane) -> None:
        """An event or tombstone of the lane was had."""
        if self.automatic:
            self._owe(lane)

    def hand(self, lane: Lane, offset: int) -> None:
        """A person acked up to `offset`."""
        self.by_hand[lane] = max(self.by_hand.get(lane, 0), offset)
        self._owe(lane)

    def again(self, lane: Lane, offset: int) -> None:
        """The server sent `offset` again, so it evidently lacks the ack, if there was one."""
        if self.automatic or self.by_hand.get(lane, 0) >= offset:
            self._owe(lane)
            self.urgent = True

    def _owe(self, lane: Lane) -> None:
        self._owed.add(lane)
        self.urgent = self.urgent or lane is Lane.CRITICAL

    def take(self, positions: Mapping[Lane, int]) -> dict[Lane, int]:
        """What to send now, empty when nothing is owed."""
        source = positions if self.automatic else self.by_hand
        offsets = {lane: source[lane] for lane in sorted(self._owed) if source.get(lane)}
        self._sent_here |= self._owed
        self._owed.clear()
        self.urgent = False
        return offsets

    def line_lost(self) -> None:
        """Acks have no answer: what was sent on a connection that broke may be lost, so it is owed again."""
        self._owed |= self._sent_here
        self._sent_here.clear()

    def restart(self) -> None:
        """A new epoch: what was acked by hand belongs to the old one."""
        self.by_hand.clear()
        self._owed.clear()
        self._sent_here.clear()
        self.urgent = False
