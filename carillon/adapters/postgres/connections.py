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
    """See `ports.Connections`.

    Args:
        database: the writer.
        region: where this runs; noted with each socket.
        peer: the other Region, where there are two. Without one, all sockets are this Region's.
    """

    def __init__(self, database: Database, *, region: str = "", peer: str = "") -> None:
        self._database = database
        self._region, self._peer = region, peer
        self._here = {"here": region if peer else None}

    def pend(self, connection: Connection, now: datetime, expires_at: datetime) -> bool:
        """Note a socket whose token was right; False when its person is not in the directory."""
        person = {"connection_id": connection.connection_id, "user_id": connection.user_id}
        moments = {"now": now, "expires_at": expires_at}
        return self._database.one(_SQL["pend"], person | moments | {"region": self._region}) is not None

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
        """All active sockets of these people in this Region."""
        rows = self._database.all(_SQL["active"], self._here | {"users": list(user_ids)})
        return [Connection(row["connection_id"], row["user_id"]) for row in rows]

    def elsewhere(self, user_ids: Sequence[str]) -> list[str]:
        """Who of these people has an active socket in the other Region."""
        if not self._peer:
            return []
        rows = self._database.all(_SQL["elsewhere"], {"users": list(user_ids), "peer": self._peer})
        return [row["user_id"] for row in rows]

    def everybody(self) -> list[Connection]:
        """All active sockets of this Region; to build the index anew."""
        rows = self._database.all(sql.queries("upkeep")["everybody"], self._here)
        return [Connection(row["connection_id"], row["user_id"]) for row in rows]

    def count(self) -> int:
        """How many active sockets this Region has."""
        row = self._database.one(_SQL["count"], self._here)
        return int(row["sockets"]) if row else 0

    def stale(self, now: datetime, opened_before: datetime, limit: int) -> list[Connection]:
        """This Region's sockets whose token ran out or that are older than any socket can be."""
        moments = {"now": now, "opened_before": opened_before}
        rows = self._database.all(_SQL["stale"], self._here | moments | {"limit": limit})
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
