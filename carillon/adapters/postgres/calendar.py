"""What the planner reads and writes here: the weddings of a day, and its decisions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from carillon import sql
from carillon.model import WeddingStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.adapters.postgres.database import Database
    from carillon.ports.scaling import ScalingEvent

_SQL = sql.queries("calendar")


class PostgresCalendar:
    """See `ports.scaling.Calendar`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def weddings(self, start: datetime, end: datetime) -> int:
        """How many that are not canceled begin from `start` on and before `end`."""
        given = {"start": start, "end": end, "canceled": WeddingStatus.CANCELED}
        row = self._database.one(_SQL["weddings_between"], given)
        return int(row["weddings"]) if row else 0


class PostgresScalingLog:
    """See `ports.scaling.ScalingLog`."""

    def __init__(self, database: Database, *, region: str) -> None:
        self._database = database
        self._region = region

    def record(self, events: Sequence[ScalingEvent]) -> None:
        """Keep them, with this Region's name."""
        rows = [
            asdict(event) | {"decided_at": event.decided_at.isoformat(), "region": self._region} for event in events
        ]
        self._database.all(_SQL["record_scaling"], {"events": Jsonb(rows)})
