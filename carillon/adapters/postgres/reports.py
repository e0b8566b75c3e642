"""Reads what happened from PostgreSQL, and checks it: `verify` trusts the directory and the streams, not the flow."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from carillon import sql
from carillon.adapters.postgres.migrate import uuid7_floor
from carillon.adapters.postgres.rows import broadcast_from
from carillon.errors import NotFoundError
from carillon.model import BroadcastState, Lane, Role, Status
from carillon.reports import Counts, DeliveryRow, Problem, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.adapters.postgres.database import Database
    from carillon.model import Broadcast

_SQL: Final = sql.queries("reports")
_NEWEST: Final = str(UUID(int=(1 << 128) - 1))
_MOST_PROBLEMS: Final = 200
"""Problems spelled out; the totals count all of them."""
_PIECES: Final = timedelta(seconds=60)
"""How long the pieces of a large audience may wait in the queue before who has nothing counts as lost."""
_SETUP: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class Reports:
    """Pages go by id: broadcasts newest first, deliveries in user id order. `supplier_id` restricts as elsewhere.

    Args:
        database: the writer, for whoever looks at what they have just done.
        readers: for large reads that may be a moment old. A reader replays whole transactions in the writer's order, so
            that what it shows was true together, a moment ago: counts, pages and the proof are as good there, and cost
            the writer nothing. The writer again when there are none.
    """

    def __init__(self, database: Database, readers: Database | None = None) -> None:
        self._database = database
        self._readers = readers or database

    def writable(self) -> bool:
        """Whether the database takes writes: it is there, and no standby."""
        row = self._database.one(_SQL["writable"])
        return row is not None and bool(row["writable"])

    def broadcasts(
        self, *, before: str | None = None, limit: int, wedding_id: str | None = None, supplier_id: str | None = None
    ) -> list[Broadcast]:
        """Broadcasts, the newest first, from before an id on."""
        given = {"before": before or _NEWEST, "limit": limit, "wedding_id": wedding_id, "supplier_id": supplier_id}
        return [broadcast_from(row) for row in self._database.all(_SQL["broadcasts_page"], given)]

    def broadcast(self, broadcast_id: str, *, supplier_id: str | None = None) -> Broadcast:
        """One broadcast.

        Raises:
            NotFoundError: there is none, or this supplier may not see it.
        """
        row = self._database.one(_SQL["broadcast"], {"broadcast_id": broadcast_id, "supplier_id": supplier_id})
        if row is None:
            raise NotFoundError(f"there is no broadcast {broadcast_id!r}")
        return broadcast_from(row)

    def counts(self, broadcast_id: str) -> Counts:
        """How many people stand where."""
        rows = self._readers.all(_SQL["counts"], {"broadcast_id": broadcast_id})
        by_status = dict.fromkeys(Status, 0)
        for row in rows:
            by_status[Status(row["status"])] += row["people"]
        return Counts(by_status, sum(row["unacked"] for row in rows))

    def deliveries(
        self, broadcast_id: str, *, after: str = "", limit: int, status: Status | None = None, unacked: bool = False
    ) -> list[DeliveryRow]:
        """The deliveries of a broadcast, those of one status or the unacked ones if asked for."""
        given = {"broadcast_id": broadcast_id, "after": after, "limit": limit, "status": status, "unacked": unacked}
        return [_delivery(row) for row in self._readers.all(_SQL["deliveries_page"], given)]

    def verify(self, since: datetime, now: datetime) -> Verdict:
        """Reconcile every broadcast accepted since a moment with the directory, the deliveries and the streams."""
        given = {"floor": uuid7_floor(since), "now": now, "settled": now - _PIECES}
        with self._readers.transaction() as connection:
            connection.execute(_SETUP)
            connection.execute("SET LOCAL statement_timeout = '120s'; SET LOCAL work_mem = '64MB'")
            broadcasts = connection.execute(_SQL["verify_broadcasts"], given).fetchall()
            lost = connection.execute(_SQL["verify_lost"], given).fetchall()
            streams = connection.execute(_SQL["verify_streams"], given).fetchall()
        pending = {row["broadcast_id"] for row in broadcasts if row["pending"] and not row["scheduled"]}
        # What is still under way may yet arrive: it is lost only once its broadcast is settled.
        pending |= {row["broadcast_id"] for row in lost if row["under_way"]}
        lost = [row for row in lost if row["broadcast_id"] not in pending]
        problems = [*_broadcast_problems(broadcasts, pending), *map(_lost_problem, lost), *_stream_problems(streams)]
        totals = _totals(broadcasts) | {
            "lost": sum(row["lost"] for row in lost),
            "duplicates": sum(row["duplicates"] for row in streams),
            "gaps": sum(row["gaps"] for row in streams) + sum(_is_beyond(row) for row in streams),
            "pending": len(pending),
        }
        totals["recipients"] += totals["lost"]
        return Verdict(since, totals, tuple(problems[:_MOST_PROBLEMS]))


def _delivery(row: dict[str, Any]) -> DeliveryRow:
    role, offset = row.pop("role"), row.pop("stream_offset")
    return DeliveryRow(
        **row | {"status": Status(row["status"])}, role=None if role is None else Role(role), offset=offset
    )


_SUMMED: Final = ("filtered", "queued", "sent", "delivered", "expired", "failed", "canceled", "delayed")


def _totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    totals = {"accepted": len(rows), "scheduled": sum(row["scheduled"] for row in rows)}
    totals["recipients"] = sum(row["recorded"] + row["delayed"] for row in rows)
    return totals | {name: sum(row[name] for row in rows) for name in _SUMMED}


def _broadcast_problems(rows: list[dict[str, Any]], pending: set[UUID]) -> list[Problem]:
    problems = []
    for row in rows:
        name, broadcast_id = row["name"], str(row["broadcast_id"])
        if row["broadcast_id"] in pending:
            detail = f"{name} is still under way: {row['recorded']} people seen to"
            problems.append(Problem("pending", detail, broadcast_id=broadcast_id))
        if row["state"] == BroadcastState.FAILED:
            problems.append(Problem("failed", f"{name} failed: {row['failure']}", broadcast_id=broadcast_id))
    return problems


def _lost_problem(row: dict[str, Any]) -> Problem:
    detail = "meant throughout, but neither recorded nor delayed"
    return Problem("lost", detail, row["lost"], str(row["broadcast_id"]), tuple(row["users"]))


def _is_beyond(row: dict[str, Any]) -> bool:
    return bool(row["last"] > row["head"] or row["acked"] > row["head"])


def _stream_problems(rows: list[dict[str, Any]]) -> list[Problem]:
    problems = []
    for row in rows:
        stream, users = f"stream {Lane(row['lane']).word} of {row['user_id']}", (row["user_id"],)
        if row["duplicates"]:
            problems.append(Problem("duplicate", f"{stream}: an offset twice", row["duplicates"], user_ids=users))
        if row["gaps"]:
            problems.append(Problem("gap", f"{stream}: offsets missing", row["gaps"], user_ids=users))
        if _is_beyond(row):
            detail = f"{stream}: head {row['head']}, yet offset {row['last']} and acked {row['acked']}"
            problems.append(Problem("beyond_head", detail, user_ids=users))
    return problems
