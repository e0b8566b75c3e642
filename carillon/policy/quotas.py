"""Which coming days need more than the account was granted, and until when to ask for it.

Needed is the day's peak with the plan's head-room. Asking is docs/runbooks/quota-increase.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from carillon.model import Lane
from carillon.policy import season, series
from carillon.policy.capacity import Kind, Knob
from carillon.policy.lanes import LANES
from carillon.policy.sizing import HEAD_ROOM, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from carillon.policy.demand import Demand, Wedding
    from carillon.policy.profiles import Profile
    from carillon.policy.series import Series
    from carillon.policy.sizing import Deployment
    from carillon.policy.traffic import Traffic

ASK_DAYS: Final = 14
"""AWS takes hours to several working days (docs/runbooks/quota-increase.md)."""
FRAME_S: Final = 0.05
"""How long a function is busy with a client's frame (an assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What an account was granted in a Region; the defaults are AWS's own.

    Args:
        requests_s: API Gateway requests per second, posts to connections included.
        connects_s: new connections per second of a WebSocket API.
        concurrency: executions of Lambda at once.
    """

    requests_s: float = 10_000
    connects_s: float = 500
    concurrency: float = 1_000


@dataclass(frozen=True, slots=True)
class Shortage:
    """A day on which a quota is too small.

    Args:
        day: in the season's time zone.
        quota: `requests_s`, `connects_s` or `concurrency`.
        needed: at the day's peak, head-room included.
        granted: so far.
        at: when the peak is.
        ask_by: the last day on which to ask.
        late: whether that has gone by.
        reason: in words.
    """

    day: date
    quota: str
    needed: float
    granted: float
    at: datetime
    ask_by: date
    late: bool
    reason: str


_WORDS: Final = {
    "requests_s": "API Gateway requests a second",
    "connects_s": "new connections a second",
    "concurrency": "concurrent executions",
}


def concurrency(demand: Demand, deployment: Deployment, traffic: Traffic) -> float:
    """Executions at once: consumers with their rest, and one for every frame in work."""
    consumers = sum(
        LANES[lane].concurrency + load(Knob(Kind.RESERVED, lane), demand, deployment, traffic) for lane in Lane
    )
    frames_s = demand.posts_s + 2 * demand.connects_s + demand.connections / traffic.sync_s
    return consumers + frames_s * FRAME_S


def shortages(  # noqa: PLR0913 - the range has a default
    weddings: Sequence[Wedding],
    profile: Profile,
    zone: ZoneInfo,
    deployment: Deployment,
    quotas: Quotas,
    now: datetime,
    *,
    days: int = 60,
    first: date | None = None,
) -> tuple[Shortage, ...]:
    """The days, in order, on which something would not suffice.

    Args:
        weddings: all that are known.
        profile: of the season.
        zone: whose days and hours count.
        deployment: what stands at rest.
        quotas: what was granted.
        now: in UTC; whether it is late to ask is seen from here.
        days: how many.
        first: of them, in that zone; today when it is not given.
    """
    begins = first or now.astimezone(zone).date()
    opens, closes = (season.midnight(day, zone) for day in (begins, begins + timedelta(days=days)))
    expected = series.expected(weddings, profile, zone, opens, (closes - opens) // series.BUCKET)
    return within(expected, profile.traffic, zone, deployment, quotas, now)


def within(
    expected: Series, traffic: Traffic, zone: ZoneInfo, deployment: Deployment, quotas: Quotas, now: datetime
) -> tuple[Shortage, ...]:
    """The same, of whole days whose demand is known.

    Args:
        expected: from midnight to midnight there.
        traffic: the rates.
        zone: whose days and hours count.
        deployment: what stands at rest.
        quotas: what was granted.
        now: in UTC.
    """
    demands = list(expected)
    executions = {demand: concurrency(demand, deployment, traffic) for demand in set(demands)}  # nights are alike
    rows = {
        "requests_s": [demand.requests_s(traffic) for demand in demands],
        "connects_s": list(expected.connects_s),
        "concurrency": [executions[demand] for demand in demands],
    }
    today = now.astimezone(zone).date()
    return tuple(
        _shortage(quota, granted, expected.edge(peak).astimezone(zone), rows[quota][peak], today)
        for day in _days(expected, zone)
        for quota, granted in (
            ("requests_s", quotas.requests_s),
            ("connects_s", quotas.connects_s),
            ("concurrency", quotas.concurrency),
        )
        if (1 + HEAD_ROOM) * rows[quota][peak := max(day, key=rows[quota].__getitem__)] > granted
    )


def _days(expected: Series, zone: ZoneInfo) -> Iterator[range]:
    """The edges of each local day, which has 23 to 25 hours."""
    index = 0
    while index < len(expected):
        ends = season.day_at(expected.edge(index), zone)[1]
        after = min(len(expected), -((expected.start - ends) // expected.bucket))
        yield range(index, after)
        index = after


def _shortage(quota: str, granted: float, at: datetime, peak: float, today: date) -> Shortage:
    needed, ask_by = (1 + HEAD_ROOM) * peak, at.date() - timedelta(days=ASK_DAYS)
    late = today > ask_by
    ask = f"ask AWS today: {ask_by}, {ASK_DAYS} days before, has gone by" if late else f"ask AWS by {ask_by}"
    whole = math.ceil(needed)  # to the nearest, it could read as no more than what is granted
    reason = (
        f"{at:%A}, {at.date()} needs {whole:,} {_WORDS[quota]} at {at:%H:%M} with {HEAD_ROOM:.0%} head-room; "
        f"{granted:,.0f} are granted: {ask}"
    )
    return Shortage(at.date(), quota, needed, granted, at, ask_by, late, reason)
