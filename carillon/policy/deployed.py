"""What a deployment's settings mean to the policy: rest, caps and quotas, for whoever plans, reacts or forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.model import Lane
from carillon.policy.capacity import Limits
from carillon.policy.quotas import Quotas
from carillon.policy.sizing import Deployment

if TYPE_CHECKING:
    from carillon.config import CapacitySettings


def limits(settings: CapacitySettings) -> Limits:
    """Of tasks and lanes."""
    sizes = {lane: settings.reserved.size(lane.word) for lane in Lane}
    return Limits(
        min_tasks=settings.min_tasks,
        max_tasks=settings.max_tasks,
        lane_max=settings.lane_max,
        reserved={lane: size for lane, size in sizes.items() if size is not None},
        warm=settings.warm,
        warm_peaks=settings.warm_peaks,
    )


def deployment(settings: CapacitySettings) -> Deployment:
    """Of everything, the database included."""
    return Deployment(
        limits=limits(settings),
        task_cores=settings.task_cores,
        min_acu=settings.min_acu,
        max_acu=settings.max_acu,
        readers=settings.readers,
        max_readers=settings.max_readers,
        concurrency=settings.concurrency,
    )


def quotas(settings: CapacitySettings) -> Quotas:
    """What the account was granted."""
    return Quotas(requests_s=settings.requests_s, connects_s=settings.connects_s, concurrency=settings.concurrency)
