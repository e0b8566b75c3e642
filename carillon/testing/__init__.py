"""Every port in memory, for unit tests and the simulator.

The contract tests run the same suite against these and against the real stores. Each port call is atomic, as a
transaction is; what happens between two calls is what an interleaving test looks at.
"""

from __future__ import annotations

from carillon.ports import Ports
from carillon.testing.audiences import MemoryAudiences
from carillon.testing.broadcasts import MemoryBroadcasts
from carillon.testing.deliveries import MemoryDeliveries
from carillon.testing.sockets import (
    CountingLimits,
    CountingMetrics,
    MemoryConnections,
    MemoryInbox,
    MemoryIndex,
    MemoryPoster,
    MemoryQueue,
    NoUpkeep,
    OpenRate,
)
from carillon.testing.world import START, World

__all__ = ["START", "World", "ports"]


def ports(world: World, *, region: str = "", peer: str = "") -> Ports:
    """All ports on one world; of one of its Regions, where it has two."""
    return Ports(
        broadcasts=MemoryBroadcasts(world),
        audiences=MemoryAudiences(world),
        deliveries=MemoryDeliveries(world),
        connections=MemoryConnections(world, region=region, peer=peer),
        index=MemoryIndex(world, region=region),
        inbox=MemoryInbox(world),
        queue=MemoryQueue(world),
        poster=MemoryPoster(world, region=region),
        governor=OpenRate(),
        metrics=CountingMetrics(world),
        limits=CountingLimits(),
        upkeep=NoUpkeep(),
        clock=lambda: world.now,
        jitter=lambda: 0.5,
        new_id=lambda: f"018f0000-0000-7000-8000-{next(world.numbers):012d}",
        peer=peer,
    )
