"""Broadcasts and the outbox in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from carillon import sql
from carillon.adapters.postgres.rows import broadcast_from, broadcast_parameters
from carillon.errors import IdempotencyConflictError
from carillon.model import Audience, Broadcast, BroadcastState, Lane
from carillon.policy import messages
from carillon.policy.batching import LARGEST, OUTBOX, cut
from carillon.ports import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from psycopg import Connection

    from carillon.adapters.postgres.database import Database
    from carillon.ports import Idempotency

_SQL = sql.queries("broadcasts")


class PostgresBroadcasts:
    """See `ports.Broadcasts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, broadcast: Broadcast, message: Outgoing, due_at: datetime, idempotency: Idempotency | None
    ) -> Broadcast:
        """Store broadcast, outbox row and idempotency key in one transaction."""
        with self._database.transaction() as connection:
            if idempotency is not None:
                earlier = self._claim(connection, idempotency, broadcast)
                if earlier is not None:
                    return earlier
            self._store(connection, broadcast, message, due_at)
        return broadcast

    @staticmethod
    def _claim(connection: Connection[Any], idempotency: Idempotency, broadcast: Broadcast) -> Broadcast | None:
        keys = {"principal": idempotency.principal, "key": idempotency.key}
        new = {
            "request_hash": idempotency.request_hash,
            "broadcast_id": broadcast.broadcast_id,
            "now": broadcast.created_at,
        }
        if connection.execute(_SQL["claim_key"], keys | new).fetchone() is not None:
            return None
        known = connection.execute(_SQL["read_key"], keys).fetchone()
        assert known is not None
        if known["request_hash"] != idempotency.request_hash:
            raise IdempotencyConflictError(
                f"the Idempotency-Key {idempotency.key!r} was used for another request; use a new key for a new one"
            )
        row = connection.execute(_SQL["get"], {"broadcast_id": known["broadcast_id"]}).fetchone()
        return broadcast_from(row) if row is not None else None

    @staticmethod
    def _store(connection: Connection[Any], broadcast: Broadcast, message: Outgoing, due_at: datetime) -> None:
        connection.execute(_SQL["insert"], broadcast_parameters(broadcast))
        _put(connection, message, due_at)
        if broadcast.escalate_after_s is not None:
            due = due_at + timedelta(seconds=broadcast.escalate_after_s)
            connection.execute(_SQL["insert_escalation"], {"broadcast_id": broadcast.broadcast_id, "due_at": due})

    def get(self, broadcast_id: str) -> Broadcast | None:
        """One broadcast."""
        row = self._database.one(_SQL["get"], {"broadcast_id": broadcast_id})
        return broadcast_from(row) if row else None

    def finish(
        self, broadcast_id: str, state: BroadcastState, *, expected: int | None = None, failure: str | None = None
    ) -> None:
        """Note that everybody was seen to, or that it failed."""
        values = {"broadcast_id": broadcast_id, "state": state, "expected": expected, "failure": failure}
        self._database.all(_SQL["finish"], values)

    def cancel(self, broadcast_id: str, retraction: Broadcast, message: Outgoing, now: datetime) -> Broadcast | None:
        """Mark it canceled, its unposted deliveries too; the retraction goes out if anybody may have seen it."""
        with self._database.transaction() as connection:
            row = connection.execute(_SQL["get_for_update"], {"broadcast_id": broadcast_id}).fetchone()
            if row is None:
                return None
            before = broadcast_from(row)
            if before.state is not BroadcastState.CANCELED:
                values = {"broadcast_id": broadcast_id, "lane": before.lane, "now": now}
                for step in ("cancel", "cancel_deliveries", "cancel_delayed", "end_escalation"):
                    connection.execute(_SQL[step], values)
                held = connection.execute(_SQL["anybody_holds"], values).fetchone()
                if held is not None and held["held"]:
                    self._store(connection, retraction, message, now)
            return before

    def drain(self, group_id: str, lane: Lane, now: datetime, send: Callable[[Sequence[Outgoing]], None]) -> int:
        """Send this group's due rows in order; a failure of `send` leaves them for the next time."""
        group = {"group_id": group_id, "lane": lane, "now": now, "limit": OUTBOX}
        with self._database.transaction() as connection:
            connection.execute(_SQL["lock_group"], group)
            rows = connection.execute(_SQL["due_in_group"], group).fetchall()
            if rows:
                send([_outgoing(row) for row in rows])
                connection.execute(_SQL["mark_sent"], {"ids": [row["outbox_id"] for row in rows], "now": now})
        return len(rows)

    def put_off(self, message: Outgoing, now: datetime) -> None:
        """Keep a message that another Region's lane did not take."""
        with self._database.transaction() as connection:
            _put(connection, message, now)

    def waiting(self, now: datetime, limit: int) -> list[tuple[str, Lane]]:
        """Groups with due rows, critical first."""
        rows = self._database.all(_SQL["waiting"], {"now": now, "limit": limit})
        return [(row["group_id"], Lane(row["lane"])) for row in rows]

    def overdue_s(self, now: datetime) -> float:
        """The age of the oldest due row, by the index of what waits."""
        row = self._database.one(_SQL["overdue"], {"now": now})
        return float(row["overdue_s"]) if row else 0.0

    def release_delayed(self, now: datetime, limit: int) -> int:
        """Move due delayed deliveries into the outbox."""
        with self._database.transaction() as connection:
            due = connection.execute(_SQL["release_delayed"], {"now": now, "limit": limit}).fetchall()
            people: dict[str, list[str]] = {}
            for row in due:
                people.setdefault(str(row["broadcast_id"]), []).append(row["user_id"])
            for row in connection.execute(_SQL["lanes_of"], {"ids": list(people)}).fetchall() if people else ():
                self._release(connection, row, people[str(row["broadcast_id"])], now)
        return len(due)

    @staticmethod
    def _release(connection: Connection[Any], row: dict[str, Any], users: list[str], now: datetime) -> None:
        broadcast_id, audience = str(row["broadcast_id"]), Audience.from_json(row["audience"])
        for part in cut(sorted(users), LARGEST):
            # The ticket keeps a second release of the same people apart from the first in the queue's deduplication.
            body = messages.encode(messages.Deliver(broadcast_id, tuple(part), ticket=now.isoformat()))
            group = messages.group_id(broadcast_id, audience)
            _put(connection, Outgoing(Lane(row["lane"]), group, broadcast_id, body), now)

    def release_escalations(self, now: datetime, limit: int, most: int) -> int:
        """Move due escalations into the outbox and plan the next one."""
        with self._database.transaction() as connection:
            due = connection.execute(_SQL["due_escalations"], {"now": now, "limit": limit}).fetchall()
            return sum(self._escalate(connection, row, now, most) for row in due)

    @staticmethod
    def _escalate(connection: Connection[Any], row: dict[str, Any], now: datetime, most: int) -> int:
        broadcast_id, attempt = str(row["broadcast_id"]), row["attempt"]
        over = row["state"] in (BroadcastState.CANCELED, BroadcastState.FAILED) or (
            row["expires_at"] is not None and row["expires_at"] <= now
        )
        waiting = row["state"] == BroadcastState.ACCEPTED
        left = connection.execute(_SQL["anybody_unacked"], {"broadcast_id": broadcast_id}).fetchone()
        if over or attempt > most or not (waiting or (left is not None and left["unacked"])):
            connection.execute(_SQL["end_escalation"], {"broadcast_id": broadcast_id})
            return 0
        body = messages.encode(messages.Escalate(broadcast_id, attempt))
        # A group of its own: it must not wait behind the wedding's next broadcasts, and its order does not matter.
        group = f"escalation:{broadcast_id}"
        _put(connection, Outgoing(Lane(row["lane"]), group, broadcast_id, body), now)
        connection.execute(_SQL["note_escalation"], {"broadcast_id": broadcast_id, "attempt": attempt})
        due_at = now + timedelta(seconds=row["escalate_after_s"])
        connection.execute(_SQL["next_escalation"], {"broadcast_id": broadcast_id, "due_at": due_at})
        return 1

    def expire(self, now: datetime, limit: int) -> int:
        """Mark what expired broadcasts still had waiting."""
        with self._database.transaction() as connection:
            return connection.execute(_SQL["expire"], {"now": now, "limit": limit}).rowcount

    def requeue(self, since: datetime) -> int:
        """Send again what was sent since then and is not seen through: the queue has lost it. Returns how many rows.

        Sending too much is harmless: the record step inserts a person once.
        """
        with self._database.transaction() as connection:
            connection.execute(_SQL["release_again"], {"since": since})
            return connection.execute(_SQL["requeue"], {"since": since}).rowcount

    def revive(self, before: datetime) -> int:
        """Send again what was sent before then and whose broadcast nobody has worked on."""
        with self._database.transaction() as connection:
            return connection.execute(_SQL["revive"], {"before": before}).rowcount


def _put(connection: Connection[Any], message: Outgoing, due_at: datetime) -> None:
    values = {
        "broadcast_id": message.broadcast_id,
        "lane": message.lane,
        "group_id": message.group_id,
        "body": message.body,
        "due_at": due_at,
        "region": message.region,
    }
    connection.execute(_SQL["insert_group"], values)
    connection.execute(_SQL["insert_outbox"], values)


def _outgoing(row: dict[str, Any]) -> Outgoing:
    return Outgoing(Lane(row["lane"]), row["group_id"], str(row["broadcast_id"]), row["body"], row["region"])
