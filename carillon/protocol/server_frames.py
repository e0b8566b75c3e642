"""What the server says: answers, which carry the question's `id`, and pushes, which carry none."""
# ruff: noqa: RUF009 - `wire` declares a field, as dataclasses.field does

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from carillon.model import Kind
from carillon.protocol.client_frames import EPOCH
from carillon.protocol.shapes import (
    LANE_OF_WORD,
    Channel,
    Document,
    Flag,
    FrameId,
    Nullable,
    Offsets,
    Text,
    Whole,
    Word,
)
from carillon.protocol.wire import Items, Wire, wire

if TYPE_CHECKING:
    from carillon.model import Lane

_LANE: Final = Word(LANE_OF_WORD)
_KIND: Final = Word({kind.word: kind for kind in Kind})
_ID: Final = "the `id` of the frame that this answers"
_CHANNEL: Final = "which channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFrame(Wire):
    """Something happened. Shown once, in the order of its offset within its lane."""

    tag: ClassVar[tuple[str, str]] = ("type", "event")
    channel: str = wire(Channel(), _CHANNEL)
    lane: Lane = wire(_LANE, "the priority, and which of the four streams it belongs to")
    epoch: str = wire(EPOCH, "the epoch that the offset belongs to")
    offset: int | None = wire(
        Nullable(Whole(1)), "its place in the stream, counted from 1 without gaps; null: shown, but not counted"
    )
    event_id: str = wire(Text(128), "the broadcast")
    name: str = wire(Text(256), "what happened, e.g. `timeline.shifted`; `retracted` takes an earlier event back")
    kind: Kind = wire(_KIND, "what it is about")
    ts: int = wire(Whole(), "when it was created, in milliseconds since 1970")
    expires_at: int | None = wire(Nullable(Whole()), "when it stops to matter, in milliseconds since 1970, or null")
    data: dict[str, Any] = wire(Document(), "what the sender gave")
    wedding_id: str | None = wire(Text(256), "the wedding it belongs to, where there is one", default=None)
    attempt: int = wire(Whole(1), "above 1: a reminder, because nobody acked it; same offset as before", default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone(Wire):
    """In the place of an event that is no longer to be shown; it only fills its offset."""

    tag: ClassVar[tuple[str, str]] = ("type", "tombstone")
    lane: Lane = wire(_LANE, "which of the four streams")
    offset: int = wire(Whole(1), "its place in the stream")
    event_id: str = wire(Text(128), "the broadcast")
    reason: str = wire(Text(64), "`expired` or `canceled`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed(Wire):
    """The answer to `subscribe`: a page of events, in the order of their offsets within each lane."""

    tag: ClassVar[tuple[str, str]] = ("type", "subscribed")
    id: int | str = wire(FrameId(), _ID)
    channel: str = wire(Channel(), _CHANNEL)
    epoch: str = wire(EPOCH, "the epoch of all offsets here")
    offsets: dict[Lane, int] = wire(
        Offsets(), "the client's position after this page; equals the heads when `more` is false"
    )
    recovered: bool = wire(Flag(), "false: the position given was of no use; take `offsets` after showing the events")
    more: bool = wire(Flag(), "true: subscribe again from `offsets` for the next page")
    events: tuple[EventFrame | Tombstone, ...] = wire(
        Items((EventFrame, Tombstone)), "events and tombstones after the client's position"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribed(Wire):
    """The answer to `unsubscribe`."""

    tag: ClassVar[tuple[str, str]] = ("type", "unsubscribed")
    id: int | str = wire(FrameId(), _ID)
    channel: str = wire(Channel(), _CHANNEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked(Wire):
    """The answer to an `ack` with an `id`: what the server now counts as acked."""

    tag: ClassVar[tuple[str, str]] = ("type", "acked")
    id: int | str = wire(FrameId(), _ID)
    offsets: dict[Lane, int] = wire(Offsets(), "the last offset acked, per lane")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong(Wire):
    """The answer to `ping`."""

    tag: ClassVar[tuple[str, str]] = ("type", "pong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced(Wire):
    """The answer to `sync`: the heads of the streams. A client that stands before them subscribes again."""

    tag: ClassVar[tuple[str, str]] = ("type", "synced")
    id: int | str = wire(FrameId(), _ID)
    channel: str = wire(Channel(), _CHANNEL)
    epoch: str = wire(EPOCH, "the present epoch; another than the client's means: subscribe again")
    offsets: dict[Lane, int] = wire(Offsets(), "the last offset given out, per lane")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed(Wire):
    """The answer to `refresh`."""

    tag: ClassVar[tuple[str, str]] = ("type", "refreshed")
    id: int | str = wire(FrameId(), _ID)
    expires_at: int = wire(Whole(), "when the new token ends, in milliseconds since 1970")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFrame(Wire):
    """What was asked cannot be done. `code` is stable (docs/ERRORS.md); the socket stays open."""

    tag: ClassVar[tuple[str, str]] = ("type", "error")
    code: str = wire(Text(64), "stable, for programs")
    message: str = wire(Text(4096, shortest=0), "for people")
    temporary: bool = wire(Flag(), "whether the same frame may succeed later")
    retry_after_ms: int | None = wire(Nullable(Whole()), "how long to wait before trying again, or null")
    id: int | str | None = wire(FrameId(), _ID, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect(Wire):
    """The server is about to close this socket, and says what to do about it."""

    tag: ClassVar[tuple[str, str]] = ("type", "disconnect")
    code: int = wire(Whole(1000), "4000-4099: do not come back; 4100-4199: back off; 4200-4299: reconnect")
    reason: str = wire(Text(123, shortest=0), "a word for logs")
    reconnect: bool = wire(Flag(), "whether to come back")
    window_ms: int = wire(Whole(), "reconnects are spread over this many milliseconds", default=0)


ServerFrame = (
    Subscribed | EventFrame | Tombstone | Acked | Pong | Synced | Refreshed | Unsubscribed | ErrorFrame | Disconnect
)
SERVER_FRAMES: Final[tuple[type[ServerFrame], ...]] = (
    Subscribed,
    EventFrame,
    Tombstone,
    Acked,
    Pong,
    Synced,
    Refreshed,
    Unsubscribed,
    ErrorFrame,
    Disconnect,
)
