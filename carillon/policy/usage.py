"""What is charged for what happens, rather than for what stands: sockets, functions, queues, the database's I/O, logs.

Reckoned as in the cost report (stacks/cost/load.py, load.json), with the syncs that it leaves out. Not in it: what a
NAT gateway, a load balancer, HTTP reads and the data on its way to phones cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from carillon.policy import prices
from carillon.policy.traffic import TRAFFIC

if TYPE_CHECKING:
    from carillon.policy.traffic import Traffic

FRAMES_PER_SESSION: Final = 4
"""Connect, subscribe with its answer, disconnect; each is counted as a call as well."""
ACKS_PER_DELIVERY: Final = 0.5
REQUESTS_PER_MESSAGE: Final = 3
"""Of a queue: sent, taken, deleted."""
POST_GB_S: Final = 123e-6
FRAME_GB_S: Final = 5_000e-6
IOS_PER_DELIVERY: Final = 2
LOG_GB_PER_DELIVERY: Final = 60e-9
LOG_GB_PER_CONNECTION: Final = 2_000e-9


@dataclass(frozen=True, slots=True)
class Usage:
    """What happened in a span of time.

    Args:
        connection_s: seconds that connections were open, all together.
        connects: new connections.
        messages: through the lanes.
        deliveries: events posted to a connection.
    """

    connection_s: float
    connects: float
    messages: float
    deliveries: float

    def usd(self, traffic: Traffic = TRAFFIC) -> float:
        """What it costs, in USD."""
        syncs, acks = self.connection_s / traffic.sync_s, self.deliveries * ACKS_PER_DELIVERY
        sessions = self.connects * FRAMES_PER_SESSION
        both_ways = 2 * (self.connection_s / traffic.ping_s + syncs)
        sockets = (both_ways + self.deliveries + acks + sessions) * prices.SOCKET_MESSAGE
        sockets += self.connection_s / 60 * prices.SOCKET_MINUTE
        frames = acks + syncs + sessions  # API Gateway answers a ping itself
        functions = (frames + self.messages) * prices.FUNCTION_CALL
        functions += (self.deliveries * POST_GB_S + frames * FRAME_GB_S) * prices.FUNCTION_GB_S
        logs = self.deliveries * LOG_GB_PER_DELIVERY + self.connects * LOG_GB_PER_CONNECTION
        stores = self.deliveries * IOS_PER_DELIVERY * prices.AURORA_IO + logs * prices.LOG_GB
        return sockets + functions + stores + self.messages * REQUESTS_PER_MESSAGE * prices.QUEUE_REQUEST
