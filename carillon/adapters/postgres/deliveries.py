"""Deliveries and stream heads in PostgreSQL: the record step that gives out offsets without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carillon import sql
from carillon.adapters.postgres.rows import delivery_from
from carillon.errors import NotFoundError
from carillon.model import BroadcastState, Delivery, Lane, Status
from carillon.ports import Recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import Connection

    from carillon.adapters.postgres.database import Database
    from carillon.ports import Message, Wanted

_SQL = sql.queries("deliveries")


class PostgresDeliveries:
    """See `ports.Deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, broadcast_id: str, lane: Lane, wanted: Sequence[Wanted], now: datetime) -> Recorded:
        """Insert what is missing, in one transaction.

        The broadcast is read `FOR SHARE`, so that a cancel waits for us or we see it. Heads are locked in user id order
        (no deadlock) and only those of rows really inserted are bumped (no gap, also under overlapping redeliveries).
        """
        key = {"broadcast_id": broadcast_id, "lane": lane}
        with self._database.transaction() as connection:
            state = connection.execute(_SQL["broadcast_for_share"], key).fetchone()
            if state is None:
                raise NotFoundError(f"there is no broadcast {broadcast_id}")
            canceled = state["state"] == BroadcastState.CANCELED
            expired = state["expires_at"] is not None and state["expires_at"] <= now
            if canceled or expired:
                over = Status.CANCELED if canceled else Status.EXPIRED
                created = _insert_other(connection, key, wanted, over)
            else:
                created = _insert_all(connection, key, wanted)
            users = [person.user_id for person in wanted]
            rows = connection.execute(_SQL["rows"], key | {"users": users}).fetchall()
        return Recorded(
            BroadcastState(state["state"]), expired, state["epoch"], tuple(delivery_from(row) for row in rows), created
        )

    def settle(self, broadcast_id: str, *, sent: Sequence[str], tried: Sequence[str], most: int, now: datetime) -> int:
        """Mark people `sent`, count an attempt for those `tried` in vain; returns how many are worth another."""
        values = {"broadcast_id": broadcast_id, "most": most, "now": now}
        if sent:
            self._database.all(_SQL["settle_sent"], values | {"users": list(sent)})
        if not tried:
            return 0
        rows = self._database.all(_SQL["settle_tried"], values | {"users": list(tried)})
        return sum(row["attempts"] < most for row in rows)

    def end_delay(self, broadcast_id: str, user_ids: Sequence[str]) -> None:
        """Forget the delays of people who are no longer meant."""
        self._database.all(_SQL["end_delay"], {"broadcast_id": broadcast_id, "users": list(user_ids)})

    def unacked(self, broadcast_id: str, after: str, limit: int) -> list[Delivery]:
        """Recorded, undelivered rows in user id order."""
        values = {"broadcast_id": broadcast_id, "after": after, "limit": limit}
        return [delivery_from(row) for row in self._database.all(_SQL["unacked"], values)]

    def fail(self, broadcast_id: str, reason: str, now: datetime) -> int:
        """Mark what is still queued `failed`."""
        with self._database.transaction() as connection:
            return connection.execute(
                _SQL["fail"], {"broadcast_id": broadcast_id, "reason": reason, "now": now}
            ).rowcount

    def dead_letter(self, message: Message, reason: str, now: datetime) -> None:
        """Keep a dead letter for people to look at."""
        values = {
            "message_id": message.message_id,
            "lane": message.lane,
            "broadcast_id": message.broadcast_id,
            "reason": reason,
            "body": message.body.replace("\0", ""),
            "now": now,
        }
        self._database.all(_SQL["dead_letter"], values)


def _insert_all(connection: Connection[Any], key: dict[str, Any], wanted: Sequence[Wanted]) -> int:
    queued = [person for person in wanted if person.status is Status.QUEUED]
    delayed = [person for person in wanted if person.status is Status.DELAYED]
    other = [person for person in wanted if person.status not in (Status.QUEUED, Status.DELAYED)]
    created = _insert_queued(connection, key, queued) if queued else 0
    created += _insert_other(connection, key, other, None) if other else 0
    if delayed:
        moments = {"users": [one.user_id for one in delayed], "release_at": [one.release_at for one in delayed]}
        connection.execute(_SQL["record_delayed"], key | moments)
    return created


def _insert_queued(connection: Connection[Any], key: dict[str, Any], queued: Sequence[Wanted]) -> int:
    values = key | {
        "users": [person.user_id for person in queued],
        "roles": [person.role for person in queued],
        "realtime": [person.realtime for person in queued],
    }
    counts = connection.execute(_SQL["record_queued"], values).fetchone()
    assert counts is not None
    created = counts["fresh"]
    if counts["heads"] < counts["wanted"]:
        # Somebody's first message in this lane: open their stream, then give out the offsets.
        connection.execute(_SQL["add_heads"], values)
        again = connection.execute(_SQL["record_queued"], values).fetchone()
        assert again is not None
        created += again["fresh"]
    connection.execute(_SQL["end_delay"], values)
    return int(created)


def _insert_other(
    connection: Connection[Any], key: dict[str, Any], wanted: Sequence[Wanted], status: Status | None
) -> int:
    values = key | {
        "users": [person.user_id for person in wanted],
        "roles": [person.role for person in wanted],
        "statuses": [person.status if status is None else status for person in wanted],
        "reasons": [person.reason for person in wanted],
    }
    created = connection.execute(_SQL["record_other"], values).rowcount
    connection.execute(_SQL["end_delay"], values)
    return created
