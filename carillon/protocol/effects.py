"""What a session asks its driver to do, in the order given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carillon.protocol.client_frames import ClientFrame
    from carillon.protocol.server_frames import EventFrame


@dataclass(frozen=True, slots=True)
class Send:
    """Send this frame on the present connection."""

    frame: ClientFrame


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection, with a token that still lives. Report `opened`, or `closed` when it fails."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the present connection and forget it: nothing of it is to be reported any more."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Show:
    """A new event, in order, for the first and only time."""

    event: EventFrame


@dataclass(frozen=True, slots=True)
class Remind:
    """The server sent an event again that was shown but that nobody acked by hand."""

    event: EventFrame


@dataclass(frozen=True, slots=True)
class Retract:
    """An earlier event no longer holds; `event` is the retraction, which has an offset of its own."""

    event_id: str
    event: EventFrame


@dataclass(frozen=True, slots=True)
class WantToken:
    """The token ends soon: get a new one and call `refresh`."""


@dataclass(frozen=True, slots=True)
class State:
    """The session's state: connecting, recovering, live, waiting (until `until_ms`) or stopped."""

    name: str
    reason: str = ""
    until_ms: float | None = None


Effect = Send | Connect | Close | Show | Remind | Retract | WantToken | State
