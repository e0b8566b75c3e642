"""What is there, bucket by bucket, under each of the four strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from carillon.model import Lane
from carillon.policy.lanes import LANES, MAX_CONCURRENCY
from simulate.figures import figure
from simulate.reaction import rolling, tracked

if TYPE_CHECKING:
    from simulate.clock import Clock
    from simulate.load import Load
    from simulate.reaction import Rules
    from simulate.weddings import Floats


@dataclass(frozen=True, slots=True)
class Floor:
    """What a strategy orders, before anything reacts to load; `warm` is by lane first.

    Args:
        tasks: API tasks at least.
        warm: warm consumers at least.
        acu: the writer's ACUs at least.
        readers: how many.
    """

    tasks: Floats
    warm: Floats
    acu: Floats
    readers: Floats


@dataclass(frozen=True, slots=True)
class Capacity:
    """What is in force; `most` is how many consumers a lane may have, cold ones included."""

    tasks: Floats
    warm: Floats
    acu: Floats
    readers: Floats
    most: int | None


def at_rest(clock: Clock) -> Floor:
    """What is deployed, all the time."""
    ones = np.ones(clock.count)
    return Floor(
        figure("min_tasks") * ones,
        np.stack([LANES[lane].concurrency * ones for lane in Lane]),
        figure("min_acu") * ones,
        figure("readers") * ones,
    )


def fixed(clock: Clock) -> Capacity:
    """What is at rest, and nothing more: no environment beyond it, no task, no larger database."""
    rest = at_rest(clock)
    return Capacity(rest.tasks, rest.warm, rest.acu, rest.readers, None)


def reacting(clock: Clock, load: Load, floor: Floor, rules: Rules) -> Capacity:
    """A floor, with everything above it that reacts to load as the stacks deploy it.

    Args:
        clock: the buckets.
        load: what target tracking sees.
        floor: ordered ahead of time; it takes as long to come as what is ordered in reaction.
        rules: the policy's, which see the same.
    """
    tasks = tracked(clock, np.ceil(load.api_cores / figure("task_cores") / figure("task_use")))
    tasks = np.minimum(np.maximum(rules.tasks(floor.tasks), tasks), figure("max_tasks"))
    warm = np.stack([tracked(clock, np.ceil(load.busy[lane] / figure("warm_use"))) for lane in Lane])
    warm = np.minimum(np.maximum(rules.warm(floor.warm), warm), MAX_CONCURRENCY)
    return Capacity(
        _late(clock, tasks, figure("task_start_s")),
        np.stack([_late(clock, row, figure("warm_start_s")) for row in warm]),
        _grown(clock, load.database_cores, floor.acu),
        floor.readers,
        MAX_CONCURRENCY,
    )


def _late(clock: Clock, ordered: Floats, seconds: float) -> Floats:
    """More comes so much later; less is gone at once."""
    return rolling(ordered, 1 + clock.per(seconds), np.minimum)


_SHRINK: Final = 0.98


def _grown(clock: Clock, cores: Floats, floor: Floats) -> Floats:
    """The database follows its load by itself: it grows in proportion to its size, and shrinks slowly."""
    wanted = (cores / figure("acu_cores") / figure("acu_use")).tolist()
    steps, most, share = clock.bucket_s / 10, figure("max_acu"), figure("acu_growth")
    growth, shrink = (1 + share) ** steps, _SHRINK**steps
    now, made = float(floor[0]), []
    for least, want in zip(floor.tolist(), wanted, strict=True):
        grown = min(max(now * growth, now + 0.5 * steps), max(want, now * shrink))
        now = min(most, max(least, grown))
        made.append(now)
    return np.array(made)
