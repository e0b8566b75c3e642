"""Demand over time: the sum of all weddings and of the season, at the edges of equal buckets.

What is level is added by differences at its two ends, ramps edge by edge, and weddings that begin together are one: ten
thousand on a day cost some thousand additions, not millions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from carillon.errors import InvalidInputError
from carillon.policy import season
from carillon.policy.demand import HOUR_S, Demand, Wedding, of_background
from carillon.policy.traffic import TRAFFIC, Phase, Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from carillon.policy.profiles import Profile

BUCKET: Final = timedelta(minutes=5)
_DIGITS: Final = 6
"""Sums of thousands of floats differ in the last digits with their order; no connection is that small."""


@dataclass(frozen=True, slots=True)
class Series:
    """Demand at `start`, `start + bucket`, ...; every field of `Demand` is a row of its own, all of one length."""

    start: datetime
    bucket: timedelta
    connections: tuple[float, ...]
    messages_s: tuple[float, ...]
    posts_s: tuple[float, ...]
    connects_s: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.connections)

    def __getitem__(self, index: int) -> Demand:
        return Demand(self.connections[index], self.messages_s[index], self.posts_s[index], self.connects_s[index])

    def __iter__(self) -> Iterator[Demand]:
        return map(Demand, self.connections, self.messages_s, self.posts_s, self.connects_s)

    def __add__(self, other: Series) -> Series:
        """Both at once; they must have the same edges."""
        if (self.start, self.bucket, len(self)) != (other.start, other.bucket, len(other)):
            raise InvalidInputError("series of demand add up only when they have the same edges")
        sums = (
            tuple(map(sum, zip(mine, theirs, strict=True)))
            for mine, theirs in zip(_rows(self), _rows(other), strict=True)
        )
        return Series(self.start, self.bucket, *sums)

    def edge(self, index: int) -> datetime:
        """When that one is."""
        return self.start + index * self.bucket

    def at(self, when: datetime) -> Demand:
        """At the last edge that is not after a moment; IndexError outside the series."""
        index = (when - self.start) // self.bucket
        if not 0 <= index < len(self):
            raise IndexError(f"{when} is not within the series")
        return self[index]

    def peak(self) -> Demand:
        """The most of each, whenever it is."""
        return Demand(*(max(row, default=0.0) for row in _rows(self)))


def _rows(series: Series) -> tuple[tuple[float, ...], ...]:
    return series.connections, series.messages_s, series.posts_s, series.connects_s


def of_weddings(
    weddings: Iterable[Wedding],
    start: datetime,
    count: int,
    *,
    bucket: timedelta = BUCKET,
    traffic: Traffic = TRAFFIC,
    whole: bool = False,
) -> Series:
    """What weddings ask for at `count` edges from `start` on.

    Args:
        weddings: those that do not touch the series, and canceled ones, add nothing.
        start: aware.
        count: edges.
        bucket: between two.
        traffic: the rates.
        whole: everybody is there from the window's first moment to its last, for whoever must be ready for them.
    """
    starting: dict[float, float] = defaultdict(float)
    for wedding in weddings:
        starting[(wedding.starts_at - start) / bucket] += wedding.connections(traffic)
    sums = _Sums(count, bucket, traffic if not whole else replace(traffic, ramp=timedelta()), traffic.ramp)
    for begins, connections in starting.items():
        sums.add(begins, connections)
    return sums.series(start)


def of_season(profile: Profile, zone: ZoneInfo, start: datetime, count: int, *, bucket: timedelta = BUCKET) -> Series:
    """What people beside the weddings ask for, by a season's profile."""
    loads = (season.load_at(profile, start + index * bucket, zone) for index in range(count))
    found: dict[float, Demand] = {}
    demands = [found.get(load) or found.setdefault(load, of_background(load, profile.traffic)) for load in loads]
    rows = (tuple(getattr(demand, name) for demand in demands) for name in Demand.__dataclass_fields__)
    return Series(start, bucket, *rows)


def expected(
    weddings: Iterable[Wedding],
    profile: Profile,
    zone: ZoneInfo,
    start: datetime,
    count: int,
    *,
    bucket: timedelta = BUCKET,
    whole: bool = False,
) -> Series:
    """All that is to be expected: the weddings and the season together."""
    calendar = of_weddings(weddings, start, count, bucket=bucket, traffic=profile.traffic, whole=whole)
    return calendar + of_season(profile, zone, start, count, bucket=bucket)


class _Sums:
    """Connections by phase and those that come new, all in buckets since the series' start."""

    def __init__(self, count: int, bucket: timedelta, traffic: Traffic, coming: timedelta) -> None:
        self._count, self._bucket, self._traffic = count, bucket, traffic
        self._coming = coming / bucket
        self._ramp = traffic.ramp / bucket
        self._steps = {phase: [0.0] * (count + 1) for phase in Phase}
        self._sloped = {phase: [0.0] * count for phase in Phase}
        self._connects = [0.0] * (count + 1)

    def add(self, begins: float, connections: float) -> None:
        opens = begins - self._traffic.before / self._bucket
        closes = begins + self._traffic.after / self._bucket
        feast = begins + self._traffic.ceremony / self._bucket
        self._level(self._steps[Phase.PREPARATION], opens + self._ramp, begins, connections)
        self._level(self._steps[Phase.CEREMONY], begins, feast, connections)
        self._level(self._steps[Phase.RECEPTION], feast, closes - self._ramp, connections)
        if self._coming:
            self._level(self._connects, opens, opens + self._coming, connections / self._seconds(self._coming))
        rotating = connections / self._traffic.rotation.total_seconds()
        self._level(self._connects, opens + self._coming, closes, rotating)
        for index in self._edges(opens, opens + self._ramp):
            self._sloped[Phase.PREPARATION][index] += connections * (index - opens) / self._ramp
        for index in self._edges(closes - self._ramp, closes):
            self._sloped[Phase.RECEPTION][index] += connections * (closes - index) / self._ramp

    def _seconds(self, buckets: float) -> float:
        return buckets * self._bucket.total_seconds()

    def _edges(self, first: float, last: float) -> range:
        return range(max(0, math.ceil(first)), min(self._count, math.ceil(last)))

    def _level(self, row: list[float], first: float, last: float, height: float) -> None:
        edges = self._edges(first, last)
        if edges:
            row[edges.start] += height
            row[edges.stop] -= height

    def series(self, start: datetime) -> Series:
        phases = {phase: self._there(phase) for phase in Phase}
        ones, rates = dict.fromkeys(Phase, 1.0), self._traffic.phases
        messages = {phase: rates[phase].messages_h / HOUR_S for phase in Phase}
        posts = {phase: rates[phase].posts_h / HOUR_S for phase in Phase}
        connections, messages_s, posts_s = (_weighed(phases, weights) for weights in (ones, messages, posts))
        connects_s = _rounded(accumulate(self._connects[:-1]))
        return Series(start, self._bucket, connections, messages_s, posts_s, connects_s)

    def _there(self, phase: Phase) -> Sequence[float]:
        levels = accumulate(self._steps[phase][:-1])
        return [level + slope for level, slope in zip(levels, self._sloped[phase], strict=True)]


def _weighed(phases: dict[Phase, Sequence[float]], weights: dict[Phase, float]) -> tuple[float, ...]:
    heights = [weights[phase] for phase in phases]
    return _rounded(
        sum(height * there for height, there in zip(heights, at, strict=True))
        for at in zip(*phases.values(), strict=True)
    )


def _rounded(row: Iterable[float]) -> tuple[float, ...]:
    return tuple(max(0.0, round(value, _DIGITS)) for value in row)
