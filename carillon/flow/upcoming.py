"""Look ahead: the calendar, the plan that follows from it until the month's end, and the quotas it would exceed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from carillon.errors import NotFoundError
from carillon.policy import budget as budgets
from carillon.policy import season
from carillon.policy.deployed import deployment, quotas
from carillon.policy.explain import explain
from carillon.policy.quotas import shortages
from carillon.policy.timeline import HORIZON, plan

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from carillon.config import CapacitySettings
    from carillon.policy.demand import Wedding
    from carillon.policy.explain import Explanation
    from carillon.policy.quotas import Shortage
    from carillon.policy.timeline import Plan
    from carillon.policy.traffic import Traffic
    from carillon.ports.scaling import Calendar, ScalingLog

LOOK_AHEAD: Final = timedelta(days=60)
"""For quotas: AWS may take two weeks to raise one, and nobody likes to be told on the last day."""
AROUND: Final = timedelta(hours=12)
"""No wedding reaches further from its T, lead and lag of a plan included."""

STANDING: Final = timedelta(days=7)
"""How far before a month what stands at its beginning may have been set: a size lasts from hour to hour, from Sunday to
Friday at most."""


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What is to come.

    Args:
        plan: from now until the end of the month that the planner's horizon ends in.
        weddings: of the next 60 days, and those that are on.
        shortages: of quotas, likewise.
        spent: what the plan has added to this month so far, in USD.
        reacted: groups that were changed in reaction to load in the last hour.
        logged: what the log says each group was set to last; nothing of those that it does not know.
    """

    plan: Plan
    weddings: Sequence[Wedding]
    shortages: tuple[Shortage, ...]
    spent: float
    reacted: Collection[str]
    logged: Mapping[str, float]

    def has_wedding(self, when: datetime, traffic: Traffic) -> bool:
        """Whether any wedding is on at a moment, preparation and reception included."""
        return any(one.phase_at(when, traffic) is not None for one in self.weddings if not one.canceled)


def upcoming(calendar: Calendar, log: ScalingLog, settings: CapacitySettings, now: datetime) -> Upcoming:
    """Look ahead from `now`, which is in UTC.

    The plan goes to the end of its month, so that the month's budget is spread over all of it. What was spent before
    stands in the log of what was set.

    Raises:
        OutageError: the database is away.
        ConfigError: the profile or the time zone is not known.
    """
    profile, zone, made = season.profile(settings.season), season.zone(settings.time_zone), deployment(settings)
    weddings = calendar.between(now - AROUND, now + LOOK_AHEAD + AROUND)
    month = _month(now)
    made_since = log.made(month - STANDING)
    ordered = [budgets.Ordered(one.decided_at, one.scaling_group, one.new_size, one.rest_size) for one in made_since]
    logged = {one.group: one.size for one in ordered}
    spent = budgets.spent(ordered, month, now, made)
    budget = budgets.Budget(settings.budget_usd, {budgets.month_of(now): spent}, override=settings.over_budget)
    horizon = _month(_month(now + HORIZON) + timedelta(days=31)) - now
    ahead = plan(weddings, profile, zone, made, now, horizon=horizon, budget=budget)
    short = shortages(weddings, profile, zone, made, quotas(settings), now, days=LOOK_AHEAD.days)
    return Upcoming(ahead, weddings, short, spent, frozenset(log.reacted()), logged)


def _month(when: datetime) -> datetime:
    """The first moment of a month in UTC, as bills count them."""
    return when.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def explained(calendar: Calendar, settings: CapacitySettings, wedding_id: str) -> Explanation:
    """What one wedding adds to the plan of those around it.

    Raises:
        NotFoundError: there is none of that id.
        OutageError: the database is away.
    """
    wedding = calendar.wedding(wedding_id)
    if wedding is None:
        raise NotFoundError(f"there is no wedding {wedding_id!r}")
    around = calendar.between(wedding.starts_at - 2 * AROUND, wedding.starts_at + 2 * AROUND)
    profile, zone = season.profile(settings.season), season.zone(settings.time_zone)
    return explain(wedding, around, profile, zone, deployment(settings))
