"""What a wedding asks for at a moment: connections from T-2h to T+6h, and the messages, posts and connects they bring.

Connections rise in a straight line over the first half hour of the window and fall over its last; in between all of
them are there. T is an instant, so a change of clocks within the window moves nothing; the day it belongs to is the
venue's. A canceled wedding asks for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from carillon.errors import InvalidInputError
from carillon.policy import season
from carillon.policy.traffic import TRAFFIC, Phase, Rates, Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime, timedelta

    from carillon.policy.profiles import Profile

HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Wedding:
    """What the calendar knows of a wedding.

    Args:
        wedding_id: its name in reasons.
        starts_at: T, aware.
        time_zone: the venue's, IANA.
        team: people who work on it.
        guests: expected in all.
        canceled: whether it was called off.

    Raises:
        InvalidInputError: T without a zone, an unknown zone, or less than nobody.
    """

    wedding_id: str
    starts_at: datetime
    time_zone: str
    team: int
    guests: int
    canceled: bool = False

    def __post_init__(self) -> None:
        if self.starts_at.utcoffset() is None:
            raise InvalidInputError(f"wedding {self.wedding_id}: starts_at needs an offset, as in 2027-06-05T14:00Z")
        if self.team < 0 or self.guests < 0:
            raise InvalidInputError(f"wedding {self.wedding_id}: a team of {self.team}, {self.guests} guests")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InvalidInputError(
                f"wedding {self.wedding_id}: {self.time_zone} is no IANA time zone; one is Europe/Rome"
            ) from error

    @property
    def local(self) -> datetime:
        """T by the venue's clocks."""
        return self.starts_at.astimezone(ZoneInfo(self.time_zone))

    @property
    def day(self) -> date:
        """The day it is on, at the venue."""
        return self.local.date()

    def connections(self, traffic: Traffic = TRAFFIC) -> float:
        """When all of its people are there; none for a canceled one."""
        if self.canceled:
            return 0.0
        return self.team * traffic.team_connections + self.guests * traffic.guest_connections

    def window(self, traffic: Traffic = TRAFFIC) -> tuple[datetime, datetime]:
        """From when on and until when it asks for anything."""
        return self.starts_at - traffic.before, self.starts_at + traffic.after

    def phase_at(self, when: datetime, traffic: Traffic = TRAFFIC) -> Phase | None:
        """Which phase a moment is in; None outside the window."""
        opens, closes = self.window(traffic)
        if not opens <= when < closes:
            return None
        if when < self.starts_at:
            return Phase.PREPARATION
        return Phase.CEREMONY if when < self.starts_at + traffic.ceremony else Phase.RECEPTION


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for at a moment. Demands add up.

    Args:
        connections: open.
        messages_s: through the lanes, per second.
        posts_s: to connections, per second.
        connects_s: new connections per second.
    """

    connections: float = 0.0
    messages_s: float = 0.0
    posts_s: float = 0.0
    connects_s: float = 0.0

    def __add__(self, other: Demand) -> Demand:
        """Both at once."""
        return Demand(
            self.connections + other.connections,
            self.messages_s + other.messages_s,
            self.posts_s + other.posts_s,
            self.connects_s + other.connects_s,
        )

    def requests_s(self, traffic: Traffic = TRAFFIC) -> float:
        """What counts against API Gateway's shared rate: posts, an ack of each, pings, syncs, connects, subscribes."""
        frames = self.connections * (1 / traffic.ping_s + 1 / traffic.sync_s)
        return 2 * self.posts_s + frames + 2 * self.connects_s

    def reads_s(self, traffic: Traffic = TRAFFIC) -> float:
        """HTTP reads per second."""
        return self.connections * traffic.reads_h / HOUR_S


NOTHING: Final = Demand()


def on_day(weddings: Iterable[Wedding], day: date) -> list[Wedding]:
    """The weddings of a day, each by its venue's calendar, none canceled; a wedding day is one that has any."""
    return [wedding for wedding in weddings if not wedding.canceled and wedding.day == day]


def per_second(connections: float, rates: Rates) -> Demand:
    """So many connections at those rates, none of them new."""
    return Demand(connections, connections * rates.messages_h / HOUR_S, connections * rates.posts_h / HOUR_S)


def of_wedding(wedding: Wedding, when: datetime, traffic: Traffic = TRAFFIC) -> Demand:
    """What a wedding asks for at a moment."""
    phase = wedding.phase_at(when, traffic)
    if phase is None or wedding.canceled:
        return NOTHING
    opens, closes = wedding.window(traffic)
    whole = wedding.connections(traffic)
    coming = when < opens + traffic.ramp
    connects_s = whole / (traffic.ramp if coming else traffic.rotation).total_seconds()
    there = whole * _share(min(when - opens, closes - when), traffic.ramp)
    return per_second(there, traffic.phases[phase]) + Demand(connects_s=connects_s)


def _share(inside: timedelta, ramp: timedelta) -> float:
    return 1.0 if inside >= ramp else inside / ramp


def of_background(load: float, traffic: Traffic = TRAFFIC) -> Demand:
    """What people beside the weddings ask for at that load, a multiple of the busiest hour outside the season."""
    connections = traffic.base_connections * load
    connects_s = connections / traffic.background_stay.total_seconds()
    return per_second(connections, traffic.background) + Demand(connects_s=connects_s)


def of_season(profile: Profile, when: datetime, zone: ZoneInfo) -> Demand:
    """The same at a moment of a season."""
    return of_background(season.load_at(profile, when, zone), profile.traffic)
