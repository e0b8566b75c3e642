"""Finds the highest rate that a machine sustains: doubling until it fails, then halving the interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadtest.running import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.teams import Run

STEP_S = 10.0
KEPT_UP = 0.95
LATE_MS = 1_000.0
DRAINED_S = 1.0
DOUBLINGS = 10
HALVINGS = 3
TRIES = 2
"""A rate has failed when it failed twice: something else may have run on this machine meanwhile."""


def sustained(figures: dict[str, Any], rate: float) -> bool:
    """Whether a step kept up: its rate was achieved, nothing was lost or refused, and no backlog grew."""
    return bool(
        figures["achieved_per_s"] >= KEPT_UP * rate
        and not figures["refused"]
        and not figures["lost"]
        and figures["drained_s"] <= DRAINED_S
        and figures["accepted_to_received_ms"]["p95"] <= LATE_MS
    )


def highest(measure: Callable[[float, float], Run], start: float) -> tuple[float, Run, list[dict[str, Any]]]:
    """The highest sustained rate, its run, and all steps.

    Args:
        measure: Runs at a rate (per second) for some seconds.
        start: The first rate.

    Raises:
        SystemExit: Not even the first rate was sustained.
    """
    steps: list[dict[str, Any]] = []
    best: tuple[float, Run] | None = None
    failed = 0.0

    def step(rate: float) -> bool:
        nonlocal best, failed
        for _ in range(TRIES):
            one = measure(rate, STEP_S)
            good = sustained(one.figures, rate)
            say(f"{rate:g} a second: {'sustained' if good else 'not sustained'}")
            steps.append(_line(rate, one.figures) | {"sustained": good})
            if good:
                best = (rate, one)
                return True
        failed = rate
        return False

    rate = start
    for _ in range(DOUBLINGS):
        if not step(rate):
            break
        rate *= 2
    if best is None:
        raise SystemExit(f"this machine does not sustain {start:g} broadcasts a second: {steps}")
    for _ in range(HALVINGS if failed else 0):
        step((best[0] + failed) / 2)
    return best[0], best[1], steps


def _line(rate: float, figures: dict[str, Any]) -> dict[str, Any]:
    received = figures["accepted_to_received_ms"]
    return {
        "rate": rate,
        "achieved_per_s": figures["achieved_per_s"],
        "first_post_p95_ms": figures["accepted_to_first_post_ms"]["p95"],
        "received_p95_ms": received["p95"],
        "drained_s": figures["drained_s"],
        "cpu_cores": figures["cpu_cores"],
        "lost": figures["lost"],
    }
