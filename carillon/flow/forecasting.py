"""The forecast of a month: the calendar as it is now, and what the policy makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.policy import deployed, months, season
from carillon.policy.budget import Budget
from carillon.policy.forecast import MARGIN, forecast

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.config import CapacitySettings
    from carillon.policy.forecast import Month
    from carillon.ports.scaling import Calendar


def forecast_month(calendar: Calendar, settings: CapacitySettings, month: str, now: datetime) -> Month:
    """Forecast a month, past or to come, from the weddings that the calendar has now.

    Args:
        calendar: of all weddings.
        settings: of the deployment; the budget is that of a whole month, whatever of it is spent.
        month: as in `2027-06`.
        now: aware; only whether it is late to ask for a quota hangs on it.

    Raises:
        InvalidInputError: there is no such month.
        OutageError: the calendar is away.
    """
    zone = season.zone(settings.time_zone)
    start, end = months.span(month, zone)
    return forecast(
        calendar.between(start - MARGIN, end + MARGIN),
        season.profile(settings.season),
        zone,
        deployed.deployment(settings),
        deployed.quotas(settings),
        month,
        now,
        budget=Budget(settings.budget_usd, override=settings.over_budget),
    )
