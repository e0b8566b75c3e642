"""A fleet of real clients in this process: each one is the product's own client with its whole session.

Run by `loadtest.fleet_process`, in a process of its own, so that what the clients cost is not mixed with the rest.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from typing import TYPE_CHECKING, Any

from carillon.client import InboxClient
from carillon.protocol.statistics import Statistics

if TYPE_CHECKING:
    from carillon.model import Lane
    from carillon.protocol.effects import State
    from carillon.protocol.server_frames import EventFrame

AckRange = tuple[float, float] | None
"""Between how many seconds after an event the person acks; None acks as the client does by itself."""


class FleetClient:
    """One person's client: notes what it is shown, and acks.

    Args:
        fleet: Told of everything.
        number: The client's place in the fleet.
        user_id: Who it is.
        token: Their token.
    """

    __slots__ = ("_ack_at", "_fleet", "_number", "_token", "_was", "began_at", "inbox", "live_at", "user_id")

    def __init__(self, fleet: Fleet, number: int, user_id: str, token: str) -> None:
        self._fleet = fleet
        self._number = number
        self._token = token
        self._was = "stopped"
        self._ack_at: dict[Lane, int] = {}
        self.user_id = user_id
        self.began_at = 0.0
        self.live_at = 0.0
        self.inbox = InboxClient(
            fleet.url,
            self._give_token,
            on_event=self._event,
            on_state=self._state,
            automatic_acks=fleet.ack_s is None,
        )

    async def _give_token(self) -> str:
        return self._token

    def start(self) -> None:
        """Connect."""
        self.began_at = time.time()
        self.inbox.start()

    def _state(self, state: State) -> None:
        first = state.name == "live" and not self.live_at
        if first:
            self.live_at = time.time()
        self._fleet.changed(self._was, state.name, first=first)
        self._was = state.name

    def _event(self, event: EventFrame) -> None:
        self._fleet.note(self._number, event.event_id, time.time())
        if self._fleet.ack_s is not None and event.offset is not None:
            if not self._ack_at:
                delay_s = random.uniform(*self._fleet.ack_s)
                asyncio.get_running_loop().call_later(delay_s, self._ack)
            self._ack_at[event.lane] = event.offset

    def _ack(self) -> None:
        offsets, self._ack_at = self._ack_at, {}
        for lane, offset in offsets.items():
            self.inbox.ack(lane, offset)


class Fleet:
    """Many clients of one URL.

    Args:
        url: The WebSocket API.
        ack_s: When people ack.
        in_flight: Clients that connect at the same time.
        per_s: New connections a second at most.

    Attributes:
        live: Clients that are subscribed now.
        received: Events shown in all.
        duplicates: Events shown a second time to the same person.
        waits: Times a client had to wait before it could connect (again): refused, or its line broke.
    """

    def __init__(self, url: str, *, ack_s: AckRange, in_flight: int, per_s: float) -> None:
        self.url = url
        self.ack_s = ack_s
        self.live = 0
        self.received = 0
        self.duplicates = 0
        self.waits = 0
        self._clients: list[FleetClient] = []
        self._numbered = 0
        self._receipts: dict[str, dict[int, float]] = {}
        self._turns = asyncio.Semaphore(in_flight)
        self._pause_s = 1 / per_s
        self._next_at = 0.0

    async def add(self, people: list[tuple[str, str]]) -> None:
        """Connect these people (id, token) too; returns when the last one has begun to."""
        # Numbered before anything is waited for, because two of these calls may run side by side.
        first, self._numbered = self._numbered, self._numbered + len(people)
        for number, (user_id, token) in enumerate(people, start=first):
            await self._turns.acquire()
            now = time.monotonic()
            self._next_at = max(now, self._next_at + self._pause_s)
            if self._next_at - now > 0.001:
                await asyncio.sleep(self._next_at - now)
            client = FleetClient(self, number, user_id, token)
            self._clients.append(client)
            client.start()

    def changed(self, before: str, state: str, *, first: bool) -> None:
        """A client's state changed; called by it."""
        self.live += (state == "live") - (before == "live")
        self.waits += state == "waiting"
        if first:
            self._turns.release()

    def note(self, number: int, event_id: str, at: float) -> None:
        """A client was shown an event; called by it."""
        got = self._receipts.setdefault(event_id, {})
        if number in got:
            self.duplicates += 1
            return
        got[number] = at
        self.received += 1

    def receipts(self) -> dict[str, Any]:
        """Who got what when (seconds since 1970), since the last time that this was called."""
        kept, self._receipts = self._receipts, {}
        return {event: {"who": list(got), "at": list(got.values())} for event, got in kept.items()}

    def subscribe_s(self) -> list[float]:
        """How long each client took from its first attempt until it was subscribed."""
        return [client.live_at - client.began_at for client in self._clients if client.live_at]

    def statistics(self) -> dict[str, int]:
        """The sums of what the sessions saw."""
        names = [field.name for field in dataclasses.fields(Statistics)]
        return {name: sum(getattr(one.inbox.statistics, name) for one in self._clients) for name in names}
