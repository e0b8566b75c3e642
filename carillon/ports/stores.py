"""Broadcasts, audiences and deliveries: what stands in the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from carillon.model import (
        Audience,
        Broadcast,
        BroadcastState,
        Delivery,
        Lane,
        Recipient,
        Role,
        Status,
    )
    from carillon.ports.queues import Message, Outgoing


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
        """Note that everybody of the audience was seen to, or that it failed; a canceled or failed one stays so."""
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

    def put_off(self, message: Outgoing, now: datetime) -> None:
        """Keep a message that another Region's lane did not take; it is due at once, and for the relay to send."""
        ...

    def waiting(self, now: datetime, limit: int) -> list[tuple[str, Lane]]:
        """Groups with due outbox rows, the longest waiting first."""
        ...

    def overdue_s(self, now: datetime) -> float:
        """How long the oldest due outbox row has been due, in seconds; 0 when none is."""
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

    def revive(self, before: datetime) -> int:
        """Send again what was sent before then and is still not worked on; returns how many.

        Whatever swallowed the message, nobody is to miss it; and one too many is dropped by the record step.
        """
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

    def end_delay(self, broadcast_id: str, user_ids: Sequence[str]) -> None:
        """Forget the delays of people who are no longer meant."""
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

    def unknown(self, audience: Audience) -> list[str]:
        """What of the audience is not known: the ids of people, the wedding or the segment; empty is well."""
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


class Upkeep(Protocol):
    """Housekeeping that nobody waits for."""

    def purge(self, now: datetime) -> dict[str, int]:
        """Delete what is older than `policy.retention` says; returns rows per table."""
        ...
