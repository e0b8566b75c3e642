"""What the planner reads and writes here: the weddings and what they ask for, and the decisions on capacity."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from psycopg.types.json import Jsonb

from carillon import sql
from carillon.errors import InvalidInputError
from carillon.model import Role, WeddingStatus
from carillon.policy.demand import Wedding
from carillon.ports.scaling import PLANNED, ScalingEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from carillon.adapters.postgres.database import Database

_LOG = logging.getLogger(__name__)
_SQL = sql.queries("calendar")
_PAGE: Final = 1_000
"""Weddings a statement: 7 ms with their teams. With nothing in memory it fetches some 1,100 blocks, in about a second
where each takes a millisecond: well within the statement time-out of 5 s."""


class PostgresCalendar:
    """See `ports.scaling.Calendar`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def weddings(self, start: datetime, end: datetime) -> int:
        """How many that are not canceled begin from `start` on and before `end`."""
        given = {"start": start, "end": end, "canceled": WeddingStatus.CANCELED}
        row = self._database.one(_SQL["weddings_between"], given)
        return int(row["weddings"]) if row else 0

    def between(self, start: datetime, end: datetime) -> list[Wedding]:
        """Those, by their beginning and then their id.

        Each page is a transaction of its own. A wedding that is moved meanwhile counts once, as it was read last; one
        that was moved to where the pages have been already is missing until the call that its change brings.
        """
        found: dict[str, Wedding] = {}
        after, rows = "", self._page(start, end, "")
        while rows:
            found.update((row["wedding_id"], wedding_from(row)) for row in rows)
            if len(rows) < _PAGE:
                break
            start, after = rows[-1]["starts_at"], rows[-1]["wedding_id"]
            rows = self._page(start, end, after)
        return sorted(found.values(), key=lambda one: (one.starts_at, one.wedding_id))

    def _page(self, start: datetime, end: datetime, after: str) -> list[dict[str, Any]]:
        given = {
            "start": start,
            "end": end,
            "after": after,
            "limit": _PAGE,
            "canceled": WeddingStatus.CANCELED,
            "guest": Role.GUEST,
        }
        return self._database.all(_SQL["page_between"], given)

    def wedding(self, wedding_id: str) -> Wedding | None:
        """One, canceled or not; None when there is none."""
        row = self._database.one(_SQL["wedding"], {"wedding_id": wedding_id, "guest": Role.GUEST})
        return wedding_from(row) if row else None


def wedding_from(row: Mapping[str, Any]) -> Wedding:
    """A row of `page_between` or `wedding`.

    A time zone that this machine does not know only moves the day that the wedding counts for: it is taken for UTC, so
    that one row's mistake does not stop the plan for all.
    """
    starts_at, canceled = row["starts_at"].astimezone(UTC), row["status"] == WeddingStatus.CANCELED
    try:
        return Wedding(row["wedding_id"], starts_at, row["time_zone"], row["team"], row["guests"], canceled)
    except InvalidInputError as error:
        _LOG.warning("taken for UTC: %s", error.message)
        return Wedding(row["wedding_id"], starts_at, "UTC", row["team"], row["guests"], canceled)


class PostgresScalingLog:
    """See `ports.scaling.ScalingLog`.

    Args:
        database: the writer, so that a decision is seen by the next round.
        region: whose decisions these are: each Region plans for itself.
    """

    def __init__(self, database: Database, *, region: str) -> None:
        self._database = database
        self._region = region

    def record(self, events: Sequence[ScalingEvent]) -> None:
        """Keep them, with this Region's name."""
        rows = [
            asdict(event) | {"decided_at": event.decided_at.isoformat(), "region": self._region} for event in events
        ]
        self._database.all(_SQL["record_scaling"], {"events": Jsonb(rows)})

    def made(self, since: datetime) -> list[ScalingEvent]:
        """Those of the plan and the season from then on that were carried out, the earliest first."""
        return self._events("scaling_made", {"since": since, "planned": list(PLANNED)})

    def latest(self, limit: int) -> list[ScalingEvent]:
        """The last ones of this Region, whatever came of them, the newest first."""
        return self._events("scaling_latest", {"limit": limit})

    def reacted(self) -> dict[str, datetime]:
        """When each group was last changed in reaction to load, in the last hour by the database's clock."""
        given = {"region": self._region, "planned": list(PLANNED)}
        rows = self._database.all(_SQL["scaling_reacted"], given)
        return {row["scaling_group"]: row["decided_at"] for row in rows}

    def _events(self, query: str, given: dict[str, Any]) -> list[ScalingEvent]:
        rows = self._database.all(_SQL[query], given | {"region": self._region})
        return [ScalingEvent(**row) for row in rows]
