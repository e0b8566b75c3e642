"""Accept a broadcast: check the sender's rights, store it with its outbox row, hand it to the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from carillon.errors import AudienceError, ForeignWeddingError
from carillon.flow import outbox
from carillon.flow.rights import require_scopes
from carillon.model import Broadcast
from carillon.names import Metric
from carillon.policy import messages
from carillon.ports import Outgoing

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.model import Draft, Principal
    from carillon.ports import Idempotency, Ports

_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broadcast that stands in the outbox; `replayed` when an earlier request with the same key made it."""

    broadcast: Broadcast
    replayed: bool


def create(
    draft: Draft,
    principal: Principal,
    ports: Ports,
    *,
    broadcast_id: str,
    now: datetime,
    idempotency: Idempotency | None = None,
) -> Accepted:
    """Store broadcast and outbox row in one transaction, whatever the audience's size, then try to send at once.

    What cannot be sent now is sent by the relay: acceptance promises the outbox, not the queue.

    Raises:
        ForbiddenError: a scope is missing.
        ForeignWeddingError: a supplier addresses people it does not work for.
        AudienceError: the audience is not known.
        IdempotencyConflictError: the key was used for another request.
        OutageError: the database is away; nothing was accepted.
    """
    authorize(draft, principal, ports)
    broadcast = as_broadcast(draft, principal, broadcast_id, now)
    message = Outgoing(
        draft.lane,
        messages.group_id(broadcast_id, draft.audience),
        broadcast_id,
        messages.encode(messages.first_message(broadcast_id, draft.audience)),
    )
    due_at = max(now, draft.send_at or now)
    stored = ports.broadcasts.create(broadcast, message, due_at, idempotency)
    replayed = stored.broadcast_id != broadcast_id
    if not replayed:
        ports.metrics.count(Metric.ACCEPTED, lane=draft.lane)
        if due_at == now:
            outbox.send_now(message.group_id, message.lane, ports, now)
    return Accepted(stored, replayed)


def authorize(draft: Draft, principal: Principal, ports: Ports) -> None:
    """Whether this principal may send this draft.

    Raises:
        ForbiddenError, ForeignWeddingError, AudienceError: as `create`.
    """
    require_scopes(principal, draft.lane)
    supplier = principal.supplier_id
    if supplier is not None and not ports.audiences.addressable(draft.audience, supplier):
        raise ForeignWeddingError(
            f"supplier {supplier} may only address weddings it works on, and people of those weddings"
        )
    unknown = ports.audiences.unknown(draft.audience)
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise AudienceError(
            f"the {draft.audience.type.value} audience names what is not known: {', '.join(unknown[:_NAMED])}{more}",
            unknown=unknown,
        )


def as_broadcast(draft: Draft, principal: Principal, broadcast_id: str, now: datetime) -> Broadcast:
    """The broadcast that a draft becomes."""
    return Broadcast(
        broadcast_id=broadcast_id,
        lane=draft.lane,
        kind=draft.kind,
        name=draft.name,
        data=draft.data,
        audience=draft.audience,
        created_by=principal.subject,
        created_at=now,
        supplier_id=principal.supplier_id,
        send_at=draft.send_at,
        expires_at=draft.expires_at,
        escalate_after_s=draft.escalate_after_s,
    )
