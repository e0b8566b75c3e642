"""Who is meant, read fresh from the directory in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from carillon import sql
from carillon.adapters.postgres.rows import recipient_from
from carillon.model import Audience, AudienceType, Recipient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.adapters.postgres.database import Database

_SQL = sql.queries("audiences")
CHANGED_STAGE: Final = 4
"""The last stage of paging: people whose role or segment changed while the earlier stages were paged by role."""


class PostgresAudiences:
    """See `ports.Audiences`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unknown(self, audience: Audience) -> list[str]:
        """What of the audience is not known: people, the wedding or the segment."""
        if audience.type is AudienceType.USERS:
            return self._ids("unknown_users", {"users": list(audience.user_ids)})
        if audience.type is AudienceType.SEGMENT:
            known = self._database.one(_SQL["known_segment"], {"segment_id": audience.segment_id})
            return [] if known else [str(audience.segment_id)]
        if audience.type in (AudienceType.WEDDING, AudienceType.ROLE):
            known = self._database.one(_SQL["known_wedding"], {"wedding_id": audience.wedding_id})
            return [] if known else [str(audience.wedding_id)]
        return []

    def addressable(self, audience: Audience, supplier_id: str) -> bool:
        """Whether all of the audience is on weddings that this supplier works on."""
        values: dict[str, Any] = {"supplier_id": supplier_id}
        if audience.type in (AudienceType.WEDDING, AudienceType.ROLE):
            values["wedding_id"] = audience.wedding_id
            return self._database.one(_SQL["supplier_on_wedding"], values) is not None
        if audience.type is AudienceType.USERS:
            values["users"] = list(audience.user_ids)
            return self._database.one(_SQL["strangers_to_supplier"], values) is None
        return False

    def whole(self, audience: Audience, now: datetime) -> list[Recipient]:
        """All people of a users, wedding or role audience."""
        if audience.type is AudienceType.USERS:
            return self.people(audience.user_ids, now)
        values = {"wedding_id": audience.wedding_id, "role": audience.role, "now": now}
        return [recipient_from(row) for row in self._database.all(_SQL["team"], values)]

    def people(self, user_ids: Sequence[str], now: datetime) -> list[Recipient]:
        """These people, as far as they still exist."""
        rows = self._database.all(_SQL["people"], {"users": list(user_ids), "now": now})
        return [recipient_from(row) for row in rows]

    def page(self, audience: Audience, stage: int, after: str, since: datetime, limit: int) -> list[str]:
        """User ids by keyset: stages 0 to 3 are the roles in order, stage 4 is who changed since the broadcast."""
        values = {
            "role": stage,
            "after": after,
            "since": since,
            "limit": limit,
            "segment_id": audience.segment_id,
            "broadcast_id": audience.broadcast_id,
        }
        changed = stage == CHANGED_STAGE
        if audience.type is AudienceType.HOLDERS:
            return [] if changed else self._ids("holders_page", values)
        if audience.type is AudienceType.SEGMENT:
            return self._ids("segment_changed" if changed else "segment_page", values)
        return self._ids("everyone_changed" if changed else "everyone_page", values)

    def _ids(self, query: str, values: dict[str, Any]) -> list[str]:
        return [row["user_id"] for row in self._database.all(_SQL[query], values)]

    def count(self, audience: Audience) -> int:
        """How many people a paged audience has now."""
        values = {"segment_id": audience.segment_id, "broadcast_id": audience.broadcast_id}
        row = self._database.one(_SQL[f"{audience.type.value}_count"], values)
        return int(row["people"]) if row else 0
