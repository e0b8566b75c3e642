"""Waits on conditions, with a deadline and an answer to "what was it then?" when it passes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOK_EVERY_S = 0.02


def until(
    condition: Callable[[], object], what: str, *, timeout_s: float = 30, seen: Callable[[], object] = str
) -> None:
    """Wait until `condition` holds.

    Args:
        condition: Looked at fifty times a second.
        what: Finishes the sentence "waited N s for".
        timeout_s: The deadline.
        seen: Told when it passes, such as what is there instead.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s for {what}, in vain. {seen()}")
        time.sleep(LOOK_EVERY_S)


def ticks(seconds: float, *, every_s: float) -> Iterator[int]:
    """Number the moments of a span that is itself what a test is about: an outage, a soak."""
    began = time.monotonic()
    number = 0
    while (now := time.monotonic()) < began + seconds:
        yield number
        number += 1
        time.sleep(max(0.0, began + number * every_s - now))
