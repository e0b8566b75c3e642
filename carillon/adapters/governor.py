"""The callback governor: one budget for all processes, in Valkey, leased in blocks; a fixed local split without it.

Not thread-safe: one per worker, like the poster it feeds.
"""

from __future__ import annotations

import hashlib
import logging
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from valkey.exceptions import NoScriptError, ValkeyError

from carillon.model import Lane
from carillon.policy.governor import LEAST_PAUSE_S, Budget, draw, full
from carillon.ports import Governor, Lease, Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from carillon.config import CallbackSettings

logger: Final = logging.getLogger(__name__)

KEY: Final = "carillon:{callbacks}:budget"
BLOCK_LIFE_S: Final = 1.0
"""A block is for now: tokens kept longer would add to the next second's."""
PROBE_EVERY_S: Final = 1.0
"""While Valkey is away it is asked this often; every other lease is answered here, without a wait."""
_BLOCK_RATE_S: Final = 0.01
_LARGEST_BLOCK: Final = 200
_SCRIPT: Final = files("carillon.adapters").joinpath("governor.lua").read_text()
_SCRIPT_ID: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class ValkeyGovernor(Governor):
    """Shares the account's budget of callbacks between all processes.

    A block (10 ms of the whole rate, at most 200 posts) is leased from Valkey and handed out from here, so that one
    round trip pays for many posts. While Valkey is away each process takes its fixed share of what the lesser lanes
    may have (`1 / local_split`), and critical is not held back at all.

    Args:
        client: a `valkey.Valkey` or `valkey.ValkeyCluster` with a short timeout.
        settings: the quota, the reserve and the split.
        clock: monotonic seconds.
    """

    def __init__(self, client: Any, settings: CallbackSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._budget = Budget(settings.rate, settings.burst, settings.reserve)
        share = (1 - settings.reserve) / settings.local_split
        self._local_budget = Budget(settings.rate * share, max(1.0, settings.burst * share), 0.0)
        self._local = full(self._local_budget, clock())
        self._probe_at: float | None = None
        self.block = max(1, min(_LARGEST_BLOCK, int(settings.rate * _BLOCK_RATE_S)))
        self._rates = {lane: _LaneRate(self, lane, clock) for lane in Lane}

    def rate(self, lane: Lane) -> Rate:
        """The budget as this lane sees it; the same object every time, with its block."""
        return self._rates[lane]

    def draw(self, lane: Lane, want: int) -> Lease:
        """Take up to `want` posts from the shared budget, or from the local split while Valkey is away."""
        now = self._clock()
        if self._probe_at is not None and now < self._probe_at:
            return self._draw_locally(lane, want, now)
        try:
            granted, retry_after_s = self._draw_shared(lane, want)
        except (ValkeyError, OSError) as error:
            self._lost(error)
            return self._draw_locally(lane, want, self._clock())
        self._found()
        return Lease(granted, retry_after_s)

    def _draw_shared(self, lane: Lane, want: int) -> tuple[int, float]:
        budget = self._budget
        arguments = (1, KEY, budget.rate, budget.burst, budget.reserve, int(lane is Lane.CRITICAL), want)
        try:
            granted, retry_after_s, _ = self._client.evalsha(_SCRIPT_ID, *arguments)
        except NoScriptError:  # a new or emptied Valkey: EVAL also keeps the script for the next time
            granted, retry_after_s, _ = self._client.eval(_SCRIPT, *arguments)
        return int(granted), float(retry_after_s)

    def _draw_locally(self, lane: Lane, want: int, now: float) -> Lease:
        if lane is Lane.CRITICAL:
            return Lease(want, 0.0)
        self._local, granted, retry_after_s = draw(self._local_budget, self._local, now, lane, want)
        return Lease(granted, retry_after_s)

    def _lost(self, error: Exception) -> None:
        if self._probe_at is None:
            logger.warning("callback budget: Valkey is away (%s), each process keeps to its fixed share", error)
        self._probe_at = self._clock() + PROBE_EVERY_S

    def _found(self) -> None:
        if self._probe_at is not None:
            logger.warning("callback budget: Valkey is back, the budget is shared again")
        self._probe_at = None


class _LaneRate:
    """One lane's block: what is left of it, until when it is good, and when to ask again after a short answer."""

    def __init__(self, governor: ValkeyGovernor, lane: Lane, clock: Callable[[], float]) -> None:
        self._governor = governor
        self._lane = lane
        self._clock = clock
        self._left = 0
        self._good_until = 0.0
        self._dry_until = 0.0

    def lease(self, want: int) -> Lease:
        """Take up to `want` posts from the block, from a new one when it is used up."""
        now = self._clock()
        if now >= self._good_until:
            self._left = 0
        if not self._left:
            if now < self._dry_until:
                return Lease(0, self._dry_until - now)
            self._refill(max(want, self._governor.block), now)
        granted = min(want, self._left)
        self._left -= granted
        return Lease(granted, 0.0 if granted else self._dry_until - now)

    def _refill(self, ask: int, now: float) -> None:
        got = self._governor.draw(self._lane, ask)
        self._left = got.granted
        self._good_until = now + BLOCK_LIFE_S
        # Less than asked means that the bucket is at its bottom: let it fill a little instead of asking for each drop.
        self._dry_until = now + max(got.retry_after_s, LEAST_PAUSE_S) if got.granted < ask else 0.0
