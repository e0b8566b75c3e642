"""Subscribe and resume: what a client gets when it comes (back). The other half of the proof in `record`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from carillon.model import Connection, Lane
from carillon.names import Metric
from carillon.protocol.frames import encode, event_item

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from carillon.model import Event
    from carillon.ports import Head, Ports

_PAGE_EVENTS: Final = 200
_PAGE_BYTES: Final = 30_000
"""Under API Gateway's frame of 32 KB with the frame's own members; one event has at most 24 KB of data."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what a client has missed; `offsets` is where it stands after it (the heads when `more` is false)."""

    epoch: str
    offsets: Mapping[Lane, int]
    recovered: bool
    more: bool
    events: Sequence[Event]


def subscribe(
    connection_id: str, epoch: str | None, offsets: Mapping[Lane, int] | None, ports: Ports, now: datetime
) -> Page | None:
    """Commit the socket as active and *then* read the inbox: in this order, or events are lost (see `record`).

    Returns:
        The first page, or None when the socket is not known (its row was reaped, or it is another Region's).
    """
    user_id = ports.connections.activate(connection_id)
    if user_id is None:
        return None
    ports.index.add(Connection(connection_id, user_id))
    return page(user_id, epoch, offsets, ports, now)


def page(user_id: str, epoch: str | None, offsets: Mapping[Lane, int] | None, ports: Ports, now: datetime) -> Page:
    """Everything after the client's position, whole or in pages; from what it acked when it has no (right) position."""
    current, heads = ports.inbox.heads(user_id)
    known = offsets if offsets is not None and epoch == current else {}
    recovered = offsets is None or (epoch == current and _kept(known, heads))
    start = {lane: known.get(lane, head.acked) if recovered else head.acked for lane, head in heads.items()}
    start = {lane: max(at, heads[lane].floor) for lane, at in start.items()}
    behind = {lane: at for lane, at in start.items() if at < heads[lane].head}
    events = _fitting(ports.inbox.events(user_id, behind, _PAGE_EVENTS, now), current) if behind else []
    after = dict(start)
    for event in events:
        after[event.lane] = event.offset
    if behind and not events:  # what is behind was purged meanwhile: say so rather than asking forever
        after, recovered = {lane: head.head for lane, head in heads.items()}, False
    more = any(after[lane] < head.head for lane, head in heads.items())
    ports.metrics.count(Metric.RESUMED, len(events))
    return Page(current, after, recovered, more, events)


def _kept(offsets: Mapping[Lane, int], heads: Mapping[Lane, Head]) -> bool:
    return all(heads[lane].floor <= at <= heads[lane].head for lane, at in offsets.items())


def _fitting(events: Sequence[Event], epoch: str) -> list[Event]:
    """The first events that together fit into one frame; always at least one."""
    fitting: list[Event] = []
    size = 0
    for event in events:
        size += len(encode(event_item(event, epoch)).encode()) + 1
        if fitting and size > _PAGE_BYTES:
            break
        fitting.append(event)
    return fitting
