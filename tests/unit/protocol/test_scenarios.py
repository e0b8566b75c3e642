"""The Python session passes the scenario file that the JavaScript session passes too."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.protocol.scenario_steps import SCENARIOS, counted, make, perform


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario["name"] for scenario in SCENARIOS])
def test_python_session_passes(scenario: dict[str, Any]) -> None:
    session = make(scenario)
    for number, step in enumerate(scenario["steps"]):
        where = f"step {number}: {step['do']} at {step['at']}"
        assert perform(session, step) == step["expect"], where
        if "due" in step:
            assert session.next_due == step["due"], where
    assert session.position == scenario["position"]
    assert counted(session) == scenario["statistics"]


def test_every_scenario_has_a_name_of_its_own_and_says_why() -> None:
    assert len({scenario["name"] for scenario in SCENARIOS}) == len(SCENARIOS)
    assert all(len(scenario["why"]) > 20 for scenario in SCENARIOS)
