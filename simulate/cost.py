"""What a run costs in dollars: the capacity that stood, and what was used of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulate.figures import figure, price

if TYPE_CHECKING:
    from simulate.capacity import Capacity
    from simulate.clock import Clock
    from simulate.load import Load

ARCHITECTURE: Final = ("ARM64", "arm64")
MILLION: Final = 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """In USD.

    Args:
        tasks: of the API.
        warm: provisioned consumers.
        database: the writer and its readers.
        usage: what everybody pays alike: sockets, frames, calls, queues.
    """

    tasks: float
    warm: float
    database: float
    usage: float

    @property
    def usd(self) -> float:
        """In all."""
        return self.tasks + self.warm + self.database + self.usage


def of(clock: Clock, capacity: Capacity, load: Load) -> Cost:
    """Price a run; a reader is as large as it is at rest."""
    hours = clock.bucket_s / 3600
    task_hour = figure("task_cores") * price("fargate_vcpu_hour", ARCHITECTURE[0])
    task_hour += figure("task_gb") * price("fargate_gb_hour", ARCHITECTURE[0])
    warm_hour = 3600 * figure("memory_gb") * price("lambda_provisioned_gb_second", ARCHITECTURE[1])
    acus = capacity.acu + capacity.readers * figure("min_acu")
    return Cost(
        float(capacity.tasks.sum()) * hours * task_hour,
        float(capacity.warm.sum()) * hours * warm_hour,
        float(acus.sum()) * hours * price("aurora_acu_hour"),
        _usage(clock, load),
    )


def at_the_most(clock: Clock, capacity: Capacity, load: Load) -> float:
    """What it would cost to keep the most of everything standing all the time, in USD."""
    ones = np.ones(clock.count)
    always = type(capacity)(
        capacity.tasks.max() * ones,
        capacity.warm.max(axis=1, keepdims=True) * ones,
        capacity.acu.max() * ones,
        capacity.readers.max() * ones,
        None,
    )
    return of(clock, always, load).usd


def _usage(clock: Clock, load: Load) -> float:
    seconds = clock.bucket_s
    posts, frames = float(load.posts_s.sum()) * seconds, float(load.frames_s.sum()) * seconds
    messages, minutes = float(load.messages_s.sum()) * seconds, float(load.connections.sum()) * seconds / 60
    pings = float(load.connections.sum()) * seconds / figure("ping_s")
    gb_seconds = float(load.busy.sum()) * seconds * figure("memory_gb") + (frames - pings) * figure("frame_gb_s")
    # A ping is answered, by API Gateway itself.
    sockets = (posts + frames + pings) * price("websocket_message_million") + minutes * price(
        "websocket_minute_million"
    )
    calls = (messages + frames - pings) * price("lambda_request_million")
    queues = 3 * messages * price("sqs_fifo_million")
    return (sockets + calls + queues) / MILLION + gb_seconds * price("lambda_gb_second", ARCHITECTURE[1])
