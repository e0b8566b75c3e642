"""Deliveries and heads in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from carillon.errors import NotFoundError
from carillon.model import (
    Broadcast,
    BroadcastState,
    Delivery,
    Lane,
    Status,
)
from carillon.ports import Head, Message, Recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.ports import Wanted

from carillon.testing.world import UNDELIVERED, World


class MemoryDeliveries:
    """See `ports.Deliveries`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def record(self, broadcast_id: str, lane: Lane, wanted: Sequence[Wanted], now: datetime) -> Recorded:
        """Insert what is missing."""
        world = self._world
        world.need("database")
        broadcast = world.broadcasts.get(broadcast_id)
        if broadcast is None:
            raise NotFoundError(f"there is no broadcast {broadcast_id}")
        canceled, expired = broadcast.state is BroadcastState.CANCELED, broadcast.expired(now)
        over = Status.CANCELED if canceled else Status.EXPIRED if expired else None
        created = sum(self._insert(broadcast, person, over) for person in wanted)
        keys = [(broadcast_id, person.user_id) for person in wanted]
        rows = tuple(world.deliveries[key] for key in keys if key in world.deliveries)
        return Recorded(broadcast.state, expired, world.epoch, rows, created)

    def _insert(self, broadcast: Broadcast, person: Wanted, over: Status | None) -> int:
        world, key = self._world, (broadcast.broadcast_id, person.user_id)
        status = over or person.status
        if status is Status.DELAYED:
            if key not in world.deliveries and person.release_at is not None:
                world.delayed[key] = person.release_at
                world.released.discard(key)
            return 0
        world.delayed.pop(key, None)
        if key in world.deliveries:
            return 0
        offset = None
        if status is Status.QUEUED:
            head = world.heads.get((person.user_id, broadcast.lane), Head())
            offset = head.head + 1
            world.heads[person.user_id, broadcast.lane] = replace(head, head=offset)
        world.deliveries[key] = Delivery(
            *key, broadcast.lane, offset, status, role=person.role, realtime=person.realtime
        )
        return 1

    def settle(self, broadcast_id: str, *, sent: Sequence[str], tried: Sequence[str], most: int, now: datetime) -> int:
        """Mark people sent, count attempts in vain."""
        world, again = self._world, 0
        world.need("database")
        for user_id in sent:
            row = world.deliveries[broadcast_id, user_id]
            if row.status in (Status.QUEUED, Status.FAILED):
                changed = replace(row, status=Status.SENT, attempts=row.attempts + 1)
                world.deliveries[broadcast_id, user_id] = changed
        for user_id in tried:
            row = world.deliveries[broadcast_id, user_id]
            if row.status in (Status.QUEUED, Status.DELIVERED):
                over = row.attempts + 1 >= most
                status = Status.FAILED if over and row.status is Status.QUEUED else row.status
                changed = replace(row, status=status, attempts=row.attempts + 1)
                world.deliveries[broadcast_id, user_id] = changed
                again += not over
        return again

    def end_delay(self, broadcast_id: str, user_ids: Sequence[str]) -> None:
        """Forget delays."""
        self._world.need("database")
        for user_id in user_ids:
            self._world.delayed.pop((broadcast_id, user_id), None)

    def unacked(self, broadcast_id: str, after: str, limit: int) -> list[Delivery]:
        """Undelivered rows by user id."""
        self._world.need("database")
        rows = [
            row
            for (one, user_id), row in sorted(self._world.deliveries.items())
            if one == broadcast_id and user_id > after and row.offset is not None and row.status in UNDELIVERED
        ]
        return rows[:limit]

    def fail(self, broadcast_id: str, reason: str, now: datetime) -> int:
        """Mark what is queued failed."""
        world = self._world
        waiting = [
            key for key, row in world.deliveries.items() if key[0] == broadcast_id and row.status is Status.QUEUED
        ]
        for key in waiting:
            world.deliveries[key] = replace(world.deliveries[key], status=Status.FAILED)
        return len(waiting)

    def dead_letter(self, message: Message, reason: str, now: datetime) -> None:
        """Keep a dead letter."""
        self._world.need("database")
        self._world.letters.append((message.message_id, reason))
