"""When the season's fixed peaks are, and how busy a moment is: from a profile, in a time zone, right across DST.

A peak never reaches over midnight, so that month and weekday of a local date say all about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from carillon.errors import ConfigError
from carillon.policy.profiles import PROFILES, SATURDAY

if TYPE_CHECKING:
    from datetime import date

    from carillon.policy.profiles import Profile

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class Peak:
    """The evenings of one month on which capacity is raised; all times are local.

    Args:
        month: 1 to 12.
        multiplier: load against an ordinary evening.
        weekdays: by `date.weekday()`.
        start: when the load comes.
        end: when it goes.
        raise_at: when capacity is raised, the lead before `start`.
        lower_at: when it is lowered, the lag after `end`.
    """

    month: int
    multiplier: float
    weekdays: tuple[int, ...]
    start: time
    end: time
    raise_at: time
    lower_at: time

    @property
    def name(self) -> str:
        """The month, in English."""
        return _MONTHS[self.month - 1]

    def raised_at(self, local: datetime) -> bool:
        """Whether capacity stands raised at a local time."""
        on = local.month == self.month and local.weekday() in self.weekdays
        return on and self.raise_at <= local.time() < self.lower_at


def profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PROFILES:
        raise ConfigError(f"season={name} is not known: it takes {', '.join(PROFILES)}")
    return PROFILES[name]


def zone(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        ConfigError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"time_zone={name} is no IANA time zone; one is Europe/Berlin") from error


def peaks(season: Profile) -> tuple[Peak, ...]:
    """The fixed peaks, by month.

    Raises:
        ConfigError: with its lead and lag a peak would not lie within one day.
    """
    first, last = season.peak_hours
    start, end = timedelta(hours=first), timedelta(hours=last)
    raised, lowered = start - season.lead, end + season.lag
    if not timedelta() <= raised <= start < end <= lowered < timedelta(days=1):
        raise ConfigError(f"the peak hours {first} to {last} of {season.name}, lead and lag must lie within one day")
    clock = tuple(map(_time, (start, end, raised, lowered)))
    return tuple(
        Peak(month, multiplier, season.peak_days, *clock)
        for month, multiplier in sorted(season.months.items())
        if multiplier > 1
    )


def _time(since_midnight: timedelta) -> time:
    return (datetime.min.replace(tzinfo=UTC) + since_midnight).time()


def peak_at(season: Profile, now: datetime, zone: ZoneInfo) -> Peak | None:
    """The peak for which capacity stands raised at a moment, lead and lag included; None outside of them."""
    local = now.astimezone(zone)
    return next((peak for peak in peaks(season) if peak.raised_at(local)), None)


def load_at(season: Profile, now: datetime, zone: ZoneInfo) -> float:
    """The load to be expected at a moment, as a multiple of the busiest hour outside the season; 10 is June's top."""
    local = now.astimezone(zone)
    return season.months.get(local.month, 1.0) * season.weekdays[local.weekday()] * season.hours[local.hour]


def is_quiet(season: Profile, now: datetime, zone: ZoneInfo) -> bool:
    """Whether it is one of the hours with the least load, whatever the day."""
    return season.hours[now.astimezone(zone).hour] <= min(season.hours.values())


def is_saturday(now: datetime, zone: ZoneInfo) -> bool:
    """Whether it is Saturday there."""
    return now.astimezone(zone).weekday() == SATURDAY


def day_at(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The local day around a moment: its first instant and that of the next, in UTC (23 to 25 hours apart)."""
    today = now.astimezone(zone).date()
    return midnight(today, zone), midnight(today + timedelta(days=1), zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """A local day's first instant, in UTC.

    Where the clocks skip midnight, the offset before the change names the very instant of it.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
