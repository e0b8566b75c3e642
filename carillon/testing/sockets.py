"""Sockets, inboxes, queue, poster and the small ports in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from carillon.model import BroadcastState, Connection, Event, Lane, Status
from carillon.names import METRICS
from carillon.policy.messages import deduplication_id
from carillon.ports import Head, Lease, Message, PostReport
from carillon.protocol.moments import milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from carillon.model import Delivery
    from carillon.names import Metric
    from carillon.ports import Outgoing, Post, Rate
    from carillon.testing.world import World

_TOMBSTONES: Final = {Status.EXPIRED: "expired", Status.CANCELED: "canceled"}


class MemoryConnections:
    """See `ports.Connections`."""

    def __init__(self, world: World, *, region: str = "", peer: str = "") -> None:
        self._world = world
        self._region, self._peer = region, peer

    def pend(self, connection: Connection, now: datetime, expires_at: datetime) -> bool:
        """Note a socket of somebody known."""
        self._world.need("database")
        if connection.user_id not in self._world.people:
            return False
        self._world.pending[connection.connection_id] = connection.user_id
        self._world.token_ends[connection.connection_id] = expires_at
        self._world.opened[connection.connection_id] = now
        self._world.regions[connection.connection_id] = self._region
        return True

    def activate(self, connection_id: str) -> str | None:
        """Make it active."""
        self._world.need("database")
        user_id = self.owner(connection_id)
        if user_id is not None:
            self._world.active[connection_id] = user_id
        return user_id

    def owner(self, connection_id: str) -> str | None:
        """Whose it is."""
        self._world.need("database")
        return self._world.pending.get(connection_id)

    def extend(self, connection_id: str, expires_at: datetime) -> None:
        """It may live until then."""
        self._world.token_ends[connection_id] = expires_at

    def deactivate(self, connection_id: str) -> str | None:
        """It gets nothing more."""
        self._world.active.pop(connection_id, None)
        return self.owner(connection_id)

    def remove(self, connection_ids: Sequence[str]) -> list[Connection]:
        """Forget sockets."""
        self._world.need("database")
        known = [Connection(one, self._world.pending[one]) for one in connection_ids if one in self._world.pending]
        for connection in known:
            self._world.active.pop(connection.connection_id, None)
            del self._world.pending[connection.connection_id]
        return known

    def active(self, user_ids: Sequence[str]) -> list[Connection]:
        """All active sockets of these people."""
        self._world.need("database")
        wanted = set(user_ids)
        active = [Connection(one, user_id) for one, user_id in self._world.active.items() if user_id in wanted]
        return [one for one in active if self._here(one.connection_id)]

    def _here(self, connection_id: str) -> bool:
        return not self._peer or self._world.regions.get(connection_id) == self._region

    def elsewhere(self, user_ids: Sequence[str]) -> list[str]:
        """Who has an active socket in the other Region."""
        self._world.need("database")
        active, regions = self._world.active, self._world.regions
        far = {user_id for one, user_id in active.items() if self._peer and regions.get(one) == self._peer}
        return [user_id for user_id in user_ids if user_id in far]

    def count(self) -> int:
        """How many active sockets there are here."""
        self._world.need("database")
        return sum(map(self._here, self._world.active))

    def stale(self, now: datetime, opened_before: datetime, limit: int) -> list[Connection]:
        """Whose token ran out, or that are too old."""
        self._world.need("database")
        world = self._world
        return [
            Connection(one, user_id)
            for one, user_id in world.pending.items()
            if self._here(one) and (world.token_ends[one] <= now or world.opened[one] <= opened_before)
        ][:limit]


class MemoryIndex:
    """See `ports.ConnectionIndex`; a `None` index is one that was wiped. A `region` sees its own sockets."""

    def __init__(self, world: World, *, region: str = "") -> None:
        self._world = world
        self._region = region

    def lookup(self, user_ids: Sequence[str]) -> list[Connection] | None:
        """The indexed sockets."""
        if self._world.index is None:
            return None
        wanted = set(user_ids)
        found = [Connection(one, user_id) for one, user_id in self._world.index.items() if user_id in wanted]
        return [one for one in found if self._world.regions.get(one.connection_id, self._region) == self._region]

    def add(self, connection: Connection) -> None:
        """Index a socket."""
        if self._world.index is not None:
            self._world.index[connection.connection_id] = connection.user_id

    def remove(self, connections: Sequence[Connection]) -> None:
        """Forget sockets."""
        index = self._world.index
        for connection in connections if index is not None else ():
            (index or {}).pop(connection.connection_id, None)


class MemoryInbox:
    """See `ports.Inbox`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def epoch(self) -> str:
        """The epoch."""
        return self._world.epoch

    def heads(self, user_id: str) -> tuple[str, dict[Lane, Head]]:
        """Epoch and heads."""
        self._world.need("database")
        return self._world.epoch, {lane: self._world.heads.get((user_id, lane), Head()) for lane in Lane}

    def events(self, user_id: str, after: Mapping[Lane, int], limit: int, now: datetime) -> list[Event]:
        """Lane by lane in offset order."""
        self._world.need("database")
        rows = [
            row
            for row in self._world.deliveries.values()
            if row.user_id == user_id and row.offset is not None and row.lane in after and row.offset > after[row.lane]
        ]
        rows.sort(key=lambda row: (row.lane, row.offset))
        return [self._event(row, now) for row in rows[:limit]]

    def _event(self, row: Delivery, now: datetime) -> Event:
        broadcast = self._world.broadcasts[row.broadcast_id]
        over = "expired" if broadcast.expired(now) else _TOMBSTONES.get(row.status)
        expires_at = broadcast.expires_at
        return Event(
            lane=row.lane,
            offset=row.offset or 0,
            event_id=row.broadcast_id,
            name=broadcast.name,
            kind=broadcast.kind,
            ts=milliseconds(broadcast.created_at),
            expires_at=milliseconds(expires_at) if expires_at else None,
            data=broadcast.data,
            wedding_id=broadcast.audience.wedding_id,
            attempt=max(1, broadcast.escalations),
            tombstone="canceled" if broadcast.state is BroadcastState.CANCELED else over,
        )

    def ack(self, connection_id: str, epoch: str, offsets: Mapping[Lane, int], now: datetime) -> dict[Lane, int] | None:
        """Clamped to the heads; delivered is what was acked."""
        world = self._world
        world.need("database")
        user_id = world.pending.get(connection_id)
        if user_id is None:
            return None
        if epoch != world.epoch:
            return {}
        acked = {}
        for lane, offset in offsets.items():
            head = world.heads.get((user_id, lane))
            if head is not None:
                acked[lane] = min(head.head, max(head.acked, offset))
                world.heads[user_id, lane] = replace(head, acked=acked[lane])
                self._deliver(user_id, lane, head.acked, acked[lane])
        return acked

    def _deliver(self, user_id: str, lane: Lane, was: int, upto: int) -> None:
        for key, row in self._world.deliveries.items():
            mine = row.user_id == user_id and row.lane is lane and row.offset is not None
            if mine and was < (row.offset or 0) <= upto and row.status in (Status.QUEUED, Status.SENT, Status.FAILED):
                self._world.deliveries[key] = replace(row, status=Status.DELIVERED)


class MemoryQueue:
    """See `ports.Queue`: what was sent waits in `world.queue`, what is for a named Region in `world.far`.

    `returned` notes the delays asked for.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Queue them, each content once."""
        world = self._world
        for message in messages:
            world.need(message.region or "queue")
            identity = message.region + deduplication_id(message.group_id, message.body)
            if identity not in world.sent_ids:
                world.sent_ids.add(identity)
                number = next(world.numbers)
                (world.far.setdefault(message.region, []) if message.region else world.queue).append(
                    Message(
                        message_id=f"m{number}",
                        receipt=f"r{number}",
                        lane=message.lane,
                        group_id=message.group_id,
                        body=message.body,
                        receive_count=1,
                        sent_at=world.now,
                        broadcast_id=message.broadcast_id,
                    )
                )

    def delay(self, messages: Sequence[Message], delay_s: int) -> None:
        """Note the delay."""
        self._world.need("queue")
        self._world.returned.update({message.message_id: delay_s for message in messages})

    def dead_letter(self, message: Message, reason: str) -> None:
        """Bury it."""
        self._world.need("queue")
        self._world.dead.append((message, reason))

    def ready(self) -> bool:
        """Whether it is there."""
        return "queue" not in self._world.away


class MemoryPoster:
    """See `ports.Poster`. `world.alive` limits who is there (None: all), `world.refusing` fails connections.

    With a `region`, sockets of another one are as unknown here as they are to that Region's gateway.
    """

    def __init__(self, world: World, *, region: str = "") -> None:
        self._world = world
        self._region = region

    def post(self, posts: Sequence[Post], rate: Rate, deadline_s: float) -> PostReport:
        """Deliver to the living."""
        world = self._world
        refused = {
            one.connection_id: world.refusing[one.connection_id] for one in posts if one.connection_id in world.refusing
        }
        left = [one for one in posts if one.connection_id not in refused]
        near = [one for one in left if world.regions.get(one.connection_id, self._region) == self._region]
        living = [one for one in near if world.alive is None or one.connection_id in world.alive]
        world.received.extend((one.connection_id, one.body) for one in living)
        gone = tuple(one.connection_id for one in left if one not in living)
        first = world.now.timestamp() if living else None
        return PostReport(tuple(one.connection_id for one in living), gone, refused, first)

    def close(self, connection_ids: Sequence[str]) -> None:
        """Note the close."""
        self._world.closed.extend(connection_ids)


class OpenRate:
    """See `ports.Governor` and `ports.Rate`: no limit."""

    def rate(self, lane: Lane) -> OpenRate:
        """The same for every lane."""
        return self

    def lease(self, want: int) -> Lease:
        """All of it."""
        return Lease(want, 0.0)


class CountingMetrics:
    """See `ports.Metrics`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def count(self, metric: Metric, value: float = 1, *, lane: Lane | None = None) -> None:
        """Add up, all lanes together."""
        if METRICS[metric].by_lane is not (lane is not None):
            raise AssertionError(f"{metric} goes {'by' if METRICS[metric].by_lane else 'without a'} lane")
        self._world.counted[metric] = self._world.counted.get(metric, 0) + value

    def flush(self) -> None:
        """Nothing is written."""


class CountingLimits:
    """See `ports.Limits`: windows never end."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], int] = {}

    def allow(self, what: str, who: str, most: int, window_s: int) -> bool:
        """Count one use."""
        self._used[what, who] = self._used.get((what, who), 0) + 1
        return self._used[what, who] <= most


class NoUpkeep:
    """See `ports.Upkeep`: memory keeps everything."""

    def purge(self, now: datetime) -> dict[str, int]:
        """Nothing."""
        return {}
