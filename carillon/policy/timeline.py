"""The plan: every size from quarter of an hour to quarter of an hour, and the changes between them with their reasons.

A wedding's capacity stands whole from a quarter of an hour before its window until a quarter of an hour after it. Sizes
that would go down for an hour or less stay up, such as during a ceremony. So a size changes at most once a slot: 192
times in 48 hours, where Application Auto Scaling takes 200 actions a target. The season's fixed peaks stand whatever
the calendar says: they are for the wedding that nobody entered. The plan for a moment is the same from wherever it is
looked at, so that the next round finds nothing to put right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from carillon.policy import budget as budgets
from carillon.policy import season, series
from carillon.policy.capacity import targets
from carillon.policy.causes import Causes, Grid
from carillon.policy.demand import Demand
from carillon.policy.sizing import MOST_ACU, asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from carillon.policy.budget import Budget, Cut, Fitted
    from carillon.policy.capacity import Knob
    from carillon.policy.demand import Wedding
    from carillon.policy.profiles import Profile
    from carillon.policy.series import Series
    from carillon.policy.sizing import Deployment

SLOT: Final = timedelta(minutes=15)
"""48 hours have 192 of them; 200 actions a target are the quota."""
HORIZON: Final = timedelta(hours=48)
HOLD: Final = 4
"""Slots: what would come back within an hour is not taken away. An hour of all that can stand warm costs $4."""
_LEAD: Final = 1
_LAG: Final = 1
_MARGIN: Final = _LEAD + _LAG + 2 * HOLD
GRID: Final = Grid(SLOT, series.BUCKET, _LEAD * SLOT, _LAG * SLOT)


@dataclass(frozen=True, slots=True)
class Change:
    """A size that changes at an instant."""

    at: datetime
    knob: Knob
    previous: float
    size: float
    reason: str


@dataclass(frozen=True, slots=True)
class Capped:
    """A hard cap that is below what is asked for.

    Args:
        knob: which.
        at: when the most is asked for.
        asked: how much then.
        most: the cap.
        reason: in words.
    """

    knob: Knob
    at: datetime
    asked: float
    most: float
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes over time.

    Args:
        start: of the first slot, in UTC.
        sizes: per knob, one for every slot.
        changes: in the order of time.
        cuts: what the budget took.
        usd: what it adds to each month above rest.
        over: months it takes over their budget because somebody said so, and by how much.
        demand: the most that is expected within each slot.
        rest: sizes without wedding and season.
        capped: hard caps that are too low for it; the database's ceiling is none of the plan's.
        why: why every knob has its size in the first slot.
    """

    start: datetime
    sizes: Mapping[Knob, tuple[float, ...]]
    changes: tuple[Change, ...]
    cuts: tuple[Cut, ...]
    usd: Mapping[str, float]
    over: Mapping[str, float]
    demand: tuple[Demand, ...]
    rest: Mapping[Knob, float]
    capped: tuple[Capped, ...]
    why: Mapping[Knob, str]

    @property
    def end(self) -> datetime:
        """After the last slot."""
        return self.start + len(self.demand) * SLOT

    @property
    def expected(self) -> float:
        """The most connections of what the first slot stands for: it is raised a lead ahead of them."""
        return _most_expected(self.demand)

    def at(self, when: datetime) -> dict[Knob, float]:
        """All sizes at a moment; IndexError outside of the plan."""
        index = self._index(when)
        return {knob: row[index] for knob, row in self.sizes.items()}

    def reason(self, knob: Knob, when: datetime) -> str:
        """Why a knob has its size at a moment; IndexError outside of the plan."""
        index, changed = self._index(when), [one for one in self.changes if one.knob == knob and one.at <= when]
        if index == 0 or not changed:
            return self.why[knob]
        return "at rest" if self.sizes[knob][index] == self.rest[knob] else changed[-1].reason

    def _index(self, when: datetime) -> int:
        index = (when - self.start) // SLOT
        if not 0 <= index < len(self.demand):
            raise IndexError(f"{when} is not within the plan")
        return index


def plan(
    weddings: Sequence[Wedding],
    profile: Profile,
    zone: ZoneInfo,
    deployment: Deployment,
    start: datetime,
    *,
    horizon: timedelta = HORIZON,
    budget: Budget | None = None,
) -> Plan:
    """The plan from `start` on.

    Args:
        weddings: all whose windows come within two hours and a half of the plan; others do no harm.
        profile: of the season.
        zone: in which the season's hours are meant.
        deployment: what stands at rest, and the caps.
        start: in UTC; the slot it is in is the first.
        horizon: how far.
        budget: of a month; without one only the caps bind.
    """
    first, count = GRID.floor(start), -(-horizon // SLOT)
    demand, busy = _demand(weddings, profile, zone, first - _MARGIN * SLOT, count + 2 * _MARGIN)
    wanted = _wanted(demand, busy, deployment, profile)
    floor = _season(profile, zone, deployment, first - _MARGIN * SLOT, len(demand))
    held = {knob: _held(row, floor[knob]) for knob, row in wanted.items()}
    asked_for = {knob: row[_MARGIN : _MARGIN + count] for knob, row in held.items()}
    capped = {knob: [min(size, deployment.most(knob)) for size in row] for knob, row in asked_for.items()}
    fitted = _fitted(capped, first, deployment, budget)
    told = _Told(Causes(weddings, profile, zone, GRID), asked_for, capped, fitted)
    changes = sorted((change for knob in capped for change in told.changes(knob, first)), key=lambda change: change.at)
    sizes = {knob: tuple(row) for knob, row in fitted.rows.items()}
    expected = tuple(demand[_MARGIN : _MARGIN + count])
    rest = {knob: deployment.rest(knob) for knob in sizes}
    short = tuple(_capped(asked_for, first, zone, deployment))
    before = {knob: min(row[_MARGIN - 1], deployment.most(knob)) for knob, row in held.items()}
    why = {knob: told.first(knob, first, before[knob], rest[knob], _most_expected(expected)) for knob in sizes}
    return Plan(first, sizes, tuple(changes), fitted.cuts, fitted.usd, fitted.over, expected, rest, short, why)


def _most_expected(demand: Sequence[Demand]) -> float:
    return max(one.connections for one in demand[: 1 + _LEAD])


def _demand(
    weddings: Iterable[Wedding], profile: Profile, zone: ZoneInfo, first: datetime, count: int
) -> tuple[list[Demand], list[bool]]:
    """The most within each slot, and whether a wedding or the season is on. Whoever ramps is there from the start."""
    edges = SLOT // series.BUCKET
    calendar = series.of_weddings(weddings, first, count * edges, traffic=profile.traffic, whole=True)
    background = series.of_season(profile, zone, first, count * edges)
    wed = (demand.connections > 0 for demand in _slots(calendar, edges))
    peaks = (demand.connections > profile.traffic.base_connections for demand in _slots(background, edges))
    return _slots(calendar + background, edges), [one or peak for one, peak in zip(wed, peaks, strict=True)]


def _slots(fine: Series, edges: int) -> list[Demand]:
    rows = (fine.connections, fine.messages_s, fine.posts_s, fine.connects_s)
    coarse = ([max(row[index : index + edges]) for index in range(0, len(row), edges)] for row in rows)
    return [Demand(*at) for at in zip(*coarse, strict=True)]


def _wanted(
    demand: Sequence[Demand], busy: Sequence[bool], deployment: Deployment, profile: Profile
) -> dict[Knob, list[float]]:
    """What every slot asks for, whatever the caps; nights that are alike are sized once."""
    kinds = dict.fromkeys(zip(demand, busy, strict=True))
    sized = {
        kind: {knob: asked(knob, kind[0], deployment, profile.traffic, busy=kind[1]) for knob in deployment.knobs()}
        for kind in kinds
    }
    return {knob: [sized[kind][knob] for kind in zip(demand, busy, strict=True)] for knob in deployment.knobs()}


def _season(
    profile: Profile, zone: ZoneInfo, deployment: Deployment, first: datetime, count: int
) -> Mapping[Knob, Sequence[float]]:
    """What the fixed peaks ask for in every slot, with their own lead and lag; nothing outside of them."""
    peaks = season.peaks(profile)
    sized = [{one.knob: one.size for one in targets(peak, deployment.limits, quiet=False)} for peak in peaks]
    rows = {knob: [0.0] * count for knob in deployment.knobs()}
    for index in range(count if peaks else 0):
        begins = first + index * SLOT
        edges = [when.astimezone(zone) for when in (begins, begins + SLOT - series.BUCKET)]
        for peak, sizes in zip(peaks, sized, strict=True):
            if any(map(peak.raised_at, edges)):
                for knob, size in sizes.items():
                    rows[knob][index] = size
    return rows


def _held(row: Sequence[float], floor: Sequence[float]) -> list[float]:
    """Lead and lag around every size, then short valleys filled: both keep a plan at or above what is wanted."""
    around = [max(floor[index], *row[max(0, index - _LAG) : index + _LEAD + 1]) for index in range(len(row))]
    ahead = [max(around[index : index + HOLD + 1]) for index in range(len(row))]
    return [min(ahead[max(0, index - HOLD) : index + 1]) for index in range(len(row))]


def _capped(asked_for: budgets.Rows, first: datetime, zone: ZoneInfo, deployment: Deployment) -> Iterable[Capped]:
    for knob, row in asked_for.items():
        wanted, most = max(row), deployment.most(knob)
        if wanted > most and knob != MOST_ACU:
            at = first + row.index(wanted) * SLOT
            when = f"{at.astimezone(zone):%A, %Y-%m-%d at %H:%M} {zone.key}"
            yield Capped(knob, at, wanted, most, f"{knob.group}: {wanted:g} asked for on {when}, capped at {most:g}")


def _fitted(rows: budgets.Rows, first: datetime, deployment: Deployment, budget: Budget | None) -> Fitted:
    unbound = budgets.Budget(usd=0.0, override=True)
    fitted = budgets.fit(rows, first, SLOT, deployment, budget or unbound)
    return fitted if budget else budgets.Fitted(fitted.rows, (), fitted.usd, {})


class _Told:
    """Changes with their reasons."""

    def __init__(self, causes: Causes, asked_for: budgets.Rows, capped: budgets.Rows, fitted: Fitted) -> None:
        self._causes, self._asked, self._capped, self._rows = causes, asked_for, capped, fitted.rows
        self._words: dict[tuple[datetime, bool], str] = {}

    def changes(self, knob: Knob, first: datetime) -> Iterable[Change]:
        row = self._rows[knob]
        for index in range(1, len(row)):
            was, size = row[index - 1], row[index]
            if was != size:
                at = first + index * SLOT
                yield Change(at, knob, was, size, self._reason(knob, index, at, raised=size > was))

    def _reason(self, knob: Knob, index: int, at: datetime, *, raised: bool) -> str:
        if self._capped[knob][index] == self._capped[knob][index - 1]:
            return f"another month's budget begins; {self._capped[knob][index]:g} planned"
        return self._cause(at, raised=raised) + self._bounds(knob, index)

    def first(self, knob: Knob, at: datetime, before: float, rest: float, expected: float) -> str:
        """Why a knob has its size in the first slot, where `before` was planned for the one before."""
        planned = self._capped[knob][0]
        if planned != before:
            return self._cause(at, raised=planned > before) + self._bounds(knob, 0)
        why = "at rest" if planned == rest else f"{expected:,.0f} connections are expected"
        return why + self._bounds(knob, 0)

    def _cause(self, at: datetime, *, raised: bool) -> str:
        key = (at, raised)
        if key not in self._words:
            self._words[key] = self._causes.of(at, raised=raised)
        return self._words[key]

    def _bounds(self, knob: Knob, index: int) -> str:
        wanted, allowed, size = self._asked[knob][index], self._capped[knob][index], self._rows[knob][index]
        capped = f"; {wanted:g} asked for, capped at {allowed:g}" if allowed < wanted else ""
        cut = f"; {allowed:g} planned, cut to {size:g} by the budget" if size < allowed else ""
        return capped + cut
