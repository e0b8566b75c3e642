"""A socket opens and closes: `$connect` only checks and notes; the first `subscribe` makes it active."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from carillon.errors import RateLimitedError, UnknownPersonError
from carillon.model import Connection

if TYPE_CHECKING:
    from carillon.model import Principal
    from carillon.ports import Ports

WINDOW_S: Final = 60


def connect(connection_id: str, principal: Principal, most: int, ports: Ports, now: datetime) -> None:
    """Note a socket whose token is right. It gets nothing yet: API Gateway answers 410 until it is established.

    Raises:
        RateLimitedError: more than `most` new sockets of this person within a minute.
        UnknownPersonError: the token's subject is nobody that the directory knows, or was erased.
        OutageError: the database is away.
    """
    if not ports.limits.allow("connect", principal.subject, most, WINDOW_S):
        raise RateLimitedError(
            f"more than {most} new connections a minute; back off before the next", retry_after_s=WINDOW_S
        )
    expires_at = datetime.fromtimestamp(principal.expires_at, UTC)
    if not ports.connections.pend(Connection(connection_id, principal.subject), now, expires_at):
        raise UnknownPersonError(f"nobody called {principal.subject!r} is in the directory")


def disconnect(connection_id: str, ports: Ports) -> None:
    """Forget a socket that was closed."""
    ports.index.remove(ports.connections.remove([connection_id]))
