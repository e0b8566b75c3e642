"""One example of every frame, for the protocol page and its test; written as frames, so that they cannot be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carillon.model import Kind, Lane
from carillon.protocol.client_frames import Ack, Ping, Recover, Refresh, Subscribe, Sync, Unsubscribe
from carillon.protocol.codes import CloseCode
from carillon.protocol.server_frames import (
    Acked,
    Disconnect,
    ErrorFrame,
    EventFrame,
    Pong,
    Refreshed,
    Subscribed,
    Synced,
    Tombstone,
    Unsubscribed,
)

if TYPE_CHECKING:
    from carillon.protocol.wire import Wire

_HAD: Final = {Lane.CRITICAL: 4, Lane.HIGH: 0, Lane.NORMAL: 41, Lane.LOW: 9}
_HEADS: Final = {Lane.CRITICAL: 4, Lane.HIGH: 0, Lane.NORMAL: 43, Lane.LOW: 9}
_EVENT: Final = EventFrame(
    channel="inbox",
    lane=Lane.NORMAL,
    epoch="k3",
    offset=42,
    event_id="01976b3c-5f0a-7c31-9d52-6f0d2a7b1c44",
    name="timeline.shifted",
    kind=Kind.WEDDING,
    ts=1_781_969_400_000,
    expires_at=1_781_990_000_000,
    data={"ceremony": "15:30"},
    wedding_id="W1",
)
_TOMBSTONE: Final = Tombstone(
    lane=Lane.NORMAL, offset=43, event_id="01976b3c-61aa-7d02-8a9e-20c4b1e0f7d3", reason="expired"
)

CLIENT_EXAMPLES: Final[tuple[Wire, ...]] = (
    Subscribe(id=1, channel="inbox", recover=Recover(epoch="k3", offsets=_HAD)),
    Ack(channel="inbox", epoch="k3", offsets={Lane.NORMAL: 43}),
    Sync(id=2, channel="inbox", epoch="k3", offsets=_HEADS),
    Refresh(id=3, token="eyJhbGciOi..."),  # noqa: S106 - an example
    Unsubscribe(id=4, channel="inbox"),
    Ping(),
)
SERVER_EXAMPLES: Final[tuple[Wire, ...]] = (
    Subscribed(
        id=1,
        channel="inbox",
        epoch="k3",
        offsets=_HEADS,
        recovered=True,
        more=False,
        events=(_EVENT, _TOMBSTONE),
    ),
    _EVENT,
    _TOMBSTONE,
    Acked(id="a1", offsets=_HEADS),
    Synced(id=2, channel="inbox", epoch="k3", offsets=_HEADS),
    Refreshed(id=3, expires_at=1_781_973_000_000),
    Unsubscribed(id=4, channel="inbox"),
    Pong(),
    ErrorFrame(
        id=5,
        code="outage",
        message="the database is away; nothing was changed",
        temporary=True,
        retry_after_ms=2000,
    ),
    Disconnect(code=CloseCode.ROTATE, reason="rotate", reconnect=True, window_ms=60_000),
)
