"""Ends sockets whose time is over: their token ran out, or they are as old as a socket can be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from carillon.model import Lane
from carillon.names import Metric
from carillon.ports import Post
from carillon.protocol.codes import CloseCode
from carillon.protocol.frames import Disconnect, encode

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.ports import Ports

_OLDEST: Final = timedelta(minutes=118)
"""Clients rotate at 100 to 115 min by themselves; API Gateway cuts everybody off at 120."""
_AT_ONCE: Final = 500
_DEADLINE_S: Final = 2.0


def reap(ports: Ports, now: datetime) -> int:
    """Tell stale sockets to come back with a new token, close them and forget them; returns how many."""
    stale = ports.connections.stale(now, now - _OLDEST, _AT_ONCE)
    if not stale:
        return 0
    ids = [connection.connection_id for connection in stale]
    frame = encode(
        Disconnect(code=CloseCode.TOKEN_EXPIRED, reason="token expired or socket too old", reconnect=True, window_ms=0)
    ).encode()
    ports.poster.post([Post(one, frame) for one in ids], ports.governor.rate(Lane.LOW), _DEADLINE_S)
    ports.poster.close(ids)
    ports.index.remove(ports.connections.remove(ids))
    ports.metrics.count(Metric.REAPED, len(ids))
    return len(ids)
