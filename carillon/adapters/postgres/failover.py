"""What the database must know after its Region was lost and another one's copy was promoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carillon import sql
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.adapters.postgres.database import Database


def fail_over(database: Database, lost: str, since: datetime) -> dict[str, Any]:
    """Begin a new epoch, forget the lost Region's sockets, send again what its lanes may have held.

    The copy may lack the last second: offsets that phones have seen are given out again. In a new epoch they mean
    something else, and each phone starts over from what it had acked. Running it again does no harm.

    Args:
        database: the promoted writer.
        lost: the Region that is gone.
        since: from when on accepted broadcasts are looked at; the record step drops what was done.

    Returns:
        The new `epoch`, and how many `sockets` were forgotten and outbox rows sent `again`.

    Raises:
        OutageError: the database is away, or was not promoted and can only be read.
    """
    queries, region = sql.queries("failover"), {"region": lost}
    with database.transaction() as connection:
        row = connection.execute(queries["new_epoch"]).fetchone()
        assert row is not None
        sockets = connection.execute(queries["forget_region"], region).rowcount
        connection.execute(queries["bring_home"], region)
    again = PostgresBroadcasts(database).requeue(since)
    return {"epoch": row["epoch"], "sockets": sockets, "again": again}
