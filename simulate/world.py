"""Draws weddings. It is a model of people, not of capacity: nothing here is read from `carillon.policy`.

Shares that a source names (80 % Friday to Sunday, June 40 %, 5 % emergencies, ceremonies from 14 to 16 h) are kept;
all others are assumptions, each in one line, and docs/SIMULATOR.md lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from simulate.weddings import NEVER, SIZES, Weddings

if TYPE_CHECKING:
    from simulate.weddings import Flags, Floats, Ints

ZONES: Final = {
    "America/New_York": 0.34,
    "America/Chicago": 0.20,
    "America/Denver": 0.07,
    "America/Los_Angeles": 0.17,
    "Europe/London": 0.08,
    "Europe/Berlin": 0.08,
    "Europe/Lisbon": 0.04,
    "Australia/Sydney": 0.02,
}
MONTHS: Final = (0.02, 0.02, 0.03, 0.04, 0.07, 0.40, 0.05, 0.06, 0.13, 0.11, 0.03, 0.04)
"""Share of the year's weddings. June is the sources'; the others follow what they call busy."""
WEEKDAYS: Final = (0.05, 0.05, 0.05, 0.05, 0.20, 0.44, 0.16)
"""From Monday on; Friday to Sunday are 80 %."""
SHARES: Final = (0.35, 0.42, 0.18, 0.05)
TEAMS: Final = (6.0, 11.0, 17.0, 30.0)
GUESTS: Final = (45.0, 110.0, 210.0, 400.0)
"""Medians by size; each wedding differs by a log-normal factor, and one in fifty guest lists has a Pareto tail."""
EMERGENCIES: Final = 0.05
"""Weddings on any day of the week, entered 6 to 48 hours before."""
LATE: Final = 0.06
"""Weddings entered only in their last three days."""
FORGOTTEN: Final = 0.001
"""Weddings that nobody enters at all."""
ABANDONED: Final = 0.02
"""Weddings in the calendar that take place without anybody opening the application."""
CREW_PER_VENDOR: Final = 5.2
"""People that a member of the team brings along: a band, waiters, drivers."""
DEVICES: Final = 1.9
"""Phones and tablets per one of them that are signed in."""
ADOPTION: Final = 0.12
"""Share of the guests who open the application; differs a lot from wedding to wedding."""
NO_SHOWS: Final = 0.12
"""Share of the guests who do not come."""
BROADCASTS: Final = 60.0
"""Per wedding, as in the cost model's load profile (stacks/cost/load.json)."""
FRONTS: Final = 0.12
"""Chance that a day's weather turns in a time zone."""
OUTDOORS: Final = 0.35
DELAY_S: Final = 600.0
"""How late a ceremony begins on average."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days on which weddings may be, by the venue's calendar; `last` is included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """Each of them."""
        return [self.first + timedelta(days=day) for day in range((self.last - self.first).days + 1)]


def draw(random: np.random.Generator, count: int, span: Span) -> Weddings:
    """So many weddings.

    Args:
        random: seeded by the caller.
        count: how many, one of them forgotten at least where there are a hundred.
        span: when.
    """
    emergency = random.random(count) < EMERGENCIES
    zone = random.choice(len(ZONES), size=count, p=list(ZONES.values()))
    day = _days(random, count, span, emergency)
    size = random.choice(len(SIZES), size=count, p=list(SHARES))
    starts = _starts(day, _clock(random, count), zone, span)
    team = np.maximum(2, np.rint(np.array(TEAMS)[size] * random.lognormal(0, 0.25, count))).astype(np.int64)
    listed = np.array(GUESTS)[size] * random.lognormal(0, 0.35, count)
    listed *= np.where(random.random(count) < 0.02, 1 + random.pareto(2.2, count), 1.0)
    planned_guests = np.minimum(5_000, np.rint(listed)).astype(np.int64)
    made = Weddings(
        starts=starts,
        known_at=starts - _lead(random, count, emergency=emergency),
        zone=zone,
        size=size,
        planned_team=team,
        planned_guests=planned_guests,
        **happens(random, team, planned_guests, zone, day),
        zones=tuple(ZONES),
    )
    return made.ordered()


def happens(random: np.random.Generator, team: Ints, planned_guests: Ints, zone: Ints, day: Ints) -> dict[str, Any]:
    """What becomes of planned weddings: who comes, how much they send, what the weather does.

    Args:
        random: seeded by the caller.
        team: as entered.
        planned_guests: as entered.
        zone: index of the time zone.
        day: number of the day; weddings of one day and zone share their weather.
    """
    count = len(team)
    opened = random.random(count) >= ABANDONED
    brought = random.poisson(team * CREW_PER_VENDOR * random.lognormal(-0.045, 0.3, count))
    crew = random.poisson(brought * DEVICES) * opened
    come = random.binomial(planned_guests, 1 - NO_SHOWS * random.lognormal(-0.125, 0.5, count).clip(0, 5))
    guests = random.binomial(come, random.beta(2.0, 2.0 / ADOPTION - 2.0, count)) * opened
    talk = random.lognormal(-0.32, 0.8, count) * np.sqrt(team / 11.0)
    stormed = _fronts(random, zone, day) & (random.random(count) < OUTDOORS)
    moved = np.where(stormed, random.uniform(-5_400, 5_400, count), 0.0)
    return {
        "crew": crew,
        "guests": guests,
        "broadcasts": random.poisson(BROADCASTS * talk) * opened,
        "delay_s": random.exponential(DELAY_S, count) + moved,
        "stormed": stormed,
    }


def _fronts(random: np.random.Generator, zone: Ints, day: Ints) -> Flags:
    pairs, place = np.unique(np.stack([zone, day]), axis=1, return_inverse=True)
    turns = np.asarray(random.random(pairs.shape[1])) < FRONTS
    made: Flags = turns[place.reshape(-1)]
    return made


def _days(random: np.random.Generator, count: int, span: Span, emergency: Flags) -> Ints:
    days = span.days
    weights = np.array([MONTHS[one.month - 1] * WEEKDAYS[one.weekday()] for one in days])
    months = np.array([MONTHS[one.month - 1] for one in days])
    usual = random.choice(len(days), size=count, p=weights / weights.sum())
    any_day = random.choice(len(days), size=count, p=months / months.sum())
    return np.where(emergency, any_day, usual).astype(np.int64)


def _clock(random: np.random.Generator, count: int) -> Floats:
    """Seconds of the local day at which ceremonies begin, by quarters of an hour; most from 14 to 16 h."""
    kind = random.choice(3, size=count, p=[0.7, 0.2, 0.1])
    hours = np.choose(
        kind, [random.uniform(14, 16.25, count), random.uniform(16.25, 18.5, count), random.uniform(10, 14, count)]
    )
    return np.asarray(np.floor(hours * 4) * 900.0, dtype=np.float64)


def _starts(day: Ints, clock: Floats, zone: Ints, span: Span) -> Floats:
    days, names = span.days, list(ZONES)
    midnights = [
        [_midnight(one, name) for one in (days if np.any(zone == number) else [])] for number, name in enumerate(names)
    ]
    # Clocks change in the night, before any ceremony: seconds count from noon.
    return np.array([midnights[z][d] + c for z, d, c in zip(zone, day, clock, strict=True)], dtype=np.float64)


@lru_cache(maxsize=4096)
def _midnight(day: date, zone: str) -> float:
    """Twelve hours before local noon, as seconds since the epoch."""
    return datetime.combine(day, time(12), tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp() - 43_200


def _lead(random: np.random.Generator, count: int, *, emergency: Flags) -> Floats:
    """How long before the ceremony it is entered, in seconds."""
    usual = random.lognormal(np.log(150 * 86_400), 0.8, count)
    late = random.random(count) < LATE
    lead = np.where(late, random.uniform(3 * 3600, 72 * 3600, count), np.maximum(usual, 72 * 3600))
    lead = np.where(emergency, random.uniform(6 * 3600, 48 * 3600, count), lead)
    forgotten = np.asarray(random.random(count)) < FORGOTTEN
    if count >= 100:
        forgotten[random.integers(count)] = True
    made: Floats = np.where(forgotten, -NEVER, lead)
    return made
