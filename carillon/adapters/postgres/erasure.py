"""Erases a person. What they were sent stays counted, under a name that nobody can trace back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carillon import sql
from carillon.model import Connection

if TYPE_CHECKING:
    from carillon.adapters.postgres.database import Database

_STEPS: Final = (
    "erase_user",
    "erase_connections",
    "erase_heads",
    "erase_delayed",
    "erase_deliveries",
    "erase_audiences",
    "erase_sender",
    "erase_keys",
    "erase_outbox",
    "erase_dead_letters",
)
"""The person goes first: a consumer that reads its audience after this no longer finds them."""


def erase(database: Database, user_id: str) -> list[Connection]:
    """Remove every trace of a person's id in one transaction; again is fine, and sweeps what came in between.

    Returns:
        Their sockets, which the caller closes.
    """
    queries = sql.queries("directory")
    with database.transaction() as connection:
        # Deliveries that were filtered are in no index by person, so this may read a whole table.
        connection.execute("SET LOCAL statement_timeout = '5min'")
        sockets: list[Connection] = []
        for step in _STEPS:
            cursor = connection.execute(queries[step], {"user_id": user_id})
            if step == "erase_connections":
                sockets = [Connection(row["connection_id"], row["user_id"]) for row in cursor.fetchall()]
    return sockets
