"""Connections, their index, and the inboxes behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from carillon.model import (
        Connection,
        Event,
        Lane,
    )


class Connections(Protocol):
    """Sockets, in the writer: the truth that the no-loss proof rests on."""

    def pend(self, connection: Connection, now: datetime, expires_at: datetime) -> bool:
        """Note a socket whose token was right; it gets nothing before it is active.

        Returns:
            False when nobody of this id is in the directory, and nothing was noted.
        """
        ...

    def activate(self, connection_id: str) -> str | None:
        """Commit that this socket is active; returns its user id, or None when there is no such socket."""
        ...

    def owner(self, connection_id: str) -> str | None:
        """The user id behind a socket."""
        ...

    def extend(self, connection_id: str, expires_at: datetime) -> None:
        """A new token came in: the socket may live until then."""
        ...

    def deactivate(self, connection_id: str) -> str | None:
        """The client unsubscribed: the socket lives on but gets nothing. Returns its user id."""
        ...

    def remove(self, connection_ids: Sequence[str]) -> list[Connection]:
        """Forget sockets; returns those that were known."""
        ...

    def active(self, user_ids: Sequence[str]) -> list[Connection]:
        """All active sockets of these people in this Region: no other's can be posted to from here."""
        ...

    def elsewhere(self, user_ids: Sequence[str]) -> list[str]:
        """Who of these people has an active socket in the other Region; nobody where there is one Region."""
        ...

    def count(self) -> int:
        """How many active sockets this Region has."""
        ...

    def stale(self, now: datetime, opened_before: datetime, limit: int) -> list[Connection]:
        """This Region's sockets whose token ran out or that are older than any socket can be."""
        ...


class ConnectionIndex(Protocol):
    """The fast copy of the active sockets (Valkey). Losing it loses speed, never a message; no method raises."""

    def lookup(self, user_ids: Sequence[str]) -> list[Connection] | None:
        """All indexed sockets of these people; None when the index is away or was wiped."""
        ...

    def add(self, connection: Connection) -> None:
        """Index a socket."""
        ...

    def remove(self, connections: Sequence[Connection]) -> None:
        """Forget sockets."""
        ...


class Limits(Protocol):
    """Rate limits per person; without Valkey they are open, because a limit must not silence an emergency."""

    def allow(self, what: str, who: str, most: int, window_s: int) -> bool:
        """Count one use of `what` by `who`; False when it is more than `most` within `window_s` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """One stream's state: last offset given out, last offset acked, last offset no longer kept."""

    head: int = 0
    acked: int = 0
    floor: int = 0


class Inbox(Protocol):
    """A person's streams as the client reads them; always the writer."""

    def epoch(self) -> str:
        """The epoch of all inbox streams."""
        ...

    def heads(self, user_id: str) -> tuple[str, dict[Lane, Head]]:
        """(epoch, head of every lane)."""
        ...

    def events(self, user_id: str, after: Mapping[Lane, int], limit: int, now: datetime) -> list[Event]:
        """Events later than these offsets, lane by lane in offset order, tombstones for expired and canceled ones."""
        ...

    def ack(self, connection_id: str, epoch: str, offsets: Mapping[Lane, int], now: datetime) -> dict[Lane, int] | None:
        """Note what was received, clamped to the heads; returns acked offsets, or None for an unknown socket."""
        ...
