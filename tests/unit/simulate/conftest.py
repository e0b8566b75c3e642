"""One small run for all that look at a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulate import outcome, run
from simulate.scenarios import SCENARIOS

if TYPE_CHECKING:
    from simulate.run import Run

SEED = 3


@pytest.fixture(scope="session")
def spiked() -> Run:
    """Three hundred weddings on the June Saturday on which everybody sends ten times as much within a minute."""
    scenario = SCENARIOS["spike"]
    return run.play(scenario, SEED, run.draw(scenario, SEED, 300))


@pytest.fixture(scope="session")
def told(spiked: Run) -> dict[str, Any]:
    return outcome.document(spiked)
