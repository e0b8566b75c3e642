"""Reading and writing frames: `parse_client`, `parse_server`, `encode`, `encode_error`, `event_renderer` for posts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from carillon.errors import FrameActionError, FrameError, FrameJsonError
from carillon.names import INBOX
from carillon.protocol.client_frames import (
    CLIENT_FRAMES,
    Ack,
    ClientFrame,
    Ping,
    Recover,
    Refresh,
    Subscribe,
    Sync,
    Unsubscribe,
)
from carillon.protocol.server_frames import (
    SERVER_FRAMES,
    Acked,
    Disconnect,
    ErrorFrame,
    EventFrame,
    Pong,
    Refreshed,
    ServerFrame,
    Subscribed,
    Synced,
    Tombstone,
    Unsubscribed,
)
from carillon.protocol.shapes import FrameId
from carillon.protocol.wire import Wire, build, to_json

if TYPE_CHECKING:
    from carillon.errors import CarillonError
    from carillon.model import Event

__all__ = [
    "MAX_FRAME_BYTES",
    "MAX_MESSAGE_BYTES",
    "Ack",
    "Acked",
    "ClientFrame",
    "Disconnect",
    "ErrorFrame",
    "EventFrame",
    "EventRenderer",
    "Ping",
    "Pong",
    "Recover",
    "Refresh",
    "Refreshed",
    "ServerFrame",
    "Subscribe",
    "Subscribed",
    "Sync",
    "Synced",
    "Tombstone",
    "Unsubscribe",
    "Unsubscribed",
    "encode",
    "encode_error",
    "event_item",
    "event_renderer",
    "parse_client",
    "parse_server",
]

MAX_FRAME_BYTES: Final = 32 * 1024
"""API Gateway's limit of one WebSocket frame; a client's message is kept to one frame."""
MAX_MESSAGE_BYTES: Final = 128 * 1024
"""API Gateway's limit of one WebSocket message, in either direction (close code 1009 beyond it)."""

K = TypeVar("K", bound=Wire)
_BY_ACTION: Final[dict[str, type[ClientFrame]]] = {kind.tag[1]: kind for kind in CLIENT_FRAMES}
_BY_TYPE: Final[dict[str, type[ServerFrame]]] = {kind.tag[1]: kind for kind in SERVER_FRAMES}


def parse_client(text: str | bytes) -> ClientFrame:
    """Read a frame that a client sent.

    Raises:
        FrameJsonError, FrameActionError, FrameVersionError, FrameChannelError, FrameError: it is none; the message
            names the member and what it takes. `facts["id"]` is the frame's `id` where it has a valid one, else None.
    """
    if len(text) > MAX_MESSAGE_BYTES:
        raise FrameError(f"the frame is longer than {MAX_MESSAGE_BYTES} bytes", id=None)
    value = _object(text)
    try:
        return build(_kind(value, "action", _BY_ACTION), value)
    except FrameError as error:
        error.facts["id"] = _id_of(value)
        raise


def parse_server(text: str | bytes) -> ServerFrame:
    """Read a frame that the server sent.

    Raises:
        FrameActionError: its `type` is unknown; a client leaves such a frame alone, a later version may have sent it.
        FrameJsonError, FrameError: it is not what version 1 says.
    """
    value = _object(text)
    return build(_kind(value, "type", _BY_TYPE), value)


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FrameJsonError(f"the frame is not JSON in UTF-8: {error}", id=None) from error
    if type(value) is not dict:
        raise FrameJsonError("the frame must be one JSON object", id=None)
    return value


def _kind(value: dict[str, Any], member: str, known: dict[str, type[K]]) -> type[K]:
    word = value.get(member)
    if type(word) is str and word in known:
        return known[word]
    shown = "missing" if word is None else f"{str(word)[:40]!r}, which is unknown"
    raise FrameActionError(f"`{member}` is {shown}; it takes one of {', '.join(known)}")


def _id_of(value: dict[str, Any]) -> int | str | None:
    try:
        return FrameId().read(value.get("id"), "id")
    except FrameError:
        return None


def encode(frame: Wire) -> str:
    """The JSON text of any frame."""
    return orjson.dumps(to_json(frame)).decode()


def encode_error(error: CarillonError, frame_id: int | str | None = None) -> str:
    """The `error` frame for an error; without `frame_id` the id that `parse_client` found, if any, is used."""
    answer = frame_id if frame_id is not None else error.facts.get("id")
    return encode(
        ErrorFrame(
            id=answer,
            code=error.code,
            message=error.message[:4096],
            temporary=error.temporary,
            retry_after_ms=None if error.retry_after_s is None else math.ceil(error.retry_after_s * 1000),
        )
    )


def event_item(event: Event, epoch: str) -> EventFrame | Tombstone:
    """An event of the log as it stands in `subscribed.events`: a tombstone when it has a reason to be one."""
    if event.tombstone is not None:
        return Tombstone(lane=event.lane, offset=event.offset, event_id=event.event_id, reason=event.tombstone)
    return EventFrame(
        channel=INBOX,
        lane=event.lane,
        epoch=epoch,
        offset=event.offset,
        event_id=event.event_id,
        name=event.name,
        kind=event.kind,
        ts=event.ts,
        expires_at=event.expires_at,
        data=event.data,
        wedding_id=event.wedding_id,
        attempt=event.attempt,
    )


class EventRenderer:
    """One event for many people: the body is written once, `render` only puts offset and attempt in. About 0.3 us."""

    __slots__ = ("_before",)

    def __init__(self, event: Event, epoch: str) -> None:
        shared = to_json(event_item(event, epoch))
        if event.tombstone is not None:
            raise ValueError("a tombstone is never posted live")
        del shared["offset"]
        shared.pop("attempt", None)
        self._before = orjson.dumps(shared)[:-1]

    def render(self, offset: int, attempt: int = 1) -> bytes:
        """The frame for the person whose stream holds the event at `offset`; UTF-8 JSON."""
        if attempt > 1:
            return b'%b,"offset":%d,"attempt":%d}' % (self._before, offset, attempt)
        return b'%b,"offset":%d}' % (self._before, offset)


def event_renderer(event: Event, epoch: str) -> EventRenderer:
    """Prepare one live event for many recipients; `event.offset` and `event.attempt` are not used."""
    return EventRenderer(event, epoch)
