"""Stores the rows of an import in a handful of statements, whatever their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg

from carillon import sql
from carillon.rows import RowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

    from carillon.adapters.postgres.database import Database
    from carillon.rows import Row

_SQL: Final = sql.queries("directory")
_PATIENCE: Final = "SET LOCAL statement_timeout = '60s'; SET LOCAL synchronous_commit = off"
"""A chunk may be large; and an import that a crash cut off is simply run again, so it does not wait for the disk."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How many rows of a table an import made and changed; the rest was there already, the same."""

    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a chunk. `refused` holds the rows that name a wedding or person nobody described."""

    weddings: Stored
    users: Stored
    team: Stored
    refused: tuple[tuple[Row, RowError], ...]


def import_rows(database: Database, rows: Sequence[Row], *, dry_run: bool) -> Imported:
    """Store the rows in one transaction, or only say what would happen.

    The order of people and weddings inside each statement is fixed, so that two imports at once cannot deadlock.

    Raises:
        OutageError: the database is away; nothing of this chunk was stored.
    """
    with database.transaction() as connection:
        connection.execute(_PATIENCE)
        good, refused = _known_only(connection, rows)
        done = [_run(connection, query, given) for query, given in _statements(good)]
        if dry_run:
            raise psycopg.Rollback
    return Imported(done[0], done[1], done[2], tuple(refused))


def _known_only(connection: Connection[Any], rows: Sequence[Row]) -> tuple[list[Row], list[tuple[Row, RowError]]]:
    """Leave out rows that lean on a wedding or person that neither the store nor another good row describes."""
    weddings = {row.wedding_id for row in rows if _describes_wedding(row)}
    users = {row.user_id for row in rows if _describes_person(row)}
    asked = {
        "weddings": [row.wedding_id for row in rows if row.wedding_id and row.wedding_id not in weddings],
        "users": [row.user_id for row in rows if row.user_id and row.user_id not in users],
    }
    if asked["weddings"] or asked["users"]:
        for found in connection.execute(_SQL["known"], asked).fetchall():
            (weddings if found["what"] == "wedding" else users).add(found["id"])
    good, refused = [], []
    for row in rows:
        error = _reason(row, weddings, users)
        if error is None:
            good.append(row)
        else:
            refused.append((row, error))
    return good, refused


def _describes_wedding(row: Row) -> bool:
    return None not in (row.wedding_id, row.wedding_name, row.starts_at, row.wedding_time_zone)


def _describes_person(row: Row) -> bool:
    return None not in (row.user_id, row.name, row.role)


def _reason(row: Row, weddings: set[str | None], users: set[str | None]) -> RowError | None:
    if row.wedding_id is not None and row.wedding_id not in weddings:
        needed = "wedding_name, starts_at and wedding_time_zone"
        return RowError("wedding_id", f"wedding {row.wedding_id!r} is not known yet: give its {needed}")
    if row.user_id is not None and row.user_id not in users:
        return RowError("user_id", f"person {row.user_id!r} is not known yet: give their name and role")
    return None


Statement = tuple[str, list[tuple[Any, ...]]]
_COLUMNS: Final = {
    "import_weddings": ("wedding_id", "name", "starts_at", "time_zone", "status", "guests"),
    "import_users": ("user_id", "name", "role", "own_role", "tier", "time_zone", "first_wedding", "supplier_id"),
    "import_team": ("wedding_id", "user_id", "role"),
}


def _statements(rows: Iterable[Row]) -> list[Statement]:
    """The three upserts; of repeated rows the last counts, because it was filled in from all earlier ones."""
    weddings: dict[str, tuple[Any, ...]] = {}
    users: dict[str, tuple[Any, ...]] = {}
    team: dict[tuple[str, str], tuple[Any, ...]] = {}
    for row in rows:
        if row.wedding_id:
            weddings[row.wedding_id] = (
                row.wedding_id,
                row.wedding_name,
                row.starts_at,
                row.wedding_time_zone,
                row.status,
                row.guests,
            )
        if row.user_id:
            users[row.user_id] = _person(row, users.get(row.user_id))
        if row.wedding_id and row.user_id:
            team[row.wedding_id, row.user_id] = (row.wedding_id, row.user_id, row.role)
    return [
        ("import_weddings", list(weddings.values())),
        ("import_users", list(users.values())),
        ("import_team", list(team.values())),
    ]


def _person(row: Row, before: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """A row without a wedding says what a person is in general; otherwise their first role on a wedding does."""
    own = row.wedding_id is None and row.role is not None
    role = row.role
    if before is not None and not own and before[2] is not None:
        role, own = before[2], before[3]
    first_wedding = (before[6] if before is not None else None) or row.wedding_id
    return (row.user_id, row.name, role, own, row.tier, row.time_zone, first_wedding, row.supplier_id)


def _run(connection: Connection[Any], query: str, values: list[tuple[Any, ...]]) -> Stored:
    if not values:
        return Stored(0, 0)
    columns = dict(zip(_COLUMNS[query], map(list, zip(*values, strict=True)), strict=True))
    counts = connection.execute(_SQL[query], columns).fetchone()
    assert counts is not None
    return Stored(counts["created"], counts["updated"])
