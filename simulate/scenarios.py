"""What is played through: which days, how many weddings, and what goes wrong on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from simulate.world import Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulate.weddings import Floats, Weddings

LEAST, MOST = 100, 15_000
"""Weddings in a run."""
RISE_S: Final = 60.0
DAY_S: Final = 86_400.0
SHORT_DAYS: Final = 3
"""Spans of so many days are played with the finer clock."""


@dataclass(frozen=True, slots=True)
class Spike:
    """Everybody sends `times` as much: it rises within 60 s from `at_s` on, and falls as fast `hold_s` later."""

    at_s: float
    times: float = 10.0
    hold_s: float = 600.0

    def factor(self, at: Floats) -> Floats:
        """The multiple at each moment; 1 outside."""
        up = np.clip((at - self.at_s) / RISE_S, 0, 1)
        down = np.clip((self.at_s + RISE_S + self.hold_s - at) / RISE_S, 0, 1)
        made: Floats = 1 + (self.times - 1) * np.minimum(up, down)
        return made


@dataclass(frozen=True, slots=True)
class FailOver:
    """The database's writer is away: nothing is accepted and nothing delivered."""

    at_s: float
    away_s: float


@dataclass(frozen=True, slots=True)
class Storm:
    """A share of all connections breaks at once, and everybody connects again."""

    at_s: float
    share: float = 0.6


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to play through.

    Args:
        name: what it is called.
        says: in words.
        span: days of the weddings.
        weddings: how many, unless somebody says otherwise.
        bucket_s: how finely the clock runs.
        spikes: when ten times as much is sent.
        storms: when connections break.
        fail_overs: when the database's writer moves.
    """

    name: str
    says: str
    span: Span
    weddings: int
    bucket_s: float
    spikes: tuple[Spike, ...] = ()
    storms: tuple[Storm, ...] = ()
    fail_overs: tuple[FailOver, ...] = ()


FAIL_OVER_S: Final = 60.0
"""Aurora promotes a reader within about a minute (docs/runbooks/aurora-failover.md)."""


def _utc(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type] # year to minute


_SATURDAY: Final = Span(date(2027, 6, 12), date(2027, 6, 12))
_TROUBLE: Final = (
    (Spike(_utc(2027, 6, 12, 20, 30)),),
    (Storm(_utc(2027, 6, 12, 22, 0)),),
    (FailOver(_utc(2027, 6, 12, 23, 30), FAIL_OVER_S),),
)
"""A spike, a storm of reconnects and a fail-over, each while the east of America celebrates."""

SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {
        one.name: one
        for one in (
            Scenario(
                "june-saturday",
                "12 June 2027, with a tenfold spike, a storm of reconnects and a fail-over of the database",
                _SATURDAY,
                700,
                10.0,
                *_TROUBLE,
            ),
            Scenario(
                "season",
                "May to October 2027; on 12 June the same three troubles",
                Span(date(2027, 5, 1), date(2027, 10, 31)),
                15_000,
                60.0,
                *_TROUBLE,
            ),
            Scenario(
                "year",
                "2027; on 12 June the same three troubles",
                Span(date(2027, 1, 2), date(2027, 12, 31)),
                15_000,
                60.0,
                *_TROUBLE,
            ),
            Scenario(
                "spike",
                "12 June 2027: ten times as much within 60 seconds, and nothing else goes wrong",
                _SATURDAY,
                700,
                10.0,
                _TROUBLE[0],
            ),
        )
    }
)


def for_weddings(scenario: Scenario, weddings: Weddings) -> Scenario:
    """The same troubles for weddings that were read: on the day with the most of them, after most have begun."""
    day_of = np.floor(weddings.starts / DAY_S).astype(np.int64)
    days, counts = np.unique(day_of, return_counts=True)
    busiest = days[counts.argmax()]
    begun = float(np.median(weddings.starts[day_of == busiest]))
    move = begun - _utc(2027, 6, 12, 19, 0)
    first, last = (datetime.fromtimestamp(float(end), UTC).date() for end in (weddings.starts[0], weddings.starts[-1]))
    return replace(
        scenario,
        name=f"{scenario.name}-arrivals",
        says="from a file, with the troubles of " + scenario.name + " on their busiest day",
        span=Span(first, last),
        weddings=len(weddings),
        bucket_s=10.0 if (last - first).days <= SHORT_DAYS else 60.0,
        spikes=tuple(replace(one, at_s=one.at_s + move) for one in scenario.spikes),
        storms=tuple(replace(one, at_s=one.at_s + move) for one in scenario.storms),
        fail_overs=tuple(replace(one, at_s=one.at_s + move) for one in scenario.fail_overs),
    )
