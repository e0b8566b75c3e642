"""Hand people over to the Region that their sockets are in; where there is one Region, nothing of this happens.

A broadcast is worked on in one Region, and only that Region's gateway can post to its sockets. Whoever has a socket in
the other one is handed to the same lane there, in one message per chunk, whose consumer goes the same straight line:
recording changes nothing, posting reaches the sockets of *its* Region, and nothing is handed back.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from carillon.errors import OutageError
from carillon.names import Metric
from carillon.policy import messages
from carillon.policy.lanes import LANES
from carillon.ports import Outgoing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from carillon.model import Broadcast
    from carillon.ports import Message, Ports

_LOG = logging.getLogger(__name__)


def elsewhere(user_ids: Sequence[str], ports: Ports) -> list[str]:
    """Who of them has a socket in the other Region, in order of their ids: one query, none where there is no other.

    Asked after the deliveries were committed, as `lookup.truth` is and for the same reason (see `record`).
    """
    return sorted(ports.connections.elsewhere(user_ids)) if ports.peer and user_ids else []


def hand_over(broadcast: Broadcast, far: Sequence[str], message: Message, ports: Ports) -> None:
    """Hand the people who are `elsewhere` to the other Region's lane.

    Done before their rows are settled: until then they stay `queued`, and a crash in between brings them here again.

    Raises:
        OutageError: the other Region's lane and the database are both away; the message must come back.
    """
    if far:
        _send(messages.Deliver(broadcast.broadcast_id, tuple(far), relayed=True), message, broadcast, ports)
        ports.metrics.count(Metric.HANDED_OVER, len(far), lane=broadcast.lane)


def hand_over_escalation(broadcast: Broadcast, attempt: int, message: Message, ports: Ports) -> None:
    """Let the other Region repeat a critical broadcast on its own sockets.

    Raises:
        OutageError: as in `hand_over`.
    """
    _send(messages.Escalate(broadcast.broadcast_id, attempt, relayed=True), message, broadcast, ports)


def unreached(message: Message, failed: Collection[str], busy: int) -> int:
    """How many people need the message to come back, those `failed` here who have a device in the other Region too.

    The other Region may have settled their rows, which then count no attempts here: the message's receives do instead.
    """
    return max(busy, len(failed)) if message.receive_count < LANES[message.lane].attempts else busy


def _send(content: messages.LaneMessage, message: Message, broadcast: Broadcast, ports: Ports) -> None:
    """Straight to the other Region's lane; while that is away the outbox keeps it, and nobody here waits for it."""
    body = messages.encode(content)
    outgoing = Outgoing(message.lane, message.group_id, broadcast.broadcast_id, body, region=ports.peer)
    try:
        ports.queue.send([outgoing])
    except OutageError as error:
        _LOG.warning("%s is away, its people of %s wait in the outbox: %s", ports.peer, message.group_id, error)
        kept = replace(outgoing, group_id=messages.handover_group(message.group_id))
        ports.broadcasts.put_off(kept, ports.clock())
