"""One running system for all fault tests; each test has weddings of its own and leaves the system whole."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.system import System
from tests.integration.faults.phones import Fleet
from tests.integration.faults.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def running() -> Iterator[tuple[System, Fleet]]:
    with pytest.MonkeyPatch.context() as environment, tempfile.TemporaryDirectory(prefix="cf-") as folder:
        # Phones come and go by the hundred here; the limit per person has tests of its own.
        environment.setenv("CARILLON_CONNECTS_PER_MINUTE", "100000")
        with System.running(Path(folder) / "data", gateway_faults=True) as system, Fleet(system) as fleet:
            yield system, fleet


@pytest.fixture
def stage(running: tuple[System, Fleet]) -> Iterator[Stage]:
    stage = Stage(*running)
    yield stage
    try:
        stage.heal()
        stage.gateway_faults()
        stage.fleet.send_home()
    finally:
        stage.close()
