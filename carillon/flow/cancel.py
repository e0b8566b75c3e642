"""Take a broadcast back: stop what is not posted, tell those who may have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.errors import ForbiddenError, NotFoundError
from carillon.flow import outbox
from carillon.flow.rights import require_scopes
from carillon.model import RETRACTED, Audience, AudienceType, Broadcast, Kind
from carillon.policy import messages
from carillon.ports import Outgoing

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.model import Principal
    from carillon.ports import Ports


def cancel(broadcast_id: str, principal: Principal, ports: Ports, now: datetime) -> Broadcast:
    """Cancel; doing it twice is the same as once.

    Everybody with a recorded delivery gets a `retracted` event, also where the post is in doubt: between record and
    settle nobody can know whether a phone has shown it. Clients drop the retraction of what they never showed.

    Returns:
        The broadcast as it is now.

    Raises:
        NotFoundError: there is no such broadcast.
        ForbiddenError: the token may not send, or it belongs to another supplier.
    """
    broadcast = ports.broadcasts.get(broadcast_id)
    if broadcast is None or broadcast.audience.type is AudienceType.HOLDERS:
        raise NotFoundError(f"there is no broadcast {broadcast_id}")
    _authorize(broadcast, principal)
    retraction = Broadcast(
        broadcast_id=ports.new_id(),
        lane=broadcast.lane,
        kind=Kind.SYSTEM,
        name=RETRACTED,
        data={"event_id": broadcast_id, "name": broadcast.name},
        audience=Audience(AudienceType.HOLDERS, broadcast_id=broadcast_id),
        created_by=principal.subject,
        created_at=now,
        supplier_id=principal.supplier_id,
    )
    message = Outgoing(
        broadcast.lane,
        messages.group_id(retraction.broadcast_id, retraction.audience),
        retraction.broadcast_id,
        messages.encode(messages.first_message(retraction.broadcast_id, retraction.audience)),
    )
    ports.broadcasts.cancel(broadcast_id, retraction, message, now)
    outbox.send_now(message.group_id, message.lane, ports, now)
    return ports.broadcasts.get(broadcast_id) or broadcast


def _authorize(broadcast: Broadcast, principal: Principal) -> None:
    require_scopes(principal, broadcast.lane)
    if principal.supplier_id is not None and principal.supplier_id != broadcast.supplier_id:
        raise ForbiddenError("a supplier may only cancel its own broadcasts")
