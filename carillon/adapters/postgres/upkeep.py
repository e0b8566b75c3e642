"""Retention: old rows go, week by week for deliveries, and new partitions come before they are needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from carillon import sql
from carillon.adapters.postgres.migrate import ensure_partitions, uuid7_floor
from carillon.policy import retention

if TYPE_CHECKING:
    from psycopg import Connection

    from carillon.adapters.postgres.database import Database

_SQL = sql.queries("upkeep")
_OPEN = "SELECT 1 FROM {partition} WHERE status IN (0, 2) LIMIT 1"
_WEEK = timedelta(weeks=1)


class PostgresUpkeep:
    """See `ports.Upkeep`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def purge(self, now: datetime) -> dict[str, int]:
        """Delete what is older than `policy.retention` says; returns rows (for deliveries: partitions) per table."""
        done = {}
        for table, age in retention.RETENTION.items():
            with self._database.transaction() as connection:
                done[table] = connection.execute(_SQL[f"purge_{table}"], {"before": now - age}).rowcount
        with self._database.transaction() as connection:
            ensure_partitions(connection, now)
            done["deliveries"] = self._drop_partitions(connection, now - retention.INBOX)
            before = uuid7_floor(now - retention.INBOX)
            done["broadcasts"] = connection.execute(_SQL["purge_broadcasts"], {"before": before}).rowcount
            done["outbox_groups"] = connection.execute(_SQL["purge_groups"]).rowcount
        return done

    @staticmethod
    def _drop_partitions(connection: Connection[Any], before: datetime) -> int:
        """Drop the weeks that ended before then, unless something in them still waits to be delivered."""
        dropped = 0
        for row in connection.execute(_SQL["partitions"]).fetchall():
            name = row["name"]
            start = datetime.strptime(name, "deliveries_%Y_%m_%d").replace(tzinfo=UTC)
            waiting = connection.execute(_OPEN.format(partition=name)).fetchone()
            if start + _WEEK <= before and waiting is None:
                connection.execute(_SQL["raise_floors"].format(partition=name))
                connection.execute(f"DROP TABLE {name}")
                dropped += 1
        return dropped
