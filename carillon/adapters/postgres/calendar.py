"""The wedding calendar: what the planner needs to know of a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon import sql

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.adapters.postgres.database import Database

_SQL = sql.queries("calendar")


class PostgresCalendar:
    """See `ports.scaling.Calendar`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def weddings(self, start: datetime, end: datetime) -> int:
        """How many that are not canceled begin from `start` on and before `end`."""
        row = self._database.one(_SQL["weddings_between"], {"start": start, "end": end})
        return int(row["weddings"]) if row else 0
