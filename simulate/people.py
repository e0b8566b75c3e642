"""Who is online when: every connection of a world comes and goes at a time of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from simulate.clock import Clock
    from simulate.weddings import Floats, Ints, Weddings

LIFE_S: Final = 107.5 * 60
"""Clients rotate their connection after 100 to 115 minutes (design.md, section 4)."""
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Coming:
    """When a kind of people comes and goes, in seconds around the ceremony: means and spreads of logistic curves."""

    comes_s: float
    comes_spread_s: float
    goes_s: float
    goes_spread_s: float

    def there(self, since_s: Floats) -> Floats:
        """Share of them that is there so long after the ceremony began."""
        come = 1 / (1 + np.exp(-(since_s - self.comes_s) / self.comes_spread_s))
        gone = 1 / (1 + np.exp(-(since_s - self.goes_s) / self.goes_spread_s))
        share: Floats = come * (1 - gone)
        return share


CREW: Final = Coming(-6_300, 900, 20_700, 1_500)
"""Set up from an hour and three quarters before, packed up five and three quarter hours after."""
GUESTS: Final = Coming(-3_000, 900, 18_000, 2_400)


@dataclass(frozen=True, slots=True)
class Online:
    """Per bucket: connections open on average, and those newly opened per second."""

    connections: Floats
    connects_s: Floats


def online(random: np.random.Generator, weddings: Weddings, clock: Clock) -> Online:
    """Count everybody in and out.

    Args:
        random: seeded by the caller.
        weddings: whose people.
        clock: the buckets.
    """
    comes, goes = np.zeros(clock.count), np.zeros(clock.count)
    for people, habit in ((weddings.crew, CREW), (weddings.guests, GUESTS)):
        begins = np.repeat(weddings.begins, people)
        came = begins + random.logistic(habit.comes_s, habit.comes_spread_s, len(begins))
        left = np.maximum(came + 600, begins + random.logistic(habit.goes_s, habit.goes_spread_s, len(begins)))
        comes += clock.count_at(came)
        goes += clock.count_at(left)
    there = np.maximum(0.0, np.cumsum(comes - goes))
    return Online(there, comes / clock.bucket_s + there / LIFE_S)


def present(weddings: Weddings, wedding: Ints, at: Floats) -> tuple[Floats, Floats]:
    """Crew and guests of a wedding that are online at a moment; all arrays of one length."""
    since = at - weddings.begins[wedding]
    return weddings.crew[wedding] * CREW.there(since), weddings.guests[wedding] * GUESTS.there(since)
