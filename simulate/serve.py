"""A lane's consumers at work: every message waits for one of them, behind the messages of its own wedding.

Warm environments take a message at once. Where all are busy and the lane may have more, a new one starts cold; it stays
for some minutes. Where it may not, messages wait. One wedding's messages are handled one after the other, as the queue
does by its message groups.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Final

import numpy as np

from simulate.figures import figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulate.weddings import Flags, Floats, Ints

RARE: Final = 1e-5
"""Chance that all consumers are busy below which single messages are not followed: nothing would wait."""


def busy_times(asked: Floats, warm: Floats) -> Flags:
    """Buckets in which single messages matter: in which somebody may have to wait for a consumer.

    A bound of Chernoff's on so many at once, with twice the load, for arrivals are no even stream.
    """
    load, servers = 2 * asked, np.maximum(warm, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = servers * np.log(servers / load) - servers + load
    made: Flags = (load > 0) & ((load >= servers) | (np.exp(-exponent) > RARE))
    return made


def waits(at: Floats, busy: Floats, wedding: Ints, bucket: Ints, warm: Floats, most: int | None) -> tuple[Floats, int]:
    """How long each message waits until a consumer takes it, a cold start included; and how many started cold.

    Args:
        at: when messages come to the lane, in order.
        busy: how long each occupies a consumer, seconds.
        wedding: its message group.
        bucket: of the clock.
        warm: warm consumers by bucket.
        most: consumers with cold ones; None where there are none.
    """
    lane = _Lane(int(warm[bucket[0]]) if len(bucket) else 0, most)
    sizes = warm.astype(np.int64).tolist()
    ends: dict[int, float] = {}
    found, now_in = [], -1
    for moment, takes, group, place in zip(at.tolist(), busy.tolist(), wedding.tolist(), bucket.tolist(), strict=True):
        if place != now_in:
            now_in = place
            lane.resize(sizes[place], moment)
        ready = max(moment, ends.get(group, 0.0))
        begins = lane.take(ready, takes)
        ends[group] = begins + takes
        found.append(begins - moment)
    return np.array(found), lane.cold_starts


class _Lane:
    """Warm consumers as a heap of when each is free, cold ones as a list of the same."""

    def __init__(self, warm: int, most: int | None) -> None:
        self._warm: list[float] = [0.0] * warm
        self._cold: list[float] = []
        self._most = most
        self._start_s = (figure("cold_start_ms") + figure("environment_ms")) / 1000
        self._idle_s = figure("environment_idle_s")
        self.cold_starts = 0

    def resize(self, warm: int, now: float) -> None:
        while len(self._warm) < warm:
            heappush(self._warm, now)
        if len(self._warm) > warm:
            kept: Sequence[float] = sorted(self._warm, reverse=True)[:warm]
            self._warm = list(kept)
            heapify(self._warm)
        self._cold = [free for free in self._cold if free > now - self._idle_s]

    def take(self, ready: float, takes: float) -> float:
        """When the message begins."""
        if self._warm and self._warm[0] <= ready:
            heapreplace(self._warm, ready + takes)
            return ready
        for place, free in enumerate(self._cold):
            if free <= ready < free + self._idle_s:
                self._cold[place] = ready + takes
                return ready
        return self._wait(ready, takes)

    def _wait(self, ready: float, takes: float) -> float:
        """A new environment, or whoever is free first."""
        soonest = self._warm[0] if self._warm else np.inf
        started = ready + self._start_s
        if self._most is not None and len(self._warm) + len(self._cold) < self._most:
            self.cold_starts += 1
            self._cold.append(started + takes)
            return float(started)
        nearest = min(self._cold, default=np.inf)
        begins = max(ready, min(soonest, nearest))
        if soonest <= nearest:
            heappop(self._warm)
            heappush(self._warm, begins + takes)
        else:
            self._cold[self._cold.index(nearest)] = begins + takes
        return float(begins)
