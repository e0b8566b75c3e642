"""From the outbox to the lane queues, in the order of acceptance per group."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from carillon.errors import OutageError
from carillon.names import Metric
from carillon.policy.batching import OUTBOX

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.model import Lane
    from carillon.ports import Ports

_LOG = logging.getLogger(__name__)
_ROUNDS = 200


def send_now(group_id: str, lane: Lane, ports: Ports, now: datetime) -> int:
    """Send a group's due rows; when a store is away they stay for the relay. Returns how many were sent."""
    try:
        return drain(group_id, lane, ports, now)
    except OutageError as error:
        _LOG.warning("outbox: %s of %s is left to the relay: %s", lane.word, group_id, error)
        return 0


def drain(group_id: str, lane: Lane, ports: Ports, now: datetime) -> int:
    """Send all due rows of a group under its lock, so that two senders cannot overtake each other."""
    total = 0
    for _ in range(_ROUNDS):
        sent = ports.broadcasts.drain(group_id, lane, now, ports.queue.send)
        total += sent
        if sent < OUTBOX:
            break
    ports.metrics.count(Metric.RELAYED, total, lane=lane)
    return total
