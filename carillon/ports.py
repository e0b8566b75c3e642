"""What the flow needs from the world: Protocol classes, batch in and batch out. Adapters keep these contracts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from carillon.model import (
        Audience,
        Broadcast,
        BroadcastState,
        Connection,
        Delivery,
        Event,
        Lane,
        Recipient,
        Role,
        Status,
    )
    from carillon.names import Metric


@dataclass(frozen=True, slots=True)
class Post:
    """One frame for one connection; `body` is the UTF-8 text of the frame, at most 128 KiB."""

    connection_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class PostReport:
    """What became of each post: every connection id given is in exactly one of the three.

    `failed` maps the connection id to a reason: `throttled` (429), `server` (5xx), `timeout`, `connection`,
    `too_large` (413), `forbidden` (403), `rejected` (any other status), `budget` (the governor gave no token before the
    deadline).
    """

    sent: tuple[str, ...]
    gone: tuple[str, ...]
    failed: Mapping[str, str]
    first_sent_at: float | None = None
    """When the first post was answered 200, in epoch seconds; None when none was."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Permission for `granted` posts; when 0, ask again after `retry_after_s`."""

    granted: int
    retry_after_s: float


class Rate(Protocol):
    """A lane's view of the callback budget."""

    def lease(self, want: int) -> Lease:
        """Take up to `want` posts from the budget, in blocks; never blocks."""
        ...


class Governor(Protocol):
    """The callback governor: one budget per account and Region, with a reserve that only `critical` may draw."""

    def rate(self, lane: Lane) -> Rate:
        """The budget as this lane sees it."""
        ...


class Poster(Protocol):
    """Posts frames to connections (`@connections`), concurrently, at least once."""

    def post(self, posts: Sequence[Post], rate: Rate, deadline_s: float) -> PostReport:
        """Post all, within `deadline_s` seconds from now; never raises for a single post."""
        ...

    def close(self, connection_ids: Sequence[str]) -> None:
        """Close these sockets (`DELETE @connections/{id}`); one that is gone already is fine."""
        ...


class Metrics(Protocol):
    """Custom metrics; names and units come from `carillon.names`."""

    def count(self, metric: Metric, value: float = 1, *, lane: Lane | None = None) -> None:
        """Add `value` of `metric` (its unit in `names.METRIC_UNITS`)."""
        ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to a lane queue; `body` is the text made by `policy.messages`."""

    lane: Lane
    group_id: str
    broadcast_id: str
    body: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a lane queue handed out. `sent_at` is when the queue got it."""

    message_id: str
    receipt: str
    lane: Lane
    group_id: str
    body: str
    receive_count: int
    sent_at: datetime
    broadcast_id: str | None = None
    reason: str | None = None


class Queue(Protocol):
    """The lane queues (SQS FIFO). Every method raises OutageError when the queue is away."""

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send all; the deduplication id is a hash of group and body, so sending again within 5 min changes nothing."""
        ...

    def delay(self, messages: Sequence[Message], delay_s: int) -> None:
        """Make messages that were handed out visible again after `delay_s` seconds (0..43,200)."""
        ...

    def dead_letter(self, message: Message, reason: str) -> None:
        """Copy a message to its lane's dead-letter queue; the caller then lets the original be deleted."""
        ...

    def ready(self) -> bool:
        """Whether all four lanes can be reached."""
        ...


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A sender's own key for a request, kept 24 h; `request_hash` tells a replay from another request."""

    principal: str
    key: str
    request_hash: str


class Broadcasts(Protocol):
    """Broadcasts and the outbox: what was accepted, and what of it still has to reach a queue."""

    def create(
        self, broadcast: Broadcast, message: Outgoing, due_at: datetime, idempotency: Idempotency | None
    ) -> Broadcast:
        """Store broadcast, outbox row and idempotency key in one transaction.

        Returns:
            The broadcast given, or the earlier one that this key made.

        Raises:
            IdempotencyConflictError: the key was used for another request.
        """
        ...

    def get(self, broadcast_id: str) -> Broadcast | None:
        """One broadcast."""
        ...

    def finish(
        self, broadcast_id: str, state: BroadcastState, *, expected: int | None = None, failure: str | None = None
    ) -> None:
        """Note that everybody of the audience was seen to, or that it failed; a canceled one stays canceled."""
        ...

    def cancel(self, broadcast_id: str, retraction: Broadcast, message: Outgoing, now: datetime) -> Broadcast | None:
        """Mark it canceled, its unposted deliveries too, and store the retraction if somebody may have seen it.

        Returns:
            The broadcast as it was before, or None when there is none.
        """
        ...

    def drain(self, group_id: str, lane: Lane, now: datetime, send: Callable[[Sequence[Outgoing]], None]) -> int:
        """Send this group's due outbox rows in order under the group's lock; returns how many were sent."""
        ...

    def waiting(self, now: datetime, limit: int) -> list[tuple[str, Lane]]:
        """Groups with due outbox rows, the longest waiting first."""
        ...

    def release_delayed(self, now: datetime, limit: int) -> int:
        """Move due delayed deliveries into the outbox; returns how many people."""
        ...

    def release_escalations(self, now: datetime, limit: int, most: int) -> int:
        """Move due escalations into the outbox, at most `most` per broadcast; returns how many."""
        ...

    def expire(self, now: datetime, limit: int) -> int:
        """Mark the waiting deliveries of expired broadcasts; returns how many."""
        ...

    def requeue(self, since: datetime) -> int:
        """Send again what was sent since then and is not seen through, after the queue was lost; returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be recorded for one person. An offset is given out for `QUEUED` only."""

    user_id: str
    role: Role
    status: Status
    realtime: bool = True
    reason: str | None = None
    release_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is stored for a chunk after `record`: the broadcast's state then, the stream epoch, one row per person.

    `created` counts the rows that this call added.
    """

    state: BroadcastState
    expired: bool
    epoch: str
    rows: tuple[Delivery, ...]
    created: int


class Deliveries(Protocol):
    """One row per person and broadcast, and the heads of everybody's streams; always the writer."""

    def record(self, broadcast_id: str, lane: Lane, wanted: Sequence[Wanted], now: datetime) -> Recorded:
        """Insert what is missing in one transaction; what is there already stays as it is."""
        ...

    def settle(self, broadcast_id: str, *, sent: Sequence[str], tried: Sequence[str], most: int, now: datetime) -> int:
        """Mark people `sent` (never over `delivered`), count an attempt for those `tried` in vain.

        A person tried `most` times in vain becomes `failed`. Returns how many of `tried` are worth another attempt.
        """
        ...

    def unacked(self, broadcast_id: str, after: str, limit: int) -> list[Delivery]:
        """Recorded, undelivered rows in user id order, from `after` on."""
        ...

    def fail(self, broadcast_id: str, reason: str, now: datetime) -> int:
        """Mark what is still queued `failed`, for this reason."""
        ...

    def dead_letter(self, message: Message, reason: str, now: datetime) -> None:
        """Keep a dead letter for people to look at."""
        ...


class Audiences(Protocol):
    """Who is meant, read fresh from the directory."""

    def exists(self, audience: Audience) -> bool:
        """Whether the wedding, segment or every named person is known."""
        ...

    def addressable(self, audience: Audience, supplier_id: str) -> bool:
        """Whether all of the audience is on weddings that this supplier works on."""
        ...

    def whole(self, audience: Audience, now: datetime) -> list[Recipient]:
        """All people of a users, wedding or role audience."""
        ...

    def people(self, user_ids: Sequence[str], now: datetime) -> list[Recipient]:
        """These people, as far as they still exist."""
        ...

    def page(self, audience: Audience, stage: int, after: str, since: datetime, limit: int) -> list[str]:
        """User ids of a paged audience by keyset: stage 0..3 is a role; stage 4 is who changed after `since`."""
        ...

    def count(self, audience: Audience) -> int:
        """How many people a paged audience has now."""
        ...


class Connections(Protocol):
    """Sockets, in the writer: the truth that the no-loss proof rests on."""

    def pend(self, connection: Connection, now: datetime, expires_at: datetime) -> None:
        """Note a socket whose token was right; it gets nothing before it is active."""
        ...

    def activate(self, connection_id: str) -> str | None:
        """Commit that this socket is active; returns its user id, or None when there is no such socket."""
        ...

    def owner(self, connection_id: str) -> str | None:
        """The user id behind a socket."""
        ...

    def extend(self, connection_id: str, expires_at: datetime) -> None:
        """A new token came in: the socket may live until then."""
        ...

    def deactivate(self, connection_id: str) -> str | None:
        """The client unsubscribed: the socket lives on but gets nothing. Returns its user id."""
        ...

    def remove(self, connection_ids: Sequence[str]) -> list[Connection]:
        """Forget sockets; returns those that were known."""
        ...

    def active(self, user_ids: Sequence[str]) -> list[Connection]:
        """All active sockets of these people."""
        ...

    def stale(self, now: datetime, opened_before: datetime, limit: int) -> list[Connection]:
        """Sockets whose token ran out or that are older than any socket can be."""
        ...


class ConnectionIndex(Protocol):
    """The fast copy of the active sockets (Valkey). Losing it loses speed, never a message; no method raises."""

    def lookup(self, user_ids: Sequence[str]) -> list[Connection] | None:
        """All indexed sockets of these people; None when the index is away or was wiped."""
        ...

    def add(self, connection: Connection) -> None:
        """Index a socket."""
        ...

    def remove(self, connections: Sequence[Connection]) -> None:
        """Forget sockets."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """One stream's state: last offset given out, last offset acked, last offset no longer kept."""

    head: int = 0
    acked: int = 0
    floor: int = 0


class Limits(Protocol):
    """Rate limits per person; without Valkey they are open, because a limit must not silence an emergency."""

    def allow(self, what: str, who: str, most: int, window_s: int) -> bool:
        """Count one use of `what` by `who`; False when it is more than `most` within `window_s` seconds."""
        ...


class Inbox(Protocol):
    """A person's streams as the client reads them; always the writer."""

    def epoch(self) -> str:
        """The epoch of all inbox streams."""
        ...

    def heads(self, user_id: str) -> tuple[str, dict[Lane, Head]]:
        """(epoch, head of every lane)."""
        ...

    def events(self, user_id: str, after: Mapping[Lane, int], limit: int, now: datetime) -> list[Event]:
        """Events later than these offsets, lane by lane in offset order, tombstones for expired and canceled ones."""
        ...

    def ack(self, connection_id: str, epoch: str, offsets: Mapping[Lane, int], now: datetime) -> dict[Lane, int] | None:
        """Note what was received, clamped to the heads; returns acked offsets, or None for an unknown socket."""
        ...


class Upkeep(Protocol):
    """Housekeeping that nobody waits for."""

    def purge(self, now: datetime) -> dict[str, int]:
        """Delete what is older than `policy.retention` says; returns rows per table."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All that the flow touches, chosen by `wiring`.

    `clock` gives aware UTC times, `jitter` numbers in [0, 1), `new_id` UUIDv7 texts.
    """

    broadcasts: Broadcasts
    audiences: Audiences
    deliveries: Deliveries
    connections: Connections
    index: ConnectionIndex
    inbox: Inbox
    queue: Queue
    poster: Poster
    governor: Governor
    metrics: Metrics
    limits: Limits
    upkeep: Upkeep
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    new_id: Callable[[], str]
