"""How much busier the season is than an ordinary week: all of its numbers, by named profile.

Two sources disagree about June: ten times the ordinary load, or three times. Both ship: `broadcast` is the larger and
the default, `channels` the smaller, whose other months keep their proportion of what comes on top. The months are the
load of a Saturday evening against one outside the season. Weekdays and hours are shares of the busiest: Friday to
Sunday carry 80 % of the weddings; couples are at their phones from 18 to 20 h, ceremonies are at 14 to 16 h, receptions
at 19 to 22 h. Days and hours that no source names (Friday against Sunday, the nights) are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from carillon.policy.traffic import TRAFFIC, Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)
_WEEKDAYS: Final = MappingProxyType(
    {MONDAY: 0.125, TUESDAY: 0.125, WEDNESDAY: 0.125, THURSDAY: 0.125, FRIDAY: 0.5, SATURDAY: 1.0, SUNDAY: 0.5}
)
_HOURS: Final = MappingProxyType(
    dict.fromkeys(range(24), 0.1)
    | dict.fromkeys((8, 9, 10, 11, 12, 13), 0.3)
    | dict.fromkeys((14, 15), 0.6)
    | dict.fromkeys((16, 17), 0.5)
    | dict.fromkeys((18, 19), 1.0)
    | dict.fromkeys((20, 21), 0.7)
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One account of the season.

    Args:
        name: what a stage calls it.
        months: load by month, 1 to 12, as a multiple of an ordinary month's; a month that is not there is ordinary.
        weekdays: share of the busiest day, by `date.weekday()`.
        hours: share of the busiest hour, by local hour.
        peak_days: weekdays whose evening is a fixed peak in the months above 1.
        peak_hours: local hours between which it lies, the second not included.
        lead: how long before a peak capacity is raised.
        lag: how long after it capacity is lowered.
        traffic: what weddings, and people beside them, ask for.
    """

    name: str
    months: Mapping[int, float]
    weekdays: Mapping[int, float] = field(default_factory=lambda: _WEEKDAYS)
    hours: Mapping[int, float] = field(default_factory=lambda: _HOURS)
    peak_days: tuple[int, ...] = (FRIDAY, SATURDAY, SUNDAY)
    peak_hours: tuple[int, int] = (18, 20)
    lead: timedelta = timedelta(minutes=30)
    """Two rounds of the reconciler: a raise that is missed is made up for before the peak begins."""
    lag: timedelta = timedelta(minutes=15)
    traffic: Traffic = TRAFFIC


PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile("broadcast", MappingProxyType({5: 2.0, 6: 10.0, 9: 8.0, 10: 6.0, 12: 2.0})),
            Profile("channels", MappingProxyType({5: 1.2, 6: 3.0, 9: 2.6, 10: 2.1, 12: 1.2})),
        )
    }
)
DEFAULT_PROFILE: Final = "broadcast"
