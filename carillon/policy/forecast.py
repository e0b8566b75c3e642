"""What a month will ask for and cost, day by day, if the calendar stays as it is; of a past month too.

A day is one of the season's zone, and a wedding belongs to the day on which it begins there, wherever its venue is;
what it asks for after midnight counts for the next day. The budget's month is UTC's, as bills are, so that its plan
differs from the days' by the hours between the two midnights. Dollars are rounded once, for each day, so that days add
up.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from carillon.policy import months, quotas, season, series
from carillon.policy.budget import usd_per_hour
from carillon.policy.timeline import SLOT, plan
from carillon.policy.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from carillon.policy.budget import Budget, Cut
    from carillon.policy.capacity import Knob
    from carillon.policy.demand import Wedding
    from carillon.policy.profiles import Profile
    from carillon.policy.quotas import Quotas, Shortage
    from carillon.policy.series import Series
    from carillon.policy.sizing import Deployment
    from carillon.policy.timeline import Capped, Plan
    from carillon.policy.traffic import Traffic

MARGIN: Final = timedelta(days=1)
"""Weddings that begin this long before or after a month may still matter to it; their windows and the plan's hold are
shorter."""
_DIGITS: Final = 4
"""Of a dollar: a small day costs less than a cent."""


@dataclass(frozen=True, slots=True)
class Cost:
    """In USD.

    Args:
        rest: what is sized, at rest: tasks, warm consumers, the database. No cache, network or other standing charge.
        plan: what the plan adds.
        usage: what is charged for what happens (`policy/usage`).
    """

    rest: float = 0.0
    plan: float = 0.0
    usage: float = 0.0

    @property
    def total(self) -> float:
        """In all."""
        return round(self.rest + self.plan + self.usage, _DIGITS)

    def above(self, other: Cost) -> float:
        """What plan and usage cost more than in another; rest is paid for all the same."""
        return max(0.0, self.plan + self.usage - other.plan - other.usage)

    def to_json(self) -> dict[str, float]:
        """By name, `total` included."""
        return {"rest": self.rest, "plan": self.plan, "usage": self.usage, "total": self.total}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked for in a span of time.

    Args:
        weddings: that begin in it and are not canceled.
        guests: of theirs, as the calendar has them.
        connections: open at once, at most.
        messages: through the lanes.
        deliveries: events posted to connections.
        cost: of it all.
        added: what of it the weddings add to the season and whoever is there beside them.
    """

    weddings: int
    guests: int
    connections: int
    messages: int
    deliveries: int
    cost: Cost
    added: float = 0.0

    @property
    def usd_per_wedding(self) -> float | None:
        """What a wedding adds; None without one."""
        return round(self.added / self.weddings, _DIGITS) if self.weddings else None

    def to_json(self) -> dict[str, Any]:
        """By name."""
        counts = ("weddings", "guests", "connections", "messages", "deliveries")
        named = {name: getattr(self, name) for name in counts}
        return {**named, "cost": self.cost.to_json(), "usd_per_wedding": self.usd_per_wedding}


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the month.

    Args:
        day: in the season's zone.
        load: what is asked for.
        capacity: the highest size of each knob's group.
        shortages: quotas that would not suffice.
        cut: whether the budget keeps any size below the plan on it.
    """

    day: date
    load: Load
    capacity: Mapping[str, float]
    shortages: tuple[Shortage, ...]
    cut: bool

    def to_json(self) -> dict[str, Any]:
        """As the API serves it."""
        return {
            "day": self.day.isoformat(),
            **self.load.to_json(),
            "capacity": dict(self.capacity),
            "shortages": [_shortage(one) for one in self.shortages],
            "cut": self.cut,
        }


@dataclass(frozen=True, slots=True)
class Spending:
    """What the plan costs against its budget, in the month of the bill (UTC).

    Args:
        usd: the budget.
        planned: what the plan adds to rest, after the cuts.
        over: by how much it is over the budget, where somebody allowed that.
        cuts: what the budget took, the first first.
    """

    usd: float
    planned: float
    over: float
    cuts: tuple[Cut, ...]

    def to_json(self) -> dict[str, Any]:
        """As the API serves it."""
        return {"usd": self.usd, "planned": self.planned, "over": self.over, "cuts": [_cut(cut) for cut in self.cuts]}


@dataclass(frozen=True, slots=True)
class Month:
    """The forecast of a month.

    Args:
        month: as in `2027-06`.
        time_zone: the season's.
        season: the name of its profile.
        days: all of them, in order.
        totals: their sum; of connections the most.
        budget: None where none binds.
        capped: hard caps that are too low for it, each with when in the month it lacks the most.
    """

    month: str
    time_zone: str
    season: str
    days: tuple[Day, ...]
    totals: Load
    budget: Spending | None
    capped: tuple[Capped, ...]

    def to_json(self) -> dict[str, Any]:
        """As the API serves it."""
        return {
            "month": self.month,
            "time_zone": self.time_zone,
            "season": self.season,
            "days": [day.to_json() for day in self.days],
            "totals": self.totals.to_json(),
            "budget": self.budget and self.budget.to_json(),
            "capped": [_capped(one) for one in self.capped],
        }


def forecast(  # noqa: PLR0913 - all that a forecast is of
    weddings: Sequence[Wedding],
    profile: Profile,
    zone: ZoneInfo,
    deployment: Deployment,
    granted: Quotas,
    month: str,
    now: datetime,
    *,
    budget: Budget | None,
) -> Month:
    """The forecast of a month.

    Args:
        weddings: all that begin in `months.span` of it or `MARGIN` around; others do no harm.
        profile: of the season.
        zone: whose days and hours count.
        deployment: what stands at rest, and the caps.
        granted: the account's quotas.
        month: as in `2027-06`.
        now: aware; only whether it is late to ask for a quota hangs on it.
        budget: of a month; without one only the caps bind.

    Raises:
        InvalidInputError: there is no such month.
    """
    first, after = months.first_days(month)
    opens, closes = season.midnight(first, zone), season.midnight(after, zone)
    expected = series.expected(weddings, profile, zone, opens, (closes - opens) // series.BUCKET)
    sizes = _Sizes(weddings, profile, zone, deployment, month, budget)
    without = _Without(profile, zone, deployment, month, budget) if weddings else None
    short = defaultdict(list)
    for one in quotas.within(expected, profile.traffic, zone, deployment, granted, now):
        short[one.day].append(one)
    begun = defaultdict(list)
    for wedding in weddings:
        if not wedding.canceled:
            begun[wedding.starts_at.astimezone(zone).date()].append(wedding)
    days = []
    for day in _days(first, after):
        begins, ends = season.midnight(day, zone), season.midnight(day + timedelta(days=1), zone)
        load = _load(begun[day], _between(expected, begins, ends), sizes.cost(begins, ends), profile.traffic)
        if without is not None:
            load = replace(load, added=load.cost.above(without.cost(begins, ends)))
        days.append(Day(day, load, sizes.highest(begins, ends), tuple(short[day]), sizes.cut(begins, ends)))
    totals, capped = _sum([day.load for day in days]), sizes.capped(opens, closes)
    return Month(month, zone.key, profile.name, tuple(days), totals, sizes.spending(), capped)


def _days(first: date, after: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((after - first).days))


def _between(expected: Series, begins: datetime, ends: datetime) -> Series:
    low, high = ((when - expected.start) // expected.bucket for when in (begins, ends))
    rows = (expected.connections, expected.messages_s, expected.posts_s, expected.connects_s)
    return series.Series(begins, expected.bucket, *(row[low:high] for row in rows))


def _load(weddings: Iterable[Wedding], expected: Series, stands: Cost, traffic: Traffic) -> Load:
    bucket_s = expected.bucket.total_seconds()
    rows = (expected.connections, expected.connects_s, expected.messages_s, expected.posts_s)
    used = Usage(*(bucket_s * math.fsum(row) for row in rows))
    guests = [wedding.guests for wedding in weddings]
    return Load(
        weddings=len(guests),
        guests=sum(guests),
        connections=round(expected.peak().connections),
        messages=round(used.messages),
        deliveries=round(used.deliveries),
        cost=Cost(stands.rest, stands.plan, round(used.usd(traffic), _DIGITS)),
    )


def _sum(loads: Sequence[Load]) -> Load:
    rest, planned, usage = (
        round(sum(getattr(load.cost, name) for load in loads), _DIGITS) for name in ("rest", "plan", "usage")
    )
    return Load(
        weddings=sum(load.weddings for load in loads),
        guests=sum(load.guests for load in loads),
        connections=max(load.connections for load in loads),
        messages=sum(load.messages for load in loads),
        deliveries=sum(load.deliveries for load in loads),
        cost=Cost(rest, planned, usage),
        added=sum(load.added for load in loads),
    )


class _Sizes:
    """The plan of a month, the bill's and the season's, looked at day by day."""

    def __init__(
        self,
        weddings: Sequence[Wedding],
        profile: Profile,
        zone: ZoneInfo,
        deployment: Deployment,
        month: str,
        budget: Budget | None,
    ) -> None:
        start, end = months.span(month, zone)
        self._plan = partial(plan, weddings, profile, zone, deployment)
        made = self._plan(start, horizon=end - start, budget=budget)
        self._made, self._month, self._budget = made, month, budget
        self._uncut = made.sizes
        if made.cuts:
            self._uncut = self._plan(start, horizon=end - start).sizes
        self._rest_h = usd_per_hour(made.rest, deployment)
        self._usd_h = _usd_h(made, deployment)

    def _slots(self, begins: datetime, ends: datetime) -> slice:
        return slice((begins - self._made.start) // SLOT, (ends - self._made.start) // SLOT)

    def cost(self, begins: datetime, ends: datetime) -> Cost:
        """Of what stands, usage not included."""
        hours = SLOT.total_seconds() / 3600
        row = self._usd_h[self._slots(begins, ends)]
        rest = self._rest_h * len(row) * hours
        return Cost(round(rest, _DIGITS), round(math.fsum(row) * hours - rest, _DIGITS))

    def highest(self, begins: datetime, ends: datetime) -> dict[str, float]:
        """By group; of a day that a zone skipped, what is there at rest."""
        slots = self._slots(begins, ends)
        return {knob.group: max(row[slots], default=self._made.rest[knob]) for knob, row in self._made.sizes.items()}

    def cut(self, begins: datetime, ends: datetime) -> bool:
        """Whether a size is below what would stand without a budget."""
        slots = self._slots(begins, ends)
        return any(row[slots] != self._uncut[knob][slots] for knob, row in self._made.sizes.items())

    def spending(self) -> Spending | None:
        """Against the budget, if there is one."""
        if self._budget is None:
            return None
        planned, over = (round(of.get(self._month, 0.0), _DIGITS) for of in (self._made.usd, self._made.over))
        cuts = tuple(cut for cut in self._made.cuts if cut.month == self._month)
        return Spending(self._budget.usd, planned, over, cuts)

    def capped(self, begins: datetime, ends: datetime) -> tuple[Capped, ...]:
        """Of these days; where the plan's worst moment is in the bill's month alone, they are planned without it."""
        found = self._made.capped
        if all(begins <= one.at < ends for one in found):
            return found
        return self._plan(begins, horizon=ends - begins).capped


class _Without:
    """What the same month costs without any wedding."""

    def __init__(
        self, profile: Profile, zone: ZoneInfo, deployment: Deployment, month: str, budget: Budget | None
    ) -> None:
        self._profile, self._zone = profile, zone
        self._sizes = _Sizes((), profile, zone, deployment, month, budget)

    def cost(self, begins: datetime, ends: datetime) -> Cost:
        expected = series.of_season(self._profile, self._zone, begins, (ends - begins) // series.BUCKET)
        return _load((), expected, self._sizes.cost(begins, ends), self._profile.traffic).cost


def _usd_h(made: Plan, deployment: Deployment) -> list[float]:
    """What an hour of every slot's sizes costs; slots that are alike are priced once."""
    columns = list(zip(*made.sizes.values(), strict=True))
    knobs: tuple[Knob, ...] = tuple(made.sizes)
    priced = {column: usd_per_hour(dict(zip(knobs, column, strict=True)), deployment) for column in set(columns)}
    return [priced[column] for column in columns]


def _shortage(one: Shortage) -> dict[str, Any]:
    return {
        "quota": one.quota,
        "needed": round(one.needed),
        "granted": one.granted,
        "at": one.at.isoformat(),
        "ask_by": one.ask_by.isoformat(),
        "late": one.late,
        "reason": one.reason,
    }


def _cut(one: Cut) -> dict[str, Any]:
    usd = round(one.usd, _DIGITS)
    return {"group": one.knob.group, "planned": one.planned, "size": one.size, "usd": usd, "reason": one.reason}


def _capped(one: Capped) -> dict[str, Any]:
    at = one.at.isoformat()
    return {"group": one.knob.group, "at": at, "asked": one.asked, "most": one.most, "reason": one.reason}
