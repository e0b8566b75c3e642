"""Audiences in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from carillon.model import (
    Audience,
    AudienceType,
    Recipient,
    Role,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.testing.world import World


class MemoryAudiences:
    """See `ports.Audiences`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def unknown(self, audience: Audience) -> list[str]:
        """What is not known."""
        world = self._world
        match audience.type:
            case AudienceType.USERS:
                return [user_id for user_id in audience.user_ids if user_id not in world.people]
            case AudienceType.SEGMENT:
                return [] if audience.segment_id in world.segments else [str(audience.segment_id)]
            case AudienceType.WEDDING | AudienceType.ROLE:
                return [] if audience.wedding_id in world.teams else [str(audience.wedding_id)]
            case _:
                return []

    def addressable(self, audience: Audience, supplier_id: str) -> bool:
        """In memory a supplier is on the weddings whose team holds a person of that id."""
        teams = [team for team in self._world.teams.values() if supplier_id in team]
        if audience.type in (AudienceType.WEDDING, AudienceType.ROLE):
            return supplier_id in self._world.teams.get(audience.wedding_id or "", {})
        if audience.type is AudienceType.USERS:
            return all(any(user_id in team for team in teams) for user_id in audience.user_ids)
        return False

    def whole(self, audience: Audience, now: datetime) -> list[Recipient]:
        """All people of a users, wedding or role audience."""
        if audience.type is AudienceType.USERS:
            return self.people(audience.user_ids, now)
        self._world.need("database")
        team = self._world.teams.get(audience.wedding_id or "", {})
        return [
            replace(self._world.people[user_id], role=role)
            for user_id, role in team.items()
            if audience.role is None or role is audience.role
        ]

    def people(self, user_ids: Sequence[str], now: datetime) -> list[Recipient]:
        """Those who exist."""
        self._world.need("database")
        return [self._world.people[user_id] for user_id in dict.fromkeys(user_ids) if user_id in self._world.people]

    def page(self, audience: Audience, stage: int, after: str, since: datetime, limit: int) -> list[str]:
        """By role and user id; the last stage by change."""
        self._world.need("database")
        return [user for user in sorted(self._in_stage(audience, stage, since)) if user > after][:limit]

    def _in_stage(self, audience: Audience, stage: int, since: datetime) -> set[str]:
        members = self._members(audience)
        if stage == len(Role):
            changed = {user for user, at in self._world.changed.items() if at >= since}
            return set() if audience.type is AudienceType.HOLDERS else members & changed
        return {user_id for user_id in members if self._world.people[user_id].role == stage}

    def _members(self, audience: Audience) -> set[str]:
        world = self._world
        if audience.type is AudienceType.SEGMENT:
            return world.segments[audience.segment_id or ""] & set(world.people)
        if audience.type is AudienceType.HOLDERS:
            held = {
                user for (one, user), row in world.deliveries.items() if one == audience.broadcast_id and row.offset
            }
            return held & set(world.people)
        return set(world.people)

    def count(self, audience: Audience) -> int:
        """How many people there are."""
        return len(self._members(audience))
