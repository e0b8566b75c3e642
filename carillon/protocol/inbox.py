"""The inbox on the client: four streams that show every event once and in order, ask for what is missing, and ack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from carillon.model import RETRACTED, Lane
from carillon.names import INBOX
from carillon.protocol import acks as ack_rules
from carillon.protocol.acks import Acks
from carillon.protocol.client_frames import Ack, Recover, Subscribe, Sync
from carillon.protocol.effects import Effect, Remind, Retract, Send, Show
from carillon.protocol.server_frames import EventFrame, Subscribed, Synced, Tombstone
from carillon.protocol.statistics import Statistics
from carillon.protocol.streams import Held, Recent, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from carillon.protocol.timers import Timers

GRACE_MS: Final = 300
"""How long a late frame may take to fill a gap before the client asks; +-25 % so that clients do not ask in step."""
ANSWER_MS: Final = 10_000
"""How long an answer to `subscribe` may take before it is sent again."""
ASK_LIMIT: Final = 3
"""Unanswered `subscribe` frames on one connection before the connection is given up."""
STUCK_MS: Final = 1_000
"""The wait after a page that says there is more and brings nothing."""
MEMORY: Final = 128
"""Event ids remembered: shown, canceled and reminded ones. Offsets tell duplicates; ids only matter where there is no
offset, or where a new epoch or a lost position brings events again."""


class Inbox:
    """State of the channel `inbox`, across connections. The session owns the connection and calls in here.

    Args:
        jitter: gives numbers in [0, 1).
        timers: shared with the session.
        position: `{"epoch": ..., "offsets": {lane: offset}}` as `position` gave it earlier, or None.
        automatic: ack what was shown.
    """

    def __init__(
        self, jitter: Callable[[], float], timers: Timers, position: Mapping[str, Any] | None, *, automatic: bool
    ) -> None:
        self.statistics = Statistics()
        self.effects: list[Effect] = []
        self.acks = Acks(automatic=automatic)
        self.epoch: str | None = position["epoch"] if position else None
        self.asking: int | None = None
        offsets = position["offsets"] if position else {}
        self._streams = {lane: Stream(offsets.get(lane.word)) for lane in Lane}
        self._jitter = jitter
        self._timers = timers
        self._next_id = 1
        self._unanswered = 0
        self._ready = False
        self._canceled = Recent(MEMORY)
        self._reminded = Recent(MEMORY)
        self._shown = Recent(MEMORY)

    @property
    def position(self) -> dict[str, Any] | None:
        """Where the client stands, as plain JSON; None before the first `subscribed`."""
        if self.epoch is None:
            return None
        return {"epoch": self.epoch, "offsets": {lane.word: at for lane, at in self._positions().items()}}

    @property
    def complete(self) -> bool:
        """Whether everything that the server had is here: only live events follow."""
        return self._ready and self.asking is None

    def _positions(self) -> dict[Lane, int]:
        return {lane: stream.position for lane, stream in self._streams.items() if stream.position is not None}

    # what goes out

    def new_id(self) -> int:
        """The id of the next question."""
        self._next_id += 1
        return self._next_id - 1

    def ask(self, now_ms: float) -> None:
        """Send `subscribe` from the present position; one question covers all four streams."""
        if self.asking is None:
            self.asking = self.new_id()
        for lane, stream in self._streams.items():
            stream.spilled = False
            self._timers.clear(f"gap.{lane.word}")
        self._timers.clear("ask")
        recover = None if self.epoch is None else Recover(epoch=self.epoch, offsets=self._positions())
        self.effects.append(Send(Subscribe(id=self.asking, channel=INBOX, recover=recover)))
        self.statistics.asks += 1
        self._timers.set("answer", now_ms + ANSWER_MS)

    def answer_is_late(self, now_ms: float) -> bool:
        """Ask again, with the same id so that either answer serves; False when the connection is to be given up."""
        self._unanswered += 1
        if self._unanswered >= ASK_LIMIT:
            return False
        self.ask(now_ms)
        return True

    def sync(self) -> None:
        """Ask for the heads, unless a page is on its way, which says more."""
        if self.epoch is not None and self.complete:
            frame = Sync(id=self.new_id(), channel=INBOX, epoch=self.epoch, offsets=self._positions())
            self.effects.append(Send(frame))

    def send_acks(self) -> None:
        """Send what is owed; it stays owed while there is no connection that is subscribed."""
        if self.epoch is None or not self._ready:
            return
        self._timers.clear("ack")
        offsets = self.acks.take(self._positions())
        if offsets:
            self.effects.append(Send(Ack(channel=INBOX, epoch=self.epoch, offsets=offsets)))

    def settle(self, now_ms: float) -> None:
        """After every input: see that owed acks leave, urgent ones now."""
        if not (self._ready and self.acks.owed):
            return
        if self.acks.urgent:
            self.send_acks()
        elif "ack" not in self._timers:
            self._timers.set("ack", now_ms + ack_rules.DELAY_MS + ack_rules.SPREAD_MS * self._jitter())

    def line_lost(self) -> None:
        """The connection is gone; its questions with it."""
        self.asking = None
        self._unanswered = 0
        self._ready = False
        self.acks.line_lost()

    def hand(self, lane: Lane, offset: int) -> None:
        """A person acked everything of the lane up to `offset`."""
        self.acks.hand(lane, min(offset, self._streams[lane].position or 0))

    # what comes in

    def page(self, frame: Subscribed, now_ms: float) -> None:
        """Take a page: show its events, then what was held back behind it, then ask for the next one."""
        if frame.id != self.asking:
            self.statistics.ignored += 1
            return
        self.asking = None
        self._unanswered = 0
        self._timers.clear("answer")
        self._ready = True
        before = self._positions()
        restarted = not frame.recovered or frame.epoch != self.epoch
        if restarted:
            self._restart(frame.epoch)
        for item in frame.events:
            self._item(item)
        for lane, offset in frame.offsets.items():
            self._page_ends(self._streams[lane], offset, restarted=restarted)
        for lane in Lane:
            self._show_held(self._streams[lane])
        if frame.more and not restarted and self._positions() == before:
            # a server that promises more and gives nothing must not be asked in a tight loop
            self.asking = self.new_id()
            self._timers.set("ask", now_ms + STUCK_MS)
        elif frame.more or any(stream.spilled for stream in self._streams.values()):
            self.ask(now_ms)
        for lane in Lane:
            self._watch(lane, now_ms)

    def _restart(self, epoch: str) -> None:
        if self.epoch is not None:
            self.acks.restart()
        self.epoch = epoch
        for stream in self._streams.values():
            stream.restart(epoch)

    def _page_ends(self, stream: Stream, offset: int, *, restarted: bool) -> None:
        if not restarted and stream.position is not None:
            self.statistics.skipped += max(0, offset - stream.position)
        self.statistics.duplicates += stream.reach(offset)

    def _item(self, item: EventFrame | Tombstone) -> None:
        if item.offset is None:
            self._without_offset(item)
            return
        stream = self._streams[item.lane]
        if stream.position is not None and item.offset <= stream.position:
            self._again(item)
            return
        if stream.position is not None:
            self.statistics.skipped += item.offset - stream.position - 1
        self.statistics.duplicates += stream.reach(item.offset)
        if isinstance(item, Tombstone):
            self.statistics.tombstones += 1
            self._canceled.add(item.event_id)
            self.acks.had(item.lane)
        else:
            self.statistics.recovered += self._show(item)

    def event(self, event: EventFrame, now_ms: float) -> None:
        """Take a live event: show it when it is its turn, hold it back when it is early, drop it when it was had."""
        stream = self._streams[event.lane]
        if event.offset is None:
            self._without_offset(event)
        elif self.epoch is not None and event.epoch != self.epoch:
            # it says nothing about the present streams; the answer to a question asked after it will
            stream.spilled = True
            self.statistics.spilled += 1
        elif stream.position is not None and event.offset <= stream.position:
            self._again(event)
        else:
            self._hold(stream, event)
        if self._ready:
            self._show_held(stream)
            self._watch(event.lane, now_ms)

    def _hold(self, stream: Stream, event: EventFrame) -> None:
        held = stream.hold(event)
        self.statistics.duplicates += held is Held.ALREADY
        self.statistics.spilled += held is Held.NO_ROOM

    def _show_held(self, stream: Stream) -> None:
        while (event := stream.take()) is not None:
            self._show(event)

    def _watch(self, lane: Lane, now_ms: float) -> None:
        """Start, keep or stop the wait for a late frame; a question that is under way covers every gap."""
        stream, timer = self._streams[lane], f"gap.{lane.word}"
        if self.asking is not None:
            return
        if stream.spilled:
            self.ask(now_ms)
        elif not stream.gap:
            self._timers.clear(timer)
        elif timer not in self._timers:
            self.statistics.gaps += 1
            self._timers.set(timer, now_ms + GRACE_MS * (0.75 + 0.5 * self._jitter()))

    def heads(self, frame: Synced, now_ms: float) -> None:
        """Take the heads that `sync` brought: what they tell and was not had is a gap."""
        if not self.complete:
            return
        if frame.epoch != self.epoch:
            self.ask(now_ms)
            return
        for lane, head in frame.offsets.items():
            self._streams[lane].known = max(self._streams[lane].known, head)
            self._watch(lane, now_ms)

    def _show(self, event: EventFrame) -> bool:
        """Hand an event out, which is had from here on; False when there is nothing to show."""
        self.acks.had(event.lane)
        if event.event_id in self._shown:
            self.statistics.duplicates += 1
            return False
        self._shown.add(event.event_id)
        if event.attempt > 1:
            self._reminded.add(event.event_id, event.attempt)
        if event.name == RETRACTED and isinstance(event.data.get("event_id"), str):
            self._retract(event.data["event_id"], event)
            return False
        self.statistics.shown += 1
        self.effects.append(Show(event))
        return True

    def _retract(self, event_id: str, event: EventFrame) -> None:
        if event_id not in self._canceled:
            self.statistics.retractions += 1
            self.effects.append(Retract(event_id, event))

    def _without_offset(self, event: EventFrame) -> None:
        if event.event_id in self._shown:
            self.statistics.duplicates += 1
            return
        self._shown.add(event.event_id)
        self.statistics.shown += 1
        self.effects.append(Show(event))

    def _again(self, item: EventFrame | Tombstone) -> None:
        """Had already. A raised attempt is a reminder, unless somebody acked by hand or it is the same one twice."""
        assert item.offset is not None
        if isinstance(item, Tombstone) or item.attempt <= max(1, self._reminded.get(item.event_id)):
            self.statistics.duplicates += 1
            return
        self._reminded.add(item.event_id, item.attempt)
        self.acks.again(item.lane, item.offset)
        if self.acks.by_hand.get(item.lane, 0) < item.offset:
            self.statistics.reminders += 1
            self.effects.append(Remind(item))
