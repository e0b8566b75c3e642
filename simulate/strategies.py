"""What the four strategies order: two by the real policy, from what each of them can know at the time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from carillon.model import Lane
from carillon.policy import season, series, sizing, timeline
from carillon.policy.budget import Budget
from carillon.policy.capacity import TASKS, Kind, Knob, Limits, targets
from carillon.policy.demand import Wedding
from carillon.policy.lanes import MAX_CONCURRENCY
from simulate import capacity
from simulate.capacity import Capacity, Floor
from simulate.figures import figure
from simulate.reaction import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from carillon.policy.profiles import Profile
    from simulate.clock import Clock
    from simulate.load import Load
    from simulate.weddings import Floats, Weddings

STRATEGIES: Final = ("fixed", "reactive", "season", "plan")
ROUND: Final = timeline.SLOT
"""How often the planner comes by, and how long each of its sizes holds at least."""
LEAD_S: Final = 2 * ROUND.total_seconds()
"""A wedding entered so long before its window has its capacity as if it had been known for months."""
LONGEST: Final = timedelta(hours=12)
"""No wedding's demand lasts longer."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the strategies run: the season's profile, and the zone in which its hours are meant."""

    profile: Profile
    zone: ZoneInfo


def deployment() -> sizing.Deployment:
    """The sizes of the stage `prod`."""
    limits = Limits(
        min_tasks=int(figure("min_tasks")),
        max_tasks=int(figure("max_tasks")),
        lane_max=MAX_CONCURRENCY,
        reserved=dict.fromkeys(Lane, MAX_CONCURRENCY),
        warm=True,
        warm_peaks=True,
    )
    return sizing.Deployment(
        limits=limits,
        task_cores=figure("task_cores"),
        min_acu=figure("min_acu"),
        max_acu=figure("max_acu"),
        readers=int(figure("readers")),
        max_readers=int(figure("max_readers")),
    )


def every(clock: Clock, load: Load, weddings: Weddings, setting: Setting) -> Mapping[str, Callable[[], Capacity]]:
    """All four, each worked out when it is called."""
    rules = Rules(clock, load, deployment(), setting.profile, setting.zone)
    return {
        "fixed": lambda: capacity.fixed(clock),
        "reactive": lambda: capacity.reacting(clock, load, capacity.at_rest(clock), rules),
        "season": lambda: capacity.reacting(clock, load, scheduled(clock, setting), rules),
        "plan": lambda: capacity.reacting(clock, load, planned(clock, weddings, setting), rules),
    }


def scheduled(clock: Clock, setting: Setting) -> Floor:
    """The season's fixed peaks alone, as the schedules carry them: they know no wedding, and size no database."""
    made = deployment()
    rows: dict[Knob, list[float]] = {}
    for number in range(_rounds(clock)):
        now = clock.start + number * ROUND
        peak = season.peak_at(setting.profile, now, setting.zone)
        quiet = season.is_quiet(setting.profile, now, setting.zone)
        for one in targets(peak, made.limits, quiet=quiet):
            rows.setdefault(one.knob, []).append(float(one.size))
    return _floor(clock, {knob: np.array(row) for knob, row in rows.items()})


def planned(clock: Clock, weddings: Weddings, setting: Setting) -> Floor:
    """Carillon's plan by the real planner's policy, from the calendar as it is known when each slot's round comes.

    What a plan says of a slot is the same in every round, so one over the whole span stands for all of them. Only a
    wedding that is entered after its own capacity should stand is played apart: it counts from its entry on.
    """
    opens = weddings.starts - setting.profile.traffic.before.total_seconds() - LEAD_S
    early = weddings.known_at <= opens
    floor = _plan(clock, _calendar(weddings, early), setting)
    tardy = np.isfinite(weddings.known_at) & ~early
    if not tardy.any():
        return floor
    whole = _plan(clock, _calendar(weddings, early | tardy), setting)
    knows = np.ones(clock.count, dtype=bool)
    for since, until in zip(opens[tardy] - LEAD_S, weddings.known_at[tardy] + ROUND.total_seconds(), strict=True):
        knows &= (clock.edges() < since) | (clock.edges() >= until)
    return Floor(
        *(np.where(knows, getattr(whole, one.name), getattr(floor, one.name)) for one in fields(Floor)),
    )


def _plan(clock: Clock, weddings: list[Wedding], setting: Setting) -> Floor:
    budget = Budget(figure("budget_usd"))
    made = timeline.plan(
        weddings,
        setting.profile,
        setting.zone,
        deployment(),
        clock.start,
        horizon=timedelta(hours=clock.hours),
        budget=budget,
    )
    return _floor(clock, {knob: np.array(row) for knob, row in made.sizes.items()})


def known(clock: Clock, weddings: Weddings, setting: Setting, *, ahead: timedelta) -> tuple[Floats, ...]:
    """The policy's demand at every round, from what the calendar knew by then; a row per field of `Demand`.

    Args:
        clock: the buckets; the result is by rounds.
        weddings: what was planned, and since when it was known.
        setting: the profile.
        ahead: how long before each round the calendar is read.
    """
    count, traffic = _rounds(clock), setting.profile.traffic
    opens = weddings.starts - traffic.before.total_seconds()
    early = weddings.known_at + ahead.total_seconds() <= opens
    rows = _rows(series.of_weddings(_calendar(weddings, early), clock.start, count, bucket=ROUND, traffic=traffic))
    for number in np.flatnonzero(~early & np.isfinite(weddings.known_at)):
        one = np.arange(len(weddings)) == number
        since = weddings.known_at[number] + ahead.total_seconds() - clock.start_s
        first = max(0, int(np.ceil(since / ROUND.total_seconds())))
        begins = max(first, int((opens[number] - clock.start_s) // ROUND.total_seconds()))
        ends = min(count, begins + LONGEST // ROUND)
        if begins >= ends:
            continue
        start = clock.start + begins * ROUND
        late = series.of_weddings(_calendar(weddings, one), start, ends - begins, bucket=ROUND, traffic=traffic)
        for row, more in zip(rows, _rows(late), strict=True):
            row[begins:ends] += more
    return tuple(rows)


def _rows(made: series.Series) -> list[Floats]:
    return [np.array(row) for row in (made.connections, made.messages_s, made.posts_s, made.connects_s)]


def _calendar(weddings: Weddings, chosen: np.ndarray) -> list[Wedding]:
    return [
        Wedding(
            f"W{number}",
            datetime.fromtimestamp(weddings.starts[number], UTC),
            weddings.zones[weddings.zone[number]],
            int(weddings.planned_team[number]),
            int(weddings.planned_guests[number]),
        )
        for number in np.flatnonzero(chosen).tolist()
    ]


def _rounds(clock: Clock) -> int:
    return int(clock.hours * 3600 // ROUND.total_seconds())


def _floor(clock: Clock, sizes: Mapping[Knob, Floats]) -> Floor:
    """Sizes by round as sizes by bucket; what is not sized stays at rest."""

    def row(knob: Knob, rest: float) -> Floats:
        rounds = sizes.get(knob, np.full(_rounds(clock), rest))
        return np.repeat(rounds, clock.per(ROUND.total_seconds()))[: clock.count]

    return Floor(
        row(TASKS, figure("min_tasks")),
        np.stack([row(Knob(Kind.PROVISIONED, lane), 0) for lane in Lane]),
        row(sizing.LEAST_ACU, figure("min_acu")),
        row(sizing.READERS, figure("readers")),
    )
