"""Cut a large audience into `deliver` messages, page by page; any size survives a crash between two pages.

Everybody who is a member throughout is on some page: pages go by role and user id (so that couples come before guests),
and whoever's role or segment changed meanwhile is on the last pages, which go by time of change. Overlaps are harmless,
because the record step inserts a person once. Every message's identity is its content, never its place in the cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carillon.model import BroadcastState
from carillon.policy import batching, messages
from carillon.ports import Outgoing

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.model import Broadcast
    from carillon.ports import Ports

_STAGES: Final = 5
"""Four roles and the people who changed."""


def expand(broadcast: Broadcast, message: messages.Expand, ports: Ports, now: datetime) -> None:
    """Send one page's `deliver` messages and then the message for the next page; at the end mark the broadcast.

    Raises:
        OutageError: a store is away; the message comes back and cuts the page again.
    """
    if broadcast.state is BroadcastState.CANCELED or broadcast.expired(now):
        ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.PROCESSED)
        return
    people, stage, after = _page(broadcast, message, ports)
    size = batching.piece_size(broadcast.lane, len(people))
    pieces = [messages.Deliver(broadcast.broadcast_id, tuple(part)) for part in batching.cut(people, size)]
    outgoing = [_outgoing(broadcast, piece, message.number + 1 + index) for index, piece in enumerate(pieces)]
    if stage < _STAGES:
        following = messages.Expand(broadcast.broadcast_id, stage, after, message.number + len(pieces))
        outgoing.append(_outgoing(broadcast, following, 0))
    ports.queue.send(outgoing)
    if stage == _STAGES:
        expected = ports.audiences.count(broadcast.audience)
        ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.PROCESSED, expected=expected)


def _page(broadcast: Broadcast, message: messages.Expand, ports: Ports) -> tuple[list[str], int, str]:
    """Up to `batching.PAGE` people over as many stages as it takes, and where the next page begins."""
    people: list[str] = []
    stage, after = message.stage, message.after
    while stage < _STAGES and len(people) < batching.PAGE:
        room = batching.PAGE - len(people)
        found = ports.audiences.page(broadcast.audience, stage, after, broadcast.created_at, room)
        people += found
        stage, after = (stage, found[-1]) if len(found) == room else (stage + 1, "")
    return people, stage, after


def _outgoing(broadcast: Broadcast, message: messages.LaneMessage, number: int) -> Outgoing:
    group = messages.group_id(broadcast.broadcast_id, broadcast.audience, number)
    return Outgoing(broadcast.lane, group, broadcast.broadcast_id, messages.encode(message))
