"""Settle: note who was reached, forget sockets that are gone, count the attempts made in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.policy.lanes import LANES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.flow.tally import Tally
    from carillon.model import Broadcast, Delivery
    from carillon.ports import Ports


def settle(broadcast: Broadcast, rows: Sequence[Delivery], tally: Tally, ports: Ports, now: datetime) -> int:
    """Write the outcome of a chunk's posts; returns how many connected people need the message to come back.

    A person one of whose devices could not be reached stays `queued`, or `delivered` when another has acked: the repeat
    is dropped there by its offset. After the lane's number of attempts a person with one device reached is `sent`.
    A post for which the governor had no token costs no attempt: it was never made.
    """
    if tally.gone:
        ports.index.remove(ports.connections.remove(tally.gone))
    most = LANES[broadcast.lane].attempts
    last = {row.user_id for row in rows if row.attempts + 1 >= most}
    budget = {user for user, reason in tally.failed.items() if reason == "budget"}
    again = set(tally.failed) - budget
    sent = (tally.reached - set(tally.failed)) | (tally.reached & again & last)
    tried = again - sent
    busy = ports.deliveries.settle(broadcast.broadcast_id, sent=sorted(sent), tried=sorted(tried), most=most, now=now)
    return busy + len(budget)
