"""The spans a stage's cost is told for: an idle month, a normal week, a June Saturday, a month outside and in June."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carillon.policy import season
from carillon.policy.capacity import Kind, Limits, targets
from carillon.policy.lanes import MAX_CONCURRENCY
from stacks.cost.load import database_gb, load_of, profile, variable
from stacks.cost.prices import HOURS_A_MONTH, Bill, Line, price
from stacks.cost.standing import standing, task_hour

if TYPE_CHECKING:
    from datetime import time

    from carillon.model import Lane
    from carillon.policy.profiles import Profile
    from carillon.policy.season import Peak
    from stacks.places import Templates
    from stacks.stage import Stage

WEEKS_A_MONTH: Final = HOURS_A_MONTH / 168
JUNE: Final = 6
DAY_H: Final = 24.0


def bills(stage: Stage, templates: Templates) -> list[Bill]:
    """All spans of a stage, all its Regions together.

    Args:
        stage: its sizes.
        templates: what it deploys.
    """
    week = profile()["weddings_per_normal_week"]
    saturday = week * profile()["saturday_share_of_week"]
    months = season.profile(stage.season)
    peak = next(one for one in season.peaks(months) if one.month == JUNE)
    surge = _surge(templates, months, peak, _limits(stage))
    evenings = len(peak.weekdays)
    made = [
        Bill("An idle month", HOURS_A_MONTH),
        Bill("A normal week", 168.0),
        Bill("A Saturday in June", DAY_H),
        Bill("A month outside the season", HOURS_A_MONTH),
        Bill("June", HOURS_A_MONTH),
    ]
    weddings = (0.0, week, saturday * peak.multiplier, week * WEEKS_A_MONTH, week * WEEKS_A_MONTH * peak.multiplier)
    raised = (0.0, 0.0, 1.0, 0.0, evenings * WEEKS_A_MONTH)
    for bill, count, evening in zip(made, weddings, raised, strict=True):
        bill.lines += [Line(one.driver, one.usd * bill.hours / HOURS_A_MONTH, one.why) for one in standing(templates)]
        storage = database_gb() * price("aurora_storage_gb_month") * bill.hours / HOURS_A_MONTH
        bill.lines.append(Line("Aurora", storage, f"{database_gb():g} GB"))
        bill.lines += variable(
            load_of(count), architecture=stage.architecture, task_hour=_task_hour(templates), nat=stage.egress == "nat"
        )
        bill.lines += [Line(one.driver, one.usd * evening * len(stage.regions), one.why) for one in surge]
    return made


def _task_hour(templates: Templates) -> float:
    """Every Region has the same task."""
    return task_hour(next(iter(templates.of("AWS::ECS::TaskDefinition").values())))


def _limits(stage: Stage) -> Limits:
    """What the season may raise; reserved concurrency costs nothing and is left out."""
    return Limits(
        min_tasks=stage.min_tasks,
        max_tasks=stage.max_tasks,
        lane_max=MAX_CONCURRENCY,
        reserved={},
        warm=stage.warm_consumers,
        warm_peaks=stage.warm_peaks,
    )


def _surge(templates: Templates, months: Profile, peak: Peak, limits: Limits) -> list[Line]:
    """What one raised evening costs above rest."""
    least = min(months.hours.values())
    hours = _clock(peak.lower_at) - _clock(peak.raise_at)
    # What stands warm is given back in the first quiet hour: see ADR 19.
    quiet = next(hour for hour, share in sorted(months.hours.items()) if hour > peak.lower_at.hour and share <= least)
    warm_hours = quiet - _clock(peak.raise_at)
    at_rest = {one.knob: one.size for one in targets(None, limits, quiet=False)}
    lines = []
    for target in targets(peak, limits, quiet=False):
        more = target.size - at_rest.get(target.knob, 0)
        if target.knob.kind is Kind.TASKS:
            usd = more * hours * _task_hour(templates)
            lines.append(Line("Season peaks: API tasks", usd, f"{more} more tasks for {hours:g} h an evening"))
        elif target.knob.kind is Kind.PROVISIONED and target.knob.lane is not None:
            usd = more * warm_hours * 3600 * _environment_second(templates, target.knob.lane)
            lines.append(
                Line("Season peaks: warm functions", usd, f"{more} more for {target.knob.lane.word}, {warm_hours:g} h")
            )
    return lines


def _clock(moment: time) -> float:
    """A local time in hours."""
    return moment.hour + moment.minute / 60


def _environment_second(templates: Templates, lane: Lane) -> float:
    """What one warm environment of a lane's consumer costs a second, in USD."""
    for function in templates.of("AWS::Lambda::Function").values():
        if "lambdas.deliver" in str(function.get("Handler")):
            kind = function.get("Architectures", ["x86_64"])[0]
            return price("lambda_provisioned_gb_second", kind) * float(function["MemorySize"]) / 1024
    raise LookupError(f"the templates have no consumer for {lane.word}")
