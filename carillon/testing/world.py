"""The state behind the ports in memory; a test sets it up, takes stores away and looks at what came of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from carillon.errors import OutageError
from carillon.model import (
    Broadcast,
    Delivery,
    Lane,
    Recipient,
    Role,
    Status,
)

if TYPE_CHECKING:
    from carillon.names import Metric
    from carillon.ports import Head, Message, Outgoing

START = datetime(2027, 6, 5, 12, 0, tzinfo=UTC)
UNDELIVERED = (Status.QUEUED, Status.SENT, Status.FAILED)


@dataclass
class Row:
    """An outbox row."""

    message: Outgoing
    due_at: datetime
    sent_at: datetime | None = None


@dataclass
class World:
    """All state, open to the test. `teams` maps a wedding to its people, `segments` a segment to people.

    `regions` maps a socket to its Region where there are two; `queue` is where broadcasts begin, `far` holds by Region
    what is for that one.
    """

    now: datetime = START
    epoch: str = "e1"
    people: dict[str, Recipient] = field(default_factory=dict)
    teams: dict[str, dict[str, Role]] = field(default_factory=dict)
    segments: dict[str, set[str]] = field(default_factory=dict)
    changed: dict[str, datetime] = field(default_factory=dict)
    broadcasts: dict[str, Broadcast] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    outbox: list[Row] = field(default_factory=list)
    deliveries: dict[tuple[str, str], Delivery] = field(default_factory=dict)
    delayed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    released: set[tuple[str, str]] = field(default_factory=set)
    escalations: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    heads: dict[tuple[str, Lane], Head] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    token_ends: dict[str, datetime] = field(default_factory=dict)
    opened: dict[str, datetime] = field(default_factory=dict)
    regions: dict[str, str] = field(default_factory=dict)
    index: dict[str, str] | None = field(default_factory=dict)
    queue: list[Message] = field(default_factory=list)
    far: dict[str, list[Message]] = field(default_factory=dict)
    sent_ids: set[str] = field(default_factory=set)
    dead: list[tuple[Message, str]] = field(default_factory=list)
    letters: list[tuple[str, str]] = field(default_factory=list)
    returned: dict[str, int] = field(default_factory=dict)
    alive: set[str] | None = None
    refusing: dict[str, str] = field(default_factory=dict)
    received: list[tuple[str, bytes]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    counted: dict[Metric, float] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def need(self, store: str) -> None:
        """Raise the outage of a store that the test has taken away."""
        if store in self.away:
            raise OutageError(f"{store} is away")
