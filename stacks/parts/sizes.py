"""What a stage has at rest and may have at most, as whoever plans, reacts or forecasts is told it: once, for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carillon.config import CapacitySettings, LaneUrls, environment
from carillon.model import Lane
from carillon.policy import season
from carillon.policy.lanes import MAX_CONCURRENCY
from stacks.parts.consumer import reserved

if TYPE_CHECKING:
    from stacks.stage import Stage

CORE_UNITS: Final = 1_024
"""CPU units of a core, as ECS counts."""


def capacity_settings(stage: Stage) -> dict[str, str]:
    """The variables of `CapacitySettings`.

    Args:
        stage: whose sizes they are.

    Raises:
        ConfigError: the stage's time zone is not known.
    """
    set_aside = reserved(stage)
    kept = {} if set_aside is None else dict.fromkeys(Lane.words(), str(set_aside))
    return environment(
        CapacitySettings,
        season=stage.season,
        time_zone=season.zone(stage.time_zone).key,
        min_tasks=str(stage.min_tasks),
        max_tasks=str(stage.max_tasks),
        task_cores=f"{stage.task_cpu / CORE_UNITS:g}",
        lane_max=str(MAX_CONCURRENCY),
        reserved=LaneUrls.of(kept),
        warm=_word(stage.warm_consumers),
        warm_peaks=_word(stage.warm_peaks),
        min_acu=f"{stage.database_min_acu:g}",
        max_acu=f"{stage.database_max_acu:g}",
        readers=str(stage.readers),
        max_readers=str(stage.max_readers),
        concurrency=str(stage.lambda_concurrency),
        requests_s=str(stage.callback_rps),
        connects_s=str(stage.connects_s),
        budget_usd=str(stage.plan_budget_usd),
        over_budget=_word(stage.plan_over_budget),
    )


def _word(flag: bool) -> str:  # noqa: FBT001 - it is the value itself
    return str(flag).lower()
