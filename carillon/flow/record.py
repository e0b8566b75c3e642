"""Record: the delivery is durable, with its offset, before anything is posted.

Why nobody misses a broadcast (P2), whatever the interleaving of one consumer and one client:

- the consumer commits the deliveries (here) and *then* reads the active connections (`lookup.truth`);
- the client's `subscribe` commits its connection as active and *then* reads the inbox (`resume.subscribe`).

Both stand in one linearizable store, the writer. Take the two commits: one of them is first. If the deliveries were
committed before the connection was, the inbox read, which comes after the connection's commit, sees them. If the
connection was committed first, the look-up, which comes after the deliveries' commit, sees it and the frame is posted.
Second devices and ghosts change nothing, because the look-up is for all people of the chunk and per connection. What
the consumer posts and the inbox read answers may overlap: the client drops what it has by its offset (P3).

Where there are two Regions both still write to and read from the one writer, so the argument is the same with one more
look: the consumer commits the deliveries and *then* reads, beside its own Region's sockets, who has one in the other
(`handover.elsewhere`). Whoever was active there is handed over before the message is done with; the other Region's
consumer looks their sockets up later still, so whoever is not found by either look has read the inbox.

Why offsets have no gaps and no duplicates: heads are locked first, in user id order; only rows that were really
inserted bump their head; a redelivered message inserts nothing and so bumps nothing.

`tests/unit/flow/test_interleavings.py` checks the first over all interleavings in memory,
`tests/integration/test_proofs.py` the second against the real store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.errors import NotFoundError, PoisonError
from carillon.names import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.model import Broadcast
    from carillon.ports import Ports, Recorded, Wanted


def record(broadcast: Broadcast, wanted: Sequence[Wanted], ports: Ports, now: datetime) -> Recorded:
    """Insert the missing deliveries of one chunk (at most 500 people) in one transaction.

    Raises:
        PoisonError: the broadcast is not there any more.
        OutageError: the database is away; nothing of this chunk was stored.
    """
    try:
        recorded = ports.deliveries.record(broadcast.broadcast_id, broadcast.lane, wanted, now)
    except NotFoundError as error:
        raise PoisonError(error.message) from error
    ports.metrics.count(Metric.RECORDED, recorded.created, lane=broadcast.lane)
    return recorded
