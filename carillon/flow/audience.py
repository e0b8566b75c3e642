"""Who gets a broadcast, and how: the first step of consume, so that membership and preferences are fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.model import AudienceType, Status
from carillon.policy import batching
from carillon.policy.preferences import Decision, decide
from carillon.ports import Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.model import Broadcast, Recipient
    from carillon.ports import Ports


def resolve(broadcast: Broadcast, users: Sequence[str] | None, ports: Ports, now: datetime) -> list[Recipient]:
    """The people of this message in posting order: all of the audience, or those `users` who still exist.

    The users of a wedding or role audience are looked up among its team, so that who left it meanwhile gets nothing.
    """
    if users is None:
        return batching.in_order(ports.audiences.whole(broadcast.audience, now))
    if broadcast.audience.type in (AudienceType.WEDDING, AudienceType.ROLE):
        chosen = set(users)
        team = ports.audiences.whole(broadcast.audience, now)
        return batching.in_order([person for person in team if person.user_id in chosen])
    return batching.in_order(ports.audiences.people(users, now))


def want(broadcast: Broadcast, people: Sequence[Recipient], now: datetime) -> list[Wanted]:
    """What shall be recorded for each: queued, filtered with its reason, or delayed until quiet hours end."""
    return [_wanted(person, _decide(broadcast, person, now)) for person in people]


def _decide(broadcast: Broadcast, person: Recipient, now: datetime) -> Decision:
    if broadcast.audience.type is AudienceType.HOLDERS:
        return Decision(Status.QUEUED)  # whoever has the event must learn that it is taken back
    return decide(person, broadcast.lane, broadcast.kind, now)


def _wanted(person: Recipient, decision: Decision) -> Wanted:
    return Wanted(person.user_id, person.role, decision.status, decision.realtime, decision.reason, decision.release_at)
