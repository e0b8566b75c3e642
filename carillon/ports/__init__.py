"""What the flow needs from the world: Protocol classes, batch in and batch out. Adapters keep these contracts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from carillon.ports.callbacks import Governor, Lease, Metrics, Post, Poster, PostReport, Rate
from carillon.ports.queues import Message, Outgoing, Queue
from carillon.ports.sockets import ConnectionIndex, Connections, Head, Inbox, Limits
from carillon.ports.stores import Audiences, Broadcasts, Deliveries, Idempotency, Recorded, Upkeep, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = [
    "Audiences",
    "Broadcasts",
    "ConnectionIndex",
    "Connections",
    "Deliveries",
    "Governor",
    "Head",
    "Idempotency",
    "Inbox",
    "Lease",
    "Limits",
    "Message",
    "Metrics",
    "Outgoing",
    "Ports",
    "Post",
    "PostReport",
    "Poster",
    "Queue",
    "Rate",
    "Recorded",
    "Upkeep",
    "Wanted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All that the flow touches, chosen by `wiring`.

    `clock` gives aware UTC times, `jitter` numbers in [0, 1), `new_id` UUIDv7 texts. `peer` is the other Region, where
    there are two.
    """

    broadcasts: Broadcasts
    audiences: Audiences
    deliveries: Deliveries
    connections: Connections
    index: ConnectionIndex
    inbox: Inbox
    queue: Queue
    poster: Poster
    governor: Governor
    metrics: Metrics
    limits: Limits
    upkeep: Upkeep
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    new_id: Callable[[], str]
    peer: str = ""
