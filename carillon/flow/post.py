"""Post one recorded chunk to the sockets of its people, couple first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.model import Event
from carillon.names import Metric
from carillon.policy.lanes import LANES
from carillon.ports import Post
from carillon.protocol.frames import event_renderer
from carillon.protocol.moments import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from carillon.flow.tally import Tally
    from carillon.model import Broadcast, Connection, Delivery
    from carillon.ports import Ports, PostReport


def post(
    broadcast: Broadcast,
    epoch: str,
    rows: Sequence[Delivery],
    connections: Iterable[Connection],
    tally: Tally,
    ports: Ports,
    *,
    attempt: int = 1,
) -> None:
    """Post the rows to those of their people's `connections` that were not tried, and note the outcome in `tally`."""
    by_user: dict[str, list[str]] = {}
    for connection in connections:
        if connection.connection_id not in tally.tried:
            by_user.setdefault(connection.user_id, []).append(connection.connection_id)
    renderer = event_renderer(as_event(broadcast), epoch)
    owners: dict[str, str] = {}
    posts = []
    for row in rows:
        for connection_id in by_user.get(row.user_id, ()):
            if row.offset is not None:
                posts.append(Post(connection_id, renderer.render(row.offset, attempt)))
                owners[connection_id] = row.user_id
    if posts:
        rate = ports.governor.rate(broadcast.lane)
        _note(ports.poster.post(posts, rate, LANES[broadcast.lane].post_s), owners, tally)
        tally.tried.update(owners)


def _note(report: PostReport, owners: dict[str, str], tally: Tally) -> None:
    tally.reached.update(owners[one] for one in report.sent)
    tally.failed.update({owners[one]: reason for one, reason in report.failed.items()})
    tally.refusals.update(report.failed.values())
    tally.gone.extend(report.gone)
    if tally.first_sent_at is None:
        tally.first_sent_at = report.first_sent_at


def as_event(broadcast: Broadcast) -> Event:
    """The broadcast as a client sees it; the offset is put in per person."""
    expires_at = broadcast.expires_at
    return Event(
        lane=broadcast.lane,
        offset=1,
        event_id=broadcast.broadcast_id,
        name=broadcast.name,
        kind=broadcast.kind,
        ts=milliseconds(broadcast.created_at),
        expires_at=None if expires_at is None else milliseconds(expires_at),
        data=broadcast.data,
        wedding_id=broadcast.audience.wedding_id,
    )


def measure(broadcast: Broadcast, tally: Tally, ports: Ports) -> None:
    """Publish the chunk's numbers: people for what was sent, posts for everything else."""
    lane = broadcast.lane
    throttled, held_back = tally.refusals["throttled"], tally.refusals["budget"]
    ports.metrics.count(Metric.SENT, len(tally.reached), lane=lane)
    ports.metrics.count(Metric.POSTS, len(tally.tried), lane=lane)
    ports.metrics.count(Metric.GONE, len(tally.gone), lane=lane)
    ports.metrics.count(Metric.THROTTLED, throttled, lane=lane)
    ports.metrics.count(Metric.HELD_BACK, held_back, lane=lane)
    ports.metrics.count(Metric.POST_FAILED, tally.refusals.total() - throttled - held_back, lane=lane)
