"""Close sockets from this side: say why in a frame, because API Gateway gives its callers no close code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carillon.model import Lane
from carillon.ports import Post
from carillon.protocol.frames import Disconnect, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.model import Connection
    from carillon.ports import Ports
    from carillon.protocol.codes import CloseCode

_DEADLINE_S: Final = 2.0


def close(connections: Sequence[Connection], code: CloseCode, reason: str, ports: Ports, *, reconnect: bool) -> None:
    """Post a `disconnect` frame to each, close it and take it out of the index; a socket that is gone is fine."""
    frame = encode(Disconnect(code=code, reason=reason, reconnect=reconnect, window_ms=0)).encode()
    ids = [connection.connection_id for connection in connections]
    ports.poster.post([Post(one, frame) for one in ids], ports.governor.rate(Lane.LOW), _DEADLINE_S)
    ports.poster.close(ids)
    ports.index.remove(connections)
