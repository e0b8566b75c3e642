"""The directory in PostgreSQL: people, weddings, teams, preferences and segments. Reads and writes use the writer."""

from __future__ import annotations

from dataclasses import asdict
from datetime import time
from typing import TYPE_CHECKING, Any, Final

from carillon import sql
from carillon.adapters.postgres import erasure, importing
from carillon.adapters.postgres.importing import Stored
from carillon.directory import Member, Segment, User, Wedding
from carillon.errors import NotFoundError
from carillon.model import Kind, Preferences, QuietHours, Role, Tier, WeddingStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.adapters.postgres.database import Database
    from carillon.adapters.postgres.importing import Imported
    from carillon.model import Connection
    from carillon.rows import Row

DEFAULT_QUIET: Final = QuietHours(start=time(22), end=time(8), enabled=False)
"""What is stored, and shown, for a person who never chose their quiet hours."""
_LIKE_SPECIAL: Final = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})


class Directory:
    """Pages are in id order, from after an id on. `supplier_id` restricts to the weddings that a supplier works on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = sql.queries("directory")

    def users(
        self, *, after: str = "", limit: int, query: str | None = None, supplier_id: str | None = None
    ) -> list[User]:
        """People whose id, first name or last name begins with `query`, whatever the case."""
        given = {
            "after": after,
            "limit": limit,
            "query": query.translate(_LIKE_SPECIAL) if query else None,
            "supplier_id": supplier_id,
        }
        return [_user(row) for row in self._database.all(self._sql["users_page"], given)]

    def user(self, user_id: str, *, supplier_id: str | None = None) -> User:
        """One person.

        Raises:
            NotFoundError: there is none, or this supplier may not see them.
        """
        return _user(self._found("user", {"user_id": user_id, "supplier_id": supplier_id}, f"person {user_id!r}"))

    def put_user(self, user: User) -> bool:
        """Create or replace a person; True when created."""
        return self._put("put_user", asdict(user))

    def weddings(self, *, after: str = "", limit: int, supplier_id: str | None = None) -> list[Wedding]:
        """Weddings."""
        given = {"after": after, "limit": limit, "supplier_id": supplier_id}
        return [_wedding(row) for row in self._database.all(self._sql["weddings_page"], given)]

    def wedding(self, wedding_id: str, *, supplier_id: str | None = None) -> Wedding:
        """One wedding.

        Raises:
            NotFoundError: there is none, or this supplier does not work on it.
        """
        given = {"wedding_id": wedding_id, "supplier_id": supplier_id}
        return _wedding(self._found("wedding", given, f"wedding {wedding_id!r}"))

    def put_wedding(self, wedding: Wedding) -> Stored:
        """Create or replace a wedding; neither created nor updated where it was there already, the same."""
        row = self._database.one(self._sql["put_wedding"], asdict(wedding))
        assert row is not None
        return Stored(created=int(row["created"]), updated=int(row["changed"] and not row["created"]))

    def team(self, wedding_id: str, *, after: str = "", limit: int, role: Role | None = None) -> list[Member]:
        """Who is on a wedding, of one role if it is given."""
        given = {"wedding_id": wedding_id, "after": after, "limit": limit, "role": role}
        return [_member(row) for row in self._database.all(self._sql["team_page"], given)]

    def member(self, wedding_id: str, user_id: str) -> Member:
        """One person on a wedding.

        Raises:
            NotFoundError: they are not on it.
        """
        given = {"wedding_id": wedding_id, "user_id": user_id}
        return _member(self._found("member", given, f"{user_id!r} on wedding {wedding_id!r}"))

    def put_member(self, wedding_id: str, user_id: str, role: Role) -> bool:
        """Put a person on a wedding, or give them another role there; True when they were not on it.

        Raises:
            NotFoundError: there is no such wedding or person.
        """
        given = {"wedding_id": wedding_id, "user_id": user_id, "role": role}
        row = self._found("put_member", given, f"wedding {wedding_id!r} or no person {user_id!r}")
        return bool(row["created"])

    def remove_member(self, wedding_id: str, user_id: str) -> bool:
        """Take a person off a wedding; False when they were not on it."""
        given = {"wedding_id": wedding_id, "user_id": user_id}
        return self._database.one(self._sql["remove_member"], given) is not None

    def preferences(self, user_id: str) -> Preferences:
        """What a person wants to get; the defaults when they never chose.

        Raises:
            NotFoundError: there is no such person.
        """
        row = self._found("preferences", {"user_id": user_id}, f"person {user_id!r}")
        if row["kinds"] is None:
            return Preferences()
        return Preferences(
            kinds=frozenset(kind for kind in Kind if row["kinds"] >> kind & 1),
            critical_only=row["critical_only"],
            realtime=row["realtime"],
            in_app=row["in_app"],
            quiet=QuietHours(start=row["quiet_start"], end=row["quiet_end"], enabled=row["quiet_enabled"]),
        )

    def put_preferences(self, user_id: str, preferences: Preferences) -> None:
        """Replace what a person wants to get.

        Raises:
            NotFoundError: there is no such person.
        """
        quiet = preferences.quiet or DEFAULT_QUIET
        given = {
            "user_id": user_id,
            "kinds": sum(1 << kind for kind in preferences.kinds),
            "critical_only": preferences.critical_only,
            "realtime": preferences.realtime,
            "in_app": preferences.in_app,
            "quiet_enabled": quiet.enabled,
            "quiet_start": quiet.start,
            "quiet_end": quiet.end,
        }
        self._found("put_preferences", given, f"person {user_id!r}")

    def segments(self, *, after: str = "", limit: int) -> list[Segment]:
        """Named segments."""
        rows = self._database.all(self._sql["segments_page"], {"after": after, "limit": limit})
        return [_segment(row) for row in rows]

    def segment(self, segment_id: str) -> Segment:
        """One segment.

        Raises:
            NotFoundError: there is none.
        """
        return _segment(self._found("segment", {"segment_id": segment_id}, f"segment {segment_id!r}"))

    def put_segment(self, segment: Segment) -> bool:
        """Create or replace a segment; True when created."""
        sets = {name: sorted(getattr(segment, name)) for name in ("roles", "tiers", "statuses")}
        return self._put("put_segment", {"segment_id": segment.segment_id, "name": segment.name, **sets})

    def import_rows(self, rows: Sequence[Row], *, dry_run: bool) -> Imported:
        """Store the rows of an import in one transaction, or only say what would happen; see `importing`."""
        return importing.import_rows(self._database, rows, dry_run=dry_run)

    def erase(self, user_id: str) -> list[Connection]:
        """Remove every trace of a person's id; returns their sockets, which the caller closes. See `erasure`."""
        return erasure.erase(self._database, user_id)

    def _put(self, query: str, given: dict[str, Any]) -> bool:
        row = self._database.one(self._sql[query], given)
        return row is not None and bool(row["created"])

    def _found(self, query: str, given: dict[str, Any], what: str) -> dict[str, Any]:
        row = self._database.one(self._sql[query], given)
        if row is None:
            raise NotFoundError(f"there is no {what}")
        return row


def _user(row: dict[str, Any]) -> User:
    return User(**row | {"role": Role(row["role"]), "tier": Tier(row["tier"])})


def _wedding(row: dict[str, Any]) -> Wedding:
    return Wedding(**row | {"status": WeddingStatus(row["status"])})


def _member(row: dict[str, Any]) -> Member:
    return Member(**row | {"role": Role(row["role"]), "tier": Tier(row["tier"])})


def _segment(row: dict[str, Any]) -> Segment:
    return Segment(
        segment_id=row["segment_id"],
        name=row["name"],
        roles=frozenset(map(Role, row["roles"])),
        tiers=frozenset(map(Tier, row["tiers"])),
        statuses=frozenset(map(WeddingStatus, row["statuses"])),
    )
