"""What a client's frame is answered: one small dispatcher for all actions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from carillon.errors import CarillonError, FrameError, UnauthenticatedError
from carillon.flow import resume
from carillon.model import Connection
from carillon.names import INBOX
from carillon.protocol import frames
from carillon.protocol.codes import CloseCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from carillon.model import Principal
    from carillon.ports import Ports
    from carillon.protocol.wire import Wire

LOST = frames.Disconnect(
    code=CloseCode.RESTART, reason="this connection is not known here; open a new one", reconnect=True, window_ms=2_000
)


def answer(
    connection_id: str, text: str | bytes, ports: Ports, verify: Callable[[str], Principal], now: datetime
) -> Wire | None:
    """Carry out one client frame and return its answer, None where there is none.

    Raises:
        FrameError: it cannot be understood.
        UnauthenticatedError: the token of a `refresh` is not right.
        OutageError: a store is away.
            In all of them `facts["id"]` holds the frame's id where it had one.
    """
    asked = frames.parse_client(text)
    try:
        return _answer(connection_id, asked, ports, verify, now)
    except CarillonError as error:
        # Whatever went wrong, the client learns which of its frames it was.
        error.facts.setdefault("id", getattr(asked, "id", None))
        raise


def _answer(
    connection_id: str, asked: frames.ClientFrame, ports: Ports, verify: Callable[[str], Principal], now: datetime
) -> Wire | None:
    match asked:
        case frames.Subscribe() as frame:
            return _subscribe(connection_id, frame, ports, now)
        case frames.Ack() as frame:
            return _ack(connection_id, frame, ports, now)
        case frames.Sync() as frame:
            return _sync(connection_id, frame, ports)
        case frames.Refresh() as frame:
            return _refresh(connection_id, frame, ports, verify)
        case frames.Unsubscribe() as frame:
            return _unsubscribe(connection_id, frame, ports)
        case frames.Ping():
            return frames.Pong()
        case other:
            raise FrameError(f"{type(other).__name__} is not answered here")


def _subscribe(connection_id: str, frame: frames.Subscribe, ports: Ports, now: datetime) -> Wire:
    recover = frame.recover
    page = resume.subscribe(
        connection_id, recover.epoch if recover else None, recover.offsets if recover else None, ports, now
    )
    if page is None:
        return LOST
    return frames.Subscribed(
        id=frame.id,
        channel=INBOX,
        epoch=page.epoch,
        offsets=dict(page.offsets),
        recovered=page.recovered,
        more=page.more,
        events=tuple(frames.event_item(event, page.epoch) for event in page.events),
    )


def _ack(connection_id: str, frame: frames.Ack, ports: Ports, now: datetime) -> Wire | None:
    acked = ports.inbox.ack(connection_id, frame.epoch, frame.offsets, now)
    if acked is None:
        return LOST
    return frames.Acked(id=frame.id, offsets=acked) if frame.id is not None else None


def _sync(connection_id: str, frame: frames.Sync, ports: Ports) -> Wire:
    owner = ports.connections.owner(connection_id)
    if owner is None:
        return LOST
    epoch, heads = ports.inbox.heads(owner)
    return frames.Synced(
        id=frame.id, channel=INBOX, epoch=epoch, offsets={lane: head.head for lane, head in heads.items()}
    )


def _refresh(connection_id: str, frame: frames.Refresh, ports: Ports, verify: Callable[[str], Principal]) -> Wire:
    principal = verify(frame.token)
    owner = ports.connections.owner(connection_id)
    if owner is None:
        return LOST
    if owner != principal.subject:
        raise UnauthenticatedError("the new token is for another person than this connection's")
    ports.connections.extend(connection_id, datetime.fromtimestamp(principal.expires_at, UTC))
    return frames.Refreshed(id=frame.id, expires_at=principal.expires_at * 1000)


def _unsubscribe(connection_id: str, frame: frames.Unsubscribe, ports: Ports) -> Wire:
    owner = ports.connections.deactivate(connection_id)
    if owner is None:
        return LOST
    ports.index.remove([Connection(connection_id, owner)])
    return frames.Unsubscribed(id=frame.id, channel=INBOX)
