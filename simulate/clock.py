"""The pretend clock: equal buckets from a first moment on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simulate.weddings import Floats, Ints


@dataclass(frozen=True, slots=True)
class Clock:
    """Buckets of time.

    Args:
        start_s: the first one's first moment, seconds since the epoch; a whole hour.
        bucket_s: length of each.
        count: how many.
    """

    start_s: float
    bucket_s: float
    count: int

    @property
    def end_s(self) -> float:
        """After the last one."""
        return self.start_s + self.count * self.bucket_s

    @property
    def start(self) -> datetime:
        """The first moment, in UTC."""
        return datetime.fromtimestamp(self.start_s, UTC)

    @property
    def hours(self) -> float:
        """In all."""
        return self.count * self.bucket_s / 3600

    def per(self, seconds: float) -> int:
        """Buckets in so many seconds, one at least."""
        return max(1, round(seconds / self.bucket_s))

    def index(self, at: Floats) -> Ints:
        """The bucket of each moment; what lies outside counts to the first or the last."""
        found: Ints = ((at - self.start_s) // self.bucket_s).astype(np.int64).clip(0, self.count - 1)
        return found

    def count_at(self, at: Floats, weights: Floats | None = None) -> Floats:
        """How many of the moments lie in each bucket, or the sum of their weights."""
        counted = np.bincount(self.index(at), weights=weights, minlength=self.count)
        return counted.astype(np.float64)

    def edges(self) -> Floats:
        """When each bucket begins."""
        return self.start_s + self.bucket_s * np.arange(self.count, dtype=np.float64)

    def coarse(self, values: Floats, seconds: float) -> Floats:
        """Means over so many seconds; a rest at the end is left out."""
        step = self.per(seconds)
        whole = len(values) // step * step
        return np.asarray(values[:whole].reshape(-1, step).mean(axis=1), dtype=np.float64)
