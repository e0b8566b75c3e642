"""What a plan costs above rest, and how it is cut so that no month costs more than its budget.

Cut first is what costs most per unit of protection, down to what stands at rest, and no further: rest is the burst
reserve, critical's first of all. What of critical goes beyond its reserve is the very last to be cut; each cut is said.
The budget binds what is ordered; what target tracking adds under load is bound by the hard caps alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from carillon.model import Lane
from carillon.policy.capacity import TASKS, Kind, Knob
from carillon.policy.prices import ACU_H, CORE_H, WARM_H
from carillon.policy.sizing import LEAST_ACU, READERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from carillon.policy.sizing import Deployment

LANE_PROTECTION: Final = MappingProxyType({Lane.CRITICAL: 8.0, Lane.HIGH: 4.0, Lane.NORMAL: 2.0, Lane.LOW: 1.0})
PROTECTION: Final = MappingProxyType({TASKS: 4.0, LEAST_ACU: 4.0, READERS: 2.0})
"""What a unit protects, critical's consumers 8 (an assumption): without tasks and database nothing new is taken in,
while the writer can stand in for readers."""

Rows = dict[Knob, list[float]]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a month may cost.

    Args:
        usd: in all.
        committed: by month, as in `2027-06`: what it costs without the plan, spent and at rest until its end.
        override: whether somebody said that the plan may cost more.
    """

    usd: float
    committed: Mapping[str, float] = field(default_factory=dict)
    override: bool = False

    def left(self, month: str) -> float:
        """What the plan may add in a month."""
        return max(0.0, self.usd - self.committed.get(month, 0.0))


@dataclass(frozen=True, slots=True)
class Cut:
    """A knob that a month's budget keeps below its plan.

    Args:
        month: in UTC, as bills are.
        knob: which.
        planned: its highest size in that month's plan.
        size: the highest that is left.
        usd: what that saves.
        reason: in words.
    """

    month: str
    knob: Knob
    planned: float
    size: float
    usd: float
    reason: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """A plan within its budget.

    Args:
        rows: sizes per knob and slot.
        cuts: what was cut, the first first.
        usd: what the plan adds to each month.
        over: months that it takes over their budget, and by how much, because somebody said so.
    """

    rows: Rows
    cuts: tuple[Cut, ...]
    usd: Mapping[str, float]
    over: Mapping[str, float]


def month_of(when: datetime) -> str:
    """`2027-06`, of an aware moment in UTC."""
    return f"{when:%Y-%m}"


def usd_per_hour(sizes: Mapping[Knob, float], deployment: Deployment) -> float:
    """What an hour of those sizes costs; reserved concurrency and the database's ceiling are free."""
    warm = sum(size for knob, size in sizes.items() if knob.kind is Kind.PROVISIONED)
    acus = sizes.get(LEAST_ACU, 0.0) * (1 + sizes.get(READERS, 0.0))
    return warm * WARM_H + sizes.get(TASKS, 0.0) * deployment.task_cores * CORE_H + acus * ACU_H


def order(deployment: Deployment) -> tuple[Knob, ...]:
    """What costs anything, by price per unit of protection, the dearest first; critical last."""
    paid = [knob for knob in deployment.knobs() if knob in PROTECTION or knob.kind is Kind.PROVISIONED]
    return tuple(sorted(paid, key=lambda knob: (knob.lane is Lane.CRITICAL, -_dearness(knob, deployment))))


def _dearness(knob: Knob, deployment: Deployment) -> float:
    if knob.lane is not None:
        return WARM_H / LANE_PROTECTION[knob.lane]
    acus = {LEAST_ACU: 1.0 + deployment.readers, READERS: max(0.5, deployment.min_acu)}
    price = deployment.task_cores * CORE_H if knob == TASKS else acus[knob] * ACU_H
    return price / PROTECTION[knob]


def fit(rows: Rows, start: datetime, slot: timedelta, deployment: Deployment, budget: Budget) -> Fitted:
    """Cut a plan until no month costs more than its budget.

    Args:
        rows: sizes per knob and slot, none below rest.
        start: of the first slot, in UTC.
        slot: how long one is.
        deployment: what stands at rest.
        budget: what a month may cost.
    """
    months: dict[str, list[int]] = defaultdict(list)
    for index in range(len(next(iter(rows.values()), []))):
        months[month_of(start + index * slot)].append(index)
    fitted = {knob: list(row) for knob, row in rows.items()}
    hours = slot.total_seconds() / 3600
    ledgers = [_Ledger(month, fitted, slots, hours, deployment) for month, slots in months.items()]
    cuts = [cut for ledger in ledgers if not budget.override for cut in ledger.cut(budget)]
    usd = {ledger.month: ledger.usd() for ledger in ledgers}
    over = {month: cost - budget.left(month) for month, cost in usd.items() if cost > budget.left(month)}
    return Fitted(fitted, tuple(cuts), usd, over)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A size that was set.

    Args:
        at: when, in UTC.
        group: which knob's, by its name.
        size: what was set then.
        rest: what stood at rest in the deployment of that time; None where nobody noted it, for as today.
    """

    at: datetime
    group: str
    size: float
    rest: float | None = None


def spent(ordered: Iterable[Ordered], start: datetime, now: datetime, deployment: Deployment) -> float:
    """What the plan added to rest between two moments, in USD.

    Only what it set itself counts, from when it set it: what somebody set by hand costs nothing here, what stood before
    the first size that is known was at rest, and less than rest pays nothing back.

    Args:
        ordered: what was set, the earliest first; of what was set before `start` only how it stood by then counts.
        start: such as the first moment of a month.
        now: until when.
        deployment: what stands at rest.
    """
    knobs = {knob.group: knob for knob in deployment.knobs()}
    rests = {knob: deployment.rest(knob) for knob in knobs.values()}
    sizes, cost, since = dict(rests), 0.0, start
    for one in ordered:
        if one.group not in knobs:
            continue
        knob, at = knobs[one.group], max(start, one.at)
        cost += _added(sizes, rests, deployment) * (at - since).total_seconds() / 3600
        rests[knob] = deployment.rest(knob) if one.rest is None else one.rest
        sizes[knob], since = max(one.size, rests[knob]), at
    return cost + _added(sizes, rests, deployment) * (now - since).total_seconds() / 3600


def _added(sizes: Mapping[Knob, float], rests: Mapping[Knob, float], deployment: Deployment) -> float:
    return usd_per_hour(sizes, deployment) - usd_per_hour(rests, deployment)


class _Ledger:
    """One month of a plan; cuts are made in place."""

    def __init__(self, month: str, rows: Rows, slots: list[int], hours: float, deployment: Deployment) -> None:
        self.month, self._rows, self._slots = month, rows, slots
        self._hours, self._deployment = hours, deployment
        self._rest = usd_per_hour({knob: deployment.rest(knob) for knob in rows}, deployment)

    def usd(self) -> float:
        """What the plan adds to rest."""
        columns = zip(*([row[index] for index in self._slots] for row in self._rows.values()), strict=True)
        costs = (usd_per_hour(dict(zip(self._rows, column, strict=True)), self._deployment) for column in columns)
        return sum(cost - self._rest for cost in costs) * self._hours

    def cut(self, budget: Budget) -> Iterable[Cut]:
        left = budget.left(self.month)
        why = f"the budget of {self.month} is ${budget.usd:,.2f}, of which ${left:,.2f} is left for the plan"
        for knob in order(self._deployment):
            before = self.usd()
            if before <= left:
                return
            planned = max(self._rows[knob][index] for index in self._slots)
            size = self._lower(knob, left)
            if size < planned:
                saved = before - self.usd()
                said = f"{why}: {knob.group} is cut from {planned:g} to {size:g}, which saves ${saved:,.2f}"
                yield Cut(self.month, knob, planned, size, saved, said)

    def _lower(self, knob: Knob, left: float) -> float:
        """Clip a knob to the highest level that the budget bears, or to rest: a clipped plan changes no more often."""
        row, rest = self._rows[knob], self._deployment.rest(knob)
        planned = {index: row[index] for index in self._slots}
        unit = 0.5 if knob == LEAST_ACU else 1
        low, high = 0, math.ceil((max(planned.values()) - rest) / unit)
        while low < high:
            middle = (low + high + 1) // 2
            self._clip(row, planned, rest + middle * unit)
            low, high = (middle, high) if self.usd() <= left else (low, middle - 1)
        self._clip(row, planned, rest + low * unit)
        return max(row[index] for index in self._slots)

    @staticmethod
    def _clip(row: list[float], planned: Mapping[int, float], level: float) -> None:
        for index, size in planned.items():
            row[index] = min(size, level)
