"""What reacts to load above what was ordered ahead: the real rules, and target tracking as the stacks deploy it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from carillon.model import Lane
from carillon.policy.capacity import TASKS, Kind, Knob
from carillon.policy.reactive import bounds, decide
from carillon.policy.thresholds import Mode, Observation, State, mode_at
from simulate.figures import figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from carillon.policy.profiles import Profile
    from carillon.policy.sizing import Deployment
    from simulate.clock import Clock
    from simulate.load import Load
    from simulate.weddings import Floats

LOOK_S: Final = 180.0
"""How often the rules look: no rule adds twice within three minutes."""


def rolling(values: Floats, width: int, better: np.ufunc) -> Floats:
    """The least or most of the last `width` buckets, by doubling."""
    made, reach = values.copy(), 1
    while reach < width:
        step = min(reach, width - reach)
        made[step:] = better(made[step:], made[:-step])
        reach += step
    return made


def tracked(clock: Clock, wanted: Floats) -> Floats:
    """Target tracking: out after three minutes above the target, in after a quarter of an hour below it."""
    sustained = rolling(wanted, clock.per(figure("alarm_s")), np.minimum)
    return rolling(sustained, clock.per(figure("scale_in_s")), np.maximum)


class Rules:
    """The policy's reactive rules over a whole run.

    Args:
        clock: the buckets.
        load: what is seen.
        deployment: rest and caps.
        profile: of the season, for the mode.
        zone: in which its months are meant.
    """

    def __init__(self, clock: Clock, load: Load, deployment: Deployment, profile: Profile, zone: ZoneInfo) -> None:
        self._clock, self._load, self._deployment = clock, load, deployment
        looks = -(-clock.count // clock.per(LOOK_S))
        self._when = [clock.start + number * timedelta(seconds=LOOK_S) for number in range(looks)]
        self._modes: Sequence[Mode] = [mode_at(profile, when, zone) for when in self._when]
        self._connections = self._seen(load.connections)

    def tasks(self, planned: Floats) -> Floats:
        """API tasks by bucket, where so many are planned."""
        return self._decided(TASKS, self._load.api_cores / figure("task_cores"), planned)

    def warm(self, planned: Floats) -> Floats:
        """Warm consumers by lane and bucket, likewise."""
        return np.stack(
            [self._decided(Knob(Kind.PROVISIONED, lane), self._load.busy[lane], planned[lane]) for lane in Lane]
        )

    def _seen(self, row: Floats) -> list[float]:
        """The most since the look before; at the first one nothing was seen."""
        return [0.0, *self._looks(row)[:-1]]

    def _looks(self, row: Floats) -> list[float]:
        """The most from each look to the next."""
        step = self._clock.per(LOOK_S)
        padded = np.concatenate([row, np.full(-len(row) % step, row[-1])])
        most: list[float] = padded.reshape(-1, step).max(axis=1).tolist()
        return most

    def _decided(self, knob: Knob, asked: Floats, planned: Floats) -> Floats:
        """Sizes as the rules leave them; queues are left out, which only long overload fills."""
        ordered = self._looks(planned)
        limits = {size: bounds(knob, self._deployment, size) for size in set(ordered)}
        state, sizes = State(ordered[0]), []
        looks = zip(self._when, self._modes, self._connections, self._seen(asked), ordered, strict=True)
        for now, mode, connections, busy, size in looks:
            in_use = min(1.0, busy / max(1.0, state.size))
            seen = Observation(connections=connections, in_use=in_use)
            state = decide(knob, state, seen, now, mode, limits[size]).state
            sizes.append(state.size)
        made: Floats = np.repeat(np.array(sizes), self._clock.per(LOOK_S))[: self._clock.count]
        return made
