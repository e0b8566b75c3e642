"""Which sockets people have: quickly from the index, and rightly from the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.names import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.model import Connection
    from carillon.ports import Ports


def indexed(user_ids: Sequence[str], ports: Ports) -> list[Connection]:
    """The sockets in the index, before the record step; from the writer when the index was wiped or is away."""
    ports.metrics.count(Metric.INDEX_LOOKUP, 1 if user_ids else 0)
    found = ports.index.lookup(user_ids)
    if found is None:
        ports.metrics.count(Metric.INDEX_MISS)
        return ports.connections.active(user_ids)
    return found


def truth(user_ids: Sequence[str], ports: Ports, tried: set[str]) -> list[Connection]:
    """The sockets in the writer that were not tried yet: read after the record step has committed (see `record`)."""
    return [one for one in ports.connections.active(user_ids) if one.connection_id not in tried]
