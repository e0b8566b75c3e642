"""The run's steps: one line each as it goes, and one time limit for all."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from local.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Steps:
    """Times each step, says so, and tells how much time is left.

    Args:
        within_s: the whole run's time.
        say: gets one line per step.
    """

    def __init__(self, within_s: float, say: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._within_s = within_s
        self._began = time.monotonic()
        self._say = say

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside; on an exception the step is said to have failed."""
        began = time.monotonic()
        outcome = "FAILED"
        try:
            yield
            outcome = "done"
        finally:
            self.seconds[name] = round(time.monotonic() - began, 2)
            self._say(f"{self.passed_s:6.1f} s  {name}: {outcome} in {self.seconds[name]:.1f} s")

    @property
    def passed_s(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began

    @property
    def left_s(self) -> float:
        """Of the run's time.

        Raises:
            NotReadyError: it is over.
        """
        left = self._within_s - self.passed_s
        if left <= 0:
            raise NotReadyError(f"the run took longer than its {self._within_s:g} s.")
        return left
