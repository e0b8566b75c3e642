"""Broadcasts and the outbox in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from carillon.errors import IdempotencyConflictError
from carillon.model import (
    Broadcast,
    BroadcastState,
    Delivery,
    Lane,
    Status,
)
from carillon.policy import messages
from carillon.ports import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carillon.ports import Idempotency

from carillon.testing.world import UNDELIVERED, Row, World


class MemoryBroadcasts:
    """See `ports.Broadcasts`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(
        self, broadcast: Broadcast, message: Outgoing, due_at: datetime, idempotency: Idempotency | None
    ) -> Broadcast:
        """Store it with its outbox row."""
        world = self._world
        world.need("database")
        if idempotency is not None:
            key = (idempotency.principal, idempotency.key)
            known = world.keys.setdefault(key, (idempotency.request_hash, broadcast.broadcast_id))
            if known[0] != idempotency.request_hash:
                raise IdempotencyConflictError("the key was used for another request")
            if known[1] != broadcast.broadcast_id:
                return world.broadcasts[known[1]]
        self._store(broadcast, message, due_at)
        return broadcast

    def _store(self, broadcast: Broadcast, message: Outgoing, due_at: datetime) -> None:
        world = self._world
        world.broadcasts[broadcast.broadcast_id] = broadcast
        world.outbox.append(Row(message, due_at))
        if broadcast.escalate_after_s is not None:
            world.escalations[broadcast.broadcast_id] = (due_at + timedelta(seconds=broadcast.escalate_after_s), 2)

    def get(self, broadcast_id: str) -> Broadcast | None:
        """One broadcast."""
        self._world.need("database")
        return self._world.broadcasts.get(broadcast_id)

    def finish(
        self, broadcast_id: str, state: BroadcastState, *, expected: int | None = None, failure: str | None = None
    ) -> None:
        """Note the end."""
        world = self._world
        world.need("database")
        known = world.broadcasts[broadcast_id]
        world.broadcasts[broadcast_id] = replace(
            known,
            state=known.state if known.state in (BroadcastState.CANCELED, BroadcastState.FAILED) else state,
            expected=known.expected if expected is None else expected,
            failure=known.failure if failure is None else failure,
        )

    def cancel(self, broadcast_id: str, retraction: Broadcast, message: Outgoing, now: datetime) -> Broadcast | None:
        """Mark it and what waits canceled; store the retraction."""
        world = self._world
        world.need("database")
        before = world.broadcasts.get(broadcast_id)
        if before is None or before.state is BroadcastState.CANCELED:
            return before
        world.broadcasts[broadcast_id] = replace(before, state=BroadcastState.CANCELED, canceled_at=now)
        _end_waiting(world, before, Status.CANCELED)
        world.escalations.pop(broadcast_id, None)
        if any(key[0] == broadcast_id and row.offset is not None for key, row in world.deliveries.items()):
            self._store(retraction, message, now)
        return before

    def drain(self, group_id: str, lane: Lane, now: datetime, send: Callable[[Sequence[Outgoing]], None]) -> int:
        """Send the group's due rows in order."""
        self._world.need("database")
        rows = [row for row in self._due(now) if (row.message.group_id, row.message.lane) == (group_id, lane)]
        if rows:
            send([row.message for row in rows])
        for row in rows:
            row.sent_at = now
        return len(rows)

    def _due(self, now: datetime) -> list[Row]:
        return [row for row in self._world.outbox if row.sent_at is None and row.due_at <= now]

    def put_off(self, message: Outgoing, now: datetime) -> None:
        """Keep it for the relay."""
        self._world.need("database")
        self._world.outbox.append(Row(message, now))

    def waiting(self, now: datetime, limit: int) -> list[tuple[str, Lane]]:
        """Groups with due rows."""
        self._world.need("database")
        groups = {(row.message.group_id, row.message.lane): None for row in self._due(now)}
        return sorted(groups, key=lambda group: group[1])[:limit]

    def overdue_s(self, now: datetime) -> float:
        """The age of the oldest due row."""
        self._world.need("database")
        return max(((now - row.due_at).total_seconds() for row in self._due(now)), default=0.0)

    def release_delayed(self, now: datetime, limit: int) -> int:
        """Move due delayed deliveries into the outbox."""
        world = self._world
        world.need("database")
        due = [key for key, at in world.delayed.items() if at <= now and key not in world.released][:limit]
        for broadcast_id in {key[0] for key in due}:
            broadcast = world.broadcasts[broadcast_id]
            users = tuple(sorted(user for one, user in due if one == broadcast_id))
            body = messages.encode(messages.Deliver(broadcast_id, users, ticket=now.isoformat()))
            group = messages.group_id(broadcast_id, broadcast.audience)
            world.outbox.append(Row(Outgoing(broadcast.lane, group, broadcast_id, body), now))
        world.released.update(due)
        return len(due)

    def release_escalations(self, now: datetime, limit: int, most: int) -> int:
        """Move due escalations into the outbox."""
        world = self._world
        world.need("database")
        due = [(one, attempt) for one, (at, attempt) in world.escalations.items() if at <= now][:limit]
        return sum(self._escalate(broadcast_id, attempt, now, most) for broadcast_id, attempt in due)

    def _escalate(self, broadcast_id: str, attempt: int, now: datetime, most: int) -> int:
        world = self._world
        broadcast = world.broadcasts[broadcast_id]
        left = any(
            key[0] == broadcast_id and row.offset is not None and row.status in UNDELIVERED
            for key, row in world.deliveries.items()
        )
        over = broadcast.state in (BroadcastState.CANCELED, BroadcastState.FAILED) or broadcast.expired(now)
        if over or attempt > most or not (left or broadcast.state is BroadcastState.ACCEPTED):
            del world.escalations[broadcast_id]
            return 0
        body = messages.encode(messages.Escalate(broadcast_id, attempt))
        world.outbox.append(Row(Outgoing(broadcast.lane, f"escalation:{broadcast_id}", broadcast_id, body), now))
        world.broadcasts[broadcast_id] = replace(broadcast, escalations=attempt)
        after = timedelta(seconds=broadcast.escalate_after_s or 0)
        world.escalations[broadcast_id] = (now + after, attempt + 1)
        return 1

    def expire(self, now: datetime, limit: int) -> int:
        """Mark what expired broadcasts still had waiting."""
        self._world.need("database")
        over = [one for one in self._world.broadcasts.values() if one.expired(now)][:limit]
        return sum(_end_waiting(self._world, broadcast, Status.EXPIRED) for broadcast in over)

    def requeue(self, since: datetime) -> int:
        """Send again what the queue lost."""
        world = self._world
        world.released.clear()
        rows = [row for row in world.outbox if row.sent_at is not None and row.sent_at >= since and self._open(row)]
        for row in rows:
            row.sent_at = None
        return len(rows)

    def revive(self, before: datetime) -> int:
        """Send again what nobody has worked on."""
        rows = [row for row in self._world.outbox if row.sent_at is not None and row.sent_at < before]
        stuck = [row for row in rows if self._accepted(row)]
        for row in stuck:
            row.sent_at = None
        return len(stuck)

    def _accepted(self, row: Row) -> bool:
        return self._world.broadcasts[row.message.broadcast_id].state is BroadcastState.ACCEPTED

    def _open(self, row: Row) -> bool:
        broadcast = self._world.broadcasts[row.message.broadcast_id]
        known = {key for key in (*self._world.deliveries, *self._world.delayed) if key[0] == broadcast.broadcast_id}
        if broadcast.state is BroadcastState.PROCESSED:
            return broadcast.expected is None or broadcast.expected > len(known)
        return broadcast.state is BroadcastState.ACCEPTED


def _end_waiting(world: World, broadcast: Broadcast, status: Status) -> int:
    mine = broadcast.broadcast_id
    ended = 0
    for key, row in world.deliveries.items():
        if key[0] == mine and row.status is Status.QUEUED:
            world.deliveries[key] = replace(row, status=status)
            ended += 1
    for key in [key for key in world.delayed if key[0] == mine]:
        del world.delayed[key]
        world.deliveries.setdefault(key, Delivery(mine, key[1], broadcast.lane, None, status))
    return ended
