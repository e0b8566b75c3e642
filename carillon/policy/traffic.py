"""How much a wedding, or somebody beside the weddings, asks of the system: every rate once.

From a source: the connections of a wedding and the hours of its window (design.md section 6), pings and syncs (section
4). The other rates are assumptions, marked so; measure your own weddings and replace them in a profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import isclose
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from carillon.errors import ConfigError
from carillon.model import Lane

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(StrEnum):
    """Of a wedding's window."""

    PREPARATION = "preparation"
    CEREMONY = "ceremony"
    RECEPTION = "reception"


@dataclass(frozen=True, slots=True)
class Rates:
    """What one connection brings about in an hour.

    Args:
        posts_h: events posted to it.
        messages_h: messages in the lanes; one wedding's broadcast is one message and as many posts as it has people.
    """

    posts_h: float
    messages_h: float


_AUDIENCE: Final = 50
"""Connections that one message reaches: the benches' team (docs/BENCHMARKS.md); an assumption for real ones."""


def _rates(posts_h: float) -> Rates:
    return Rates(posts_h, posts_h / _AUDIENCE)


_PHASES: Final = MappingProxyType(
    {
        Phase.PREPARATION: _rates(30),
        Phase.CEREMONY: _rates(6),
        Phase.RECEPTION: _rates(15),
    }
)
"""Assumptions: an event every two minutes while all is set up, every ten while guests are muted, then every four."""
_BACKGROUND: Final = _rates(2)
_LANES: Final = MappingProxyType({Lane.CRITICAL: 0.05, Lane.HIGH: 0.2, Lane.NORMAL: 0.5, Lane.LOW: 0.25})
"""Critical: the share of weddings with an emergency. The rest is an assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """One account of what people do.

    Args:
        team_connections: per member of a team.
        guest_connections: per guest.
        before: from when on a wedding asks for anything, before it begins (T).
        after: until when, after T.
        ramp: how long its people take to come, and to go, both within the window (assumption). 10,000 connections over
            half an hour are 6 a second against a quota of 500; all at once they would be throttled, not served.
        ceremony: how long it lasts from T on (assumption).
        phases: rates per connection.
        background: rates per connection of those who are there beside the weddings (assumption).
        base_connections: of those, in the busiest hour outside the season. A tenth of the 5,000 at which the season's
            reactive rule adds capacity: June's ten times that is where it would begin to (assumption).
        background_stay: how long one of those stays (assumption).
        lanes: shares of messages and posts; their sum is 1.
        surge: the busiest minute of a phase against its mean (assumption).
        reads_h: HTTP reads per connection and hour (assumption).
        ping_s: between two pings of a connection.
        sync_s: between two syncs of one.
        rotation: how long a connection lives; clients rotate at 100 to 115 minutes.

    Raises:
        ConfigError: the ramps do not fit into the window, or the lanes' shares do not add up.
    """

    team_connections: float = 10.0
    guest_connections: float = 0.1
    before: timedelta = timedelta(hours=2)
    after: timedelta = timedelta(hours=6)
    ramp: timedelta = timedelta(minutes=30)
    ceremony: timedelta = timedelta(hours=1)
    phases: Mapping[Phase, Rates] = field(default_factory=lambda: _PHASES)
    background: Rates = _BACKGROUND
    base_connections: float = 500.0
    background_stay: timedelta = timedelta(minutes=30)
    lanes: Mapping[Lane, float] = field(default_factory=lambda: _LANES)
    surge: float = 3.0
    reads_h: float = 60.0
    ping_s: float = 30.0
    sync_s: float = 300.0
    rotation: timedelta = timedelta(minutes=107.5)

    def __post_init__(self) -> None:
        if not timedelta() <= self.ramp <= min(self.before, self.after - self.ceremony):
            raise ConfigError(f"a ramp of {self.ramp} must fit in before the wedding, and in after the ceremony")
        if not isclose(sum(self.lanes.values()), 1):
            raise ConfigError(f"the lanes' shares add up to {sum(self.lanes.values())}, not to 1")


TRAFFIC: Final = Traffic()
