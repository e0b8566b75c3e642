"""The planner on one machine: a wedding that is stored over HTTP is planned for at once, on paper, and says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from carillon.config import CapacitySettings, LaneSizes
from carillon.names import Scope
from carillon.policy.capacity import TASKS, Kind, Knob
from carillon.policy.sizing import MOST_ACU
from local.issuer import Issuer
from local.planner import at_rest
from local.processes import wait_until
from local.system import System

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime.now(UTC)
MOST = 4
"""ACU of the stage `dev`, which the local run is wired as: a wedding of 10,000 connections needs all of them."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with System.running(tmp_path_factory.mktemp("a planner") / "data") as system:
        token = Issuer(system.folder / "issuer").token("ops", [Scope.OPS_READ, Scope.DIRECTORY_WRITE])
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=system.api_url, headers=headers, timeout=10) as client:
            yield client


def put(api: httpx.Client, begins: datetime, status: str = "confirmed") -> None:
    """A wedding of 10,000 connections."""
    body = {
        "name": "Ann & Bo",
        "starts_at": begins.isoformat(),
        "time_zone": "Europe/Lisbon",
        "status": status,
        "guests": 100_000,
    }
    api.put("/v1/weddings/W1", json=body).raise_for_status()


def decided(api: httpx.Client) -> list[dict[str, Any]]:
    """What was decided on the database's capacity, the newest first; the season is not what is looked for."""
    found = api.get("/v1/ops/capacity").raise_for_status().json()["decisions"]
    return [one for one in found if one["group"] == "database.least_acu" and max(one["size"], one["previous"]) == MOST]


def test_a_wedding_tonight_is_decided_on_at_once_and_its_cancellation_too(api: httpx.Client) -> None:
    put(api, NOW + timedelta(hours=1))
    wait_until(lambda: len(decided(api)) == 1, timeout_s=20, what="the planner to raise for the wedding")
    (raised,) = decided(api)
    assert (raised["action"], raised["trigger"], raised["failure"]) == ("raise", "plan", None)
    assert raised["size"] == MOST > raised["previous"]
    put(api, NOW + timedelta(hours=1), "canceled")
    wait_until(lambda: len(decided(api)) == 2, timeout_s=20, what="the planner to lower after the cancellation")
    assert decided(api)[0]["action"] == "lower"
    assert decided(api)[0]["size"] == raised["previous"]


def test_all_that_is_planned_can_be_turned_on_paper_but_the_databases_ceiling() -> None:
    settings = CapacitySettings(warm_peaks=True, max_readers=3, reserved=LaneSizes("critical=50"))
    scaling = at_rest(settings)
    assert {Knob(Kind.LEAST_ACU), Knob(Kind.READERS), TASKS} < set(scaling.knobs)
    assert MOST_ACU not in scaling.knobs
    assert scaling.knobs[TASKS].most == settings.max_tasks
    assert all(present.size == present.in_force for present in scaling.knobs.values())
