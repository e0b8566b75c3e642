"""Ends sockets whose time is over: their token ran out, or they are as old as a socket can be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from carillon.flow.close import close
from carillon.names import Metric
from carillon.protocol.codes import CloseCode

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.ports import Ports

_OLDEST: Final = timedelta(minutes=118)
"""Clients rotate at 100 to 115 min by themselves; API Gateway cuts everybody off at 120."""
_AT_ONCE: Final = 500


def reap(ports: Ports, now: datetime) -> int:
    """Tell stale sockets to come back with a new token, close them and forget them; returns how many."""
    stale = ports.connections.stale(now, now - _OLDEST, _AT_ONCE)
    if not stale:
        return 0
    close(stale, CloseCode.TOKEN_EXPIRED, "token expired or socket too old", ports, reconnect=True)
    ports.connections.remove([connection.connection_id for connection in stale])
    ports.metrics.count(Metric.REAPED, len(stale))
    return len(stale)
