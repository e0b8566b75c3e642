"""From demand to sizes, by one rule: the burst reserve, plus what the demand takes, plus 30 % of that.

The burst reserve stays free for what nobody planned, an emergency first: all of what stands at rest for `critical`,
half of it for the others. No size goes over its cap or below rest; rest is for hours without wedding and season.

What one unit carries is measured (docs/BENCHMARKS.md, docs/adr/0016-edge.md) or an assumption, marked so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from carillon.model import Lane
from carillon.policy.capacity import TASKS, Kind, Knob, Limits
from carillon.policy.lanes import LANES, MESSAGES_PER_S
from carillon.policy.traffic import TRAFFIC, Traffic

if TYPE_CHECKING:
    from carillon.policy.demand import Demand

HEAD_ROOM: Final = 0.3
"""On top of the demand (design.md section 6)."""
BURST_RESERVE: Final = 0.5
"""Of what stands at rest, where it is not critical's (an assumption)."""
BROADCAST_CORE_S: Final = 0.0044
READ_CORE_S: Final = 0.0013
"""Of an API task's core (docs/adr/0016-edge.md)."""
TASK_USE: Final = 0.55
"""Share of its cores at which target tracking would add a task (docs/adr/0016-edge.md)."""
POSTS_PER_CONSUMER_S: Final = 5_000
"""At 10 broadcasts a second to teams of 50 the lanes take 9 % of 0.95 cores for 500 posts: 5,850 per core and second,
look-up, record and settling included; the poster alone makes 24,051 (docs/BENCHMARKS.md)."""
POSTS_PER_ACU_S: Final = 400
"""There PostgreSQL takes 30 % of 0.95 cores for 500 posts and their acks: 1,750 per core and second; that an ACU is a
quarter of a core is an assumption."""
CONNECTIONS_PER_ACU: Final = 5_000
"""An assumption: 17 syncs and one connect a second."""
READS_PER_READER_S: Final = 300
"""An assumption: half a core of 1.6 ms each."""
ACU_RANGE: Final = 2.0
"""How far above its plan the database may go by itself, since it follows load within seconds (an assumption)."""
UNRESERVED: Final = 100
"""Concurrency of an account that Lambda does not let anybody reserve."""

LEAST_ACU, MOST_ACU, READERS = Knob(Kind.LEAST_ACU), Knob(Kind.MOST_ACU), Knob(Kind.READERS)
_DIGITS: Final = 6
"""1.3 times ten must not come out as fourteen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What there is at rest and may be at most.

    Args:
        limits: of tasks and lanes.
        task_cores: of an API task.
        min_acu: of the database at rest; half units.
        max_acu: hard cap of it.
        readers: at rest.
        max_readers: hard cap of them.
        concurrency: executions that the account may have at once; no lane's cap takes more than a quarter of it.
    """

    limits: Limits = field(
        default_factory=lambda: Limits(
            min_tasks=3, max_tasks=50, lane_max=50, reserved=dict.fromkeys(Lane, 50), warm=True, warm_peaks=True
        )
    )
    task_cores: float = 0.5
    min_acu: float = 0.5
    max_acu: float = 64.0
    readers: int = 1
    max_readers: int = 5
    concurrency: int = 1000

    def knobs(self) -> tuple[Knob, ...]:
        """All that is sized here, critical's first."""
        lanes = [Knob(Kind.RESERVED, lane) for lane in Lane if lane in self.limits.reserved]
        if self.limits.warm or self.limits.warm_peaks:
            lanes += [Knob(Kind.PROVISIONED, lane) for lane in Lane]
        return (*lanes, TASKS, LEAST_ACU, MOST_ACU, READERS)

    def rest(self, knob: Knob) -> float:
        """How much of it there is when nothing is planned."""
        if knob.lane is not None:
            return self._rest_of_lane(knob.kind, knob.lane)
        at_rest = {TASKS: self.limits.min_tasks, LEAST_ACU: self.min_acu, READERS: self.readers}
        return at_rest[knob] if knob in at_rest else min(ACU_RANGE * self.min_acu, self.max_acu)

    def most(self, knob: Knob) -> float:
        """Its hard cap."""
        if knob.lane is not None:
            lane_max = min(self.limits.lane_max, (self.concurrency - UNRESERVED) // len(LANES))
            return max(lane_max, self._base(knob.lane))
        return {TASKS: self.limits.max_tasks, READERS: self.max_readers}.get(knob, self.max_acu)

    def _rest_of_lane(self, kind: Kind, lane: Lane) -> int:
        if kind is Kind.RESERVED:
            return self._base(lane)
        return LANES[lane].concurrency if self.limits.warm else 0

    def _base(self, lane: Lane) -> int:
        """What its consumer was deployed with; a cap below it would take that back."""
        return max(LANES[lane].concurrency, min(self.limits.reserved.get(lane, 0), self.limits.lane_max))


def load(knob: Knob, demand: Demand, deployment: Deployment, traffic: Traffic = TRAFFIC) -> float:
    """How many units of it a demand keeps busy: a fraction, without head-room, reserve or cap. Loads add up."""
    surge = traffic.surge
    if knob.lane is not None:
        share = surge * traffic.lanes.get(knob.lane, 0.0)
        return share * (demand.messages_s / MESSAGES_PER_S + demand.posts_s / POSTS_PER_CONSUMER_S)
    if knob == TASKS:
        cores = surge * demand.messages_s * BROADCAST_CORE_S + demand.reads_s(traffic) * READ_CORE_S
        return cores / (deployment.task_cores * TASK_USE)
    if knob == READERS:
        return demand.reads_s(traffic) / READS_PER_READER_S
    acus = surge * demand.posts_s / POSTS_PER_ACU_S + demand.connections / CONNECTIONS_PER_ACU
    return acus * (ACU_RANGE if knob == MOST_ACU else 1.0)


def asked(
    knob: Knob, demand: Demand, deployment: Deployment, traffic: Traffic = TRAFFIC, *, busy: bool = True
) -> float:
    """How much of it a demand asks for, whatever its cap: whole units, of the database half ones.

    Args:
        knob: what is sized.
        demand: to be carried.
        deployment: what stands at rest.
        traffic: the rates.
        busy: whether a wedding or the season is on; otherwise everything is at rest.
    """
    rest = deployment.rest(knob)
    if not busy:
        return rest
    free = rest if knob.lane is None else LANES[knob.lane].concurrency
    reserve = free * (1.0 if knob.lane is Lane.CRITICAL else BURST_RESERVE)
    wanted = reserve + (1 + HEAD_ROOM) * load(knob, demand, deployment, traffic)
    unit = 0.5 if knob in (LEAST_ACU, MOST_ACU) else 1
    return max(rest, free, _whole(wanted / unit) * unit)


def _whole(units: float) -> int:
    return math.ceil(round(units, _DIGITS))


def sizes(
    demand: Demand, deployment: Deployment, traffic: Traffic = TRAFFIC, *, busy: bool = True
) -> dict[Knob, float]:
    """The size of every knob for a demand, within its cap."""
    return {
        knob: min(asked(knob, demand, deployment, traffic, busy=busy), deployment.most(knob))
        for knob in deployment.knobs()
    }
