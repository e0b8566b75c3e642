"""What a client says. `frames` reads and writes them."""
# ruff: noqa: RUF009 - `wire` declares a field, as dataclasses.field does

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from carillon.protocol.shapes import Channel, FrameId, Offsets, Text, Version
from carillon.protocol.wire import Part, Wire, wire

if TYPE_CHECKING:
    from carillon.model import Lane

EPOCH: Final = Text(64)
_ID: Final = "ties the answer to this frame; any number or short string"
_CHANNEL: Final = "which channel; `inbox` is the only one so far"
_EPOCH: Final = "the epoch that the offsets belong to, from the last `subscribed`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover(Wire):
    """Where a client stands. A lane that is missing means: from what I acked."""

    epoch: str = wire(EPOCH, _EPOCH)
    offsets: dict[Lane, int] = wire(Offsets(), "the last offset had, per lane; a missing lane starts at what was acked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(Wire):
    """Enter the channel and get every event after `recover`, or after what was acked when there is none."""

    tag: ClassVar[tuple[str, str]] = ("action", "subscribe")
    id: int | str = wire(FrameId(), _ID)
    channel: str = wire(Channel(), _CHANNEL)
    recover: Recover | None = wire(Part(Recover), "where the client stands", default=None)
    v: int = wire(Version(), "the version of the protocol", default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack(Wire):
    """Everything up to these offsets has arrived. Cumulative per lane; answered only when it has an `id`."""

    tag: ClassVar[tuple[str, str]] = ("action", "ack")
    channel: str = wire(Channel(), _CHANNEL)
    epoch: str = wire(EPOCH, _EPOCH)
    offsets: dict[Lane, int] = wire(Offsets(), "the last offset had, per lane; a missing lane is left as it is")
    id: int | str | None = wire(FrameId(), _ID, default=None)
    v: int = wire(Version(), "the version of the protocol", default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Wire):
    """Are you there? Answered with `pong` by the API itself, without any function."""

    tag: ClassVar[tuple[str, str]] = ("action", "ping")
    v: int = wire(Version(), "the version of the protocol", default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync(Wire):
    """Ask for the heads of the streams, to notice a last event that never came."""

    tag: ClassVar[tuple[str, str]] = ("action", "sync")
    id: int | str = wire(FrameId(), _ID)
    channel: str = wire(Channel(), _CHANNEL)
    epoch: str = wire(EPOCH, _EPOCH)
    offsets: dict[Lane, int] = wire(Offsets(), "the last offset had, per lane")
    v: int = wire(Version(), "the version of the protocol", default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh(Wire):
    """Bring a new token before the old one ends, so that the socket lives on."""

    tag: ClassVar[tuple[str, str]] = ("action", "refresh")
    id: int | str = wire(FrameId(), _ID)
    token: str = wire(Text(8192), "the new token, of the same person")
    v: int = wire(Version(), "the version of the protocol", default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe(Wire):
    """Leave the channel; no more events come until the next `subscribe`."""

    tag: ClassVar[tuple[str, str]] = ("action", "unsubscribe")
    id: int | str = wire(FrameId(), _ID)
    channel: str = wire(Channel(), _CHANNEL)
    v: int = wire(Version(), "the version of the protocol", default=1)


ClientFrame = Subscribe | Ack | Ping | Sync | Refresh | Unsubscribe
CLIENT_FRAMES: Final[tuple[type[ClientFrame], ...]] = (Subscribe, Ack, Ping, Sync, Refresh, Unsubscribe)
