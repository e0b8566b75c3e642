"""What a round of the planner sets: the plan for now, or without a calendar the season and what was planned before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from carillon.policy import capacity
from carillon.policy.capacity import Action, Kind, Target
from carillon.policy.sizing import MOST_ACU

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from carillon.policy.capacity import Limits, Step
    from carillon.policy.season import Peak
    from carillon.policy.timeline import Plan


def of_plan(plan: Plan, now: datetime, limits: Limits, *, quiet: bool, reacted: Collection[str]) -> tuple[Target, ...]:
    """The size of every knob by the plan; but the database's ceiling, which stays the deployment's.

    A ceiling that followed the plan would strangle whatever the calendar does not know.

    Args:
        plan: with `now` within it.
        now: aware.
        limits: of the deployment.
        quiet: whether so little happens at this hour that warm consumers above the plan are a waste.
        reacted: groups that lately were changed in reaction to load: theirs are none.
    """
    sizes = {knob: size for knob, size in plan.at(now).items() if knob != MOST_ACU}
    made = (Target(knob, size, plan.reason(knob, now)) for knob, size in sizes.items())
    return tuple(
        replace(
            one,
            most=limits.lane_max,
            takes_back=quiet and one.size == plan.rest[one.knob] and one.knob.group not in reacted,
        )
        if one.knob.kind is Kind.PROVISIONED
        else one
        for one in made
    )


def of_season(
    peak: Peak | None, limits: Limits, planned: Mapping[str, float], groups: Mapping[str, capacity.Knob]
) -> tuple[Target, ...]:
    """The larger of the season's fixed peak and what was planned for now while the calendar could be read.

    Args:
        peak: the one that is on, if any.
        limits: of the deployment.
        planned: by group; nothing where nobody remembers.
        groups: the knobs by group.
    """
    made = {one.knob: replace(one, takes_back=False) for one in capacity.targets(peak, limits, quiet=False)}
    for group, size in planned.items():
        knob = groups.get(group)
        if knob is None or knob == MOST_ACU or (knob in made and made[knob].size >= size):
            continue
        most = limits.lane_max if knob.kind is Kind.PROVISIONED else None
        made[knob] = Target(knob, size, "planned before the calendar was away", most)
    return tuple(made.values())


def raising(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Those that take nothing away: who cannot see the weddings must not lower what stands for them."""
    return tuple(step for step in steps if step.action is not Action.LOWER)
