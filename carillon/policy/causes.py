"""Why a plan changes at a moment, in words: the weddings that come or go then, or the season."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from carillon.policy import season

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carillon.policy.demand import Wedding
    from carillon.policy.profiles import Profile

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Turn(Enum):
    """What happens to a wedding's demand: (how it is told, whether more can be asked for from then on)."""

    BEGINS = ("{who} {begin} at {time}", True)
    FEASTS = ("the reception of {who} begins at {time}", True)
    SPEAKS = ("the ceremony of {who} begins at {time}", True)
    ENDED = ("nobody of {who} is left at {time}", False)
    PREPARED = ("the preparation of {who} is over at {time}", False)
    SPOKE = ("the ceremony of {who} is over at {time}", False)


@dataclass(frozen=True, slots=True)
class Grid:
    """When a plan answers to an instant: slots, edges within them, and the slots' worth of lead and lag."""

    slot: timedelta
    edge: timedelta
    lead: timedelta
    lag: timedelta

    def floor(self, when: datetime) -> datetime:
        """The slot that a moment is in."""
        return when - (when - EPOCH) % self.slot

    def raised(self, when: datetime) -> datetime:
        """When a plan is raised for what begins at a moment."""
        return self.floor(self._edge(when)) - self.lead

    def lowered(self, when: datetime) -> datetime:
        """When it is lowered for what ends at a moment."""
        return self.floor(self._edge(when) - self.edge) + self.slot + self.lag

    def _edge(self, when: datetime) -> datetime:
        return when + (EPOCH - when) % self.edge


@dataclass(slots=True)
class _Group:
    """Weddings that turn within one slot."""

    first: Wedding
    size: float
    count: int
    earliest: datetime
    latest: datetime


class Causes:
    """What turns when, looked up by the slot in which a plan answers to it."""

    def __init__(self, weddings: Iterable[Wedding], profile: Profile, zone: ZoneInfo, grid: Grid) -> None:
        self._profile, self._zone, self._grid = profile, zone, grid
        self._turns: dict[tuple[Turn, datetime], _Group] = {}
        for wedding in weddings:
            if not wedding.canceled:
                self._index(wedding)

    def _index(self, wedding: Wedding) -> None:
        traffic = self._profile.traffic
        opens, closes = wedding.window(traffic)
        feast = wedding.starts_at + traffic.ceremony
        self._add(Turn.BEGINS, self._grid.raised(opens), wedding, wedding.starts_at)
        self._add(Turn.SPEAKS, self._grid.raised(wedding.starts_at), wedding, wedding.starts_at)
        self._add(Turn.FEASTS, self._grid.raised(feast), wedding, feast)
        self._add(Turn.PREPARED, self._grid.lowered(wedding.starts_at), wedding, wedding.starts_at)
        self._add(Turn.SPOKE, self._grid.lowered(feast), wedding, feast)
        self._add(Turn.ENDED, self._grid.lowered(closes), wedding, closes)

    def _add(self, turn: Turn, slot: datetime, wedding: Wedding, when: datetime) -> None:
        size = wedding.connections(self._profile.traffic)
        group = self._turns.get((turn, slot))
        if group is None:
            self._turns[turn, slot] = _Group(wedding, size, 1, when, when)
            return
        group.count += 1
        group.earliest, group.latest = min(group.earliest, when), max(group.latest, when)
        if (-size, wedding.wedding_id) < (-group.size, group.first.wedding_id):
            group.first, group.size = wedding, size

    def of(self, slot: datetime, *, raised: bool) -> str:
        """Why a plan is raised, or lowered, at the start of a slot."""
        told = [
            _told(turn, group)
            for turn in Turn
            if turn.value[1] == raised and (group := self._turns.get((turn, slot))) is not None
        ]
        told = told[:1] + self._of_peak(slot, raised=raised) + self._of_season(slot, raised=raised)
        return "; ".join(told) or f"the demand {'rises' if raised else 'falls'}"

    def _of_peak(self, slot: datetime, *, raised: bool) -> list[str]:
        """The fixed peak that capacity is raised for, or was, at the start of a slot."""
        local = slot.astimezone(self._zone)
        before = (slot - self._grid.edge).astimezone(self._zone)
        now, then = (local, before) if raised else (before, local)
        turned = (one for one in season.peaks(self._profile) if one.raised_at(now) and not one.raised_at(then))
        return [
            f"the season's peak of {one.name}, {one.multiplier:g}x, "
            f"{f'begins at {one.start:%H:%M}' if raised else f'is over at {one.end:%H:%M}'} {self._zone.key}"
            for one in turned
        ]

    def _of_season(self, slot: datetime, *, raised: bool) -> list[str]:
        """The hour that begins with the lead of a raise, or that ended the lag of a lowering ago."""
        hour = slot + self._grid.lead if raised else slot - self._grid.lag
        before = season.load_at(self._profile, hour - self._grid.edge, self._zone)
        load = season.load_at(self._profile, hour, self._zone)
        if load == before or (load > before) != raised:
            return []
        verb = "rises" if raised else "falls"
        local = hour.astimezone(self._zone)
        return [f"the season's background {verb} to {load:.3g}x ({local:%B, %A %H:%M} {self._zone.key})"]


def _told(turn: Turn, group: _Group) -> str:
    who = group.first.wedding_id + (f" and {group.count - 1} more" if group.count > 1 else "")
    zone = ZoneInfo(group.first.time_zone)
    first, last = group.earliest.astimezone(zone), group.latest.astimezone(zone)
    time = f"{first:%H:%M}" + (f" to {last:%H:%M}" if first != last else "") + f" {zone.key}"
    return turn.value[0].format(who=who, begin="begins" if group.count == 1 else "begin", time=time)
