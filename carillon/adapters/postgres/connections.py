"""Sockets and inboxes in PostgreSQL: the truth that the no-loss proof rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon import sql
from carillon.adapters.postgres.rows import event_from
from carillon.model import Connection, Event, Lane
from carillon.ports import Head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from carillon.adapters.postgres.database import Database

_SQL = sql.queries("connections")


class PostgresConnections:
    """See `ports.Connections`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pend(self, connection: Connection, now: datetime, expires_at: datetime) -> bool:
        """Note a socket whose token was right; False when its person is not in the directory."""
        values = {"connection_id": connection.connection_id, "user_id": connection.user_id}
        return self._database.one(_SQL["pend"], values | {"now": now, "expires_at": expires_at}) is not None

    def activate(self, connection_id: str) -> str | None:
        """Commit that this socket is active."""
        return self._user("activate", connection_id)

    def owner(self, connection_id: str) -> str | None:
        """The user id behind a socket."""
        return self._user("owner", connection_id)

    def deactivate(self, connection_id: str) -> str | None:
        """The socket lives on but gets nothing."""
        return self._user("deactivate", connection_id)

    def _user(self, query: str, connection_id: str) -> str | None:
        row = self._database.one(_SQL[query], {"connection_id": connection_id})
        return row["user_id"] if row else None

    def extend(self, connection_id: str, expires_at: datetime) -> None:
        """The socket may live until then."""
        self._database.all(_SQL["extend"], {"connection_id": connection_id, "expires_at": expires_at})

    def remove(self, connection_ids: Sequence[str]) -> list[Connection]:
        """Forget sockets."""
        rows = self._database.all(_SQL["remove"], {"ids": list(connection_ids)})
        return [Connection(row["connection_id"], row["user_id"]) for row in rows]

    def active(self, user_ids: Sequence[str]) -> list[Connection]:
        """All active sockets of these people."""
        rows = self._database.all(_SQL["active"], {"users": list(user_ids)})
        return [Connection(row["connection_id"], row["user_id"]) for row in rows]

    def everybody(self) -> list[Connection]:
        """All active sockets there are; to build the index anew."""
        rows = self._database.all(sql.queries("upkeep")["everybody"])
        return [Connection(row["connection_id"], row["user_id"]) for row in rows]

    def stale(self, now: datetime, opened_before: datetime, limit: int) -> list[Connection]:
        """Sockets whose token ran out or that are older than any socket can be."""
        rows = self._database.all(_SQL["stale"], {"now": now, "opened_before": opened_before, "limit": limit})
        return [Connection(row["connection_id"], row["user_id"]) for row in rows]


class PostgresInbox:
    """See `ports.Inbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def epoch(self) -> str:
        """The epoch of all inbox streams."""
        row = self._database.one(_SQL["epoch"])
        assert row is not None
        return str(row["epoch"])

    def heads(self, user_id: str) -> tuple[str, dict[Lane, Head]]:
        """(epoch, head of every lane)."""
        rows = self._database.all(_SQL["heads"], {"user_id": user_id})
        heads = {
            Lane(row["lane"]): Head(row["head"], row["acked"], row["floor"]) for row in rows if row["lane"] is not None
        }
        return rows[0]["epoch"], {lane: heads.get(lane, Head()) for lane in Lane}

    def events(self, user_id: str, after: Mapping[Lane, int], limit: int, now: datetime) -> list[Event]:
        """Events later than these offsets, lane by lane in offset order."""
        values = {"user_id": user_id, "lanes": list(after), "after": list(after.values()), "limit": limit}
        return [event_from(row, now) for row in self._database.all(_SQL["events"], values)]

    def ack(self, connection_id: str, epoch: str, offsets: Mapping[Lane, int], now: datetime) -> dict[Lane, int] | None:
        """Note what was received, clamped to the heads."""
        values = {
            "connection_id": connection_id,
            "epoch": epoch,
            "lanes": list(offsets),
            "offsets": list(offsets.values()),
            "now": now,
        }
        rows = self._database.all(_SQL["ack"], values)
        if not rows:
            return None
        return {Lane(row["lane"]): row["upto"] for row in rows if row["lane"] is not None}
