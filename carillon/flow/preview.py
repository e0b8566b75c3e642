"""How many people a draft would reach, before it is sent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from carillon.flow.audience import want
from carillon.flow.create import as_broadcast, authorize
from carillon.model import PAGED_AUDIENCES, Preview, Status
from carillon.policy.batching import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from carillon.model import Draft, Principal, Recipient
    from carillon.ports import Ports

_ROLES = 4


def preview(draft: Draft, principal: Principal, ports: Ports, now: datetime) -> Preview:
    """Resolve audience and preferences as consume would at `send_at` (or now), without storing anything.

    Raises:
        ForbiddenError, ForeignWeddingError, AudienceError: as `create`.
    """
    authorize(draft, principal, ports)
    then = max(now, draft.send_at or now)
    broadcast = as_broadcast(draft, principal, "", now)
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for people in _people(draft, ports, then):
        fresh = [person for person in people if person.user_id not in seen]
        seen.update(person.user_id for person in fresh)
        for one in want(broadcast, fresh, then):
            counts[one.status.word if one.realtime else "inbox_only"] += 1
    inbox_only = counts["inbox_only"]
    return Preview(
        expected=len(seen),
        now=counts[Status.QUEUED.word] + inbox_only,
        inbox_only=inbox_only,
        delayed=counts[Status.DELAYED.word],
        filtered=counts[Status.FILTERED.word],
    )


def _people(draft: Draft, ports: Ports, now: datetime) -> Iterator[list[Recipient]]:
    if draft.audience.type not in PAGED_AUDIENCES:
        yield ports.audiences.whole(draft.audience, now)
        return
    for role in range(_ROLES):
        after = ""
        while page := ports.audiences.page(draft.audience, role, after, now, PAGE):
            yield ports.audiences.people(page, now)
            after = page[-1]
