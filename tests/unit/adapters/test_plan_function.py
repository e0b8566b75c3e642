"""The planner function as AWS calls it: settings from its environment, AWS by moto, and a database that is away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from carillon import wiring
from carillon.config import CapacitySettings, LaneSizes, PlanSettings, StoreSettings, environment
from carillon.errors import ScalingError
from carillon.model import Lane
from carillon.names import Metric
from lambdas.plan import handler
from tests.unit.adapters.deployed_aws import REGION, SETTINGS, aws

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["aws"]
CONTEXT = SimpleNamespace(
    function_name="plan", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:r:1:function:plan:live"
)
CONTEXT.aws_request_id = "1"
TASKS = 5


@pytest.fixture
def function(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Five tasks at rest and at most, so that no test depends on the day on which it runs."""
    settings = {
        **environment(
            StoreSettings,
            database_url="postgresql://nobody@127.0.0.1:1/none",
            database_timeout_s="0.1",
            valkey_url="valkey://127.0.0.1:1",
            region=REGION,
        ),
        **environment(PlanSettings, service=SETTINGS.service, functions=SETTINGS.functions),
        **environment(
            CapacitySettings,
            time_zone="America/New_York",
            min_tasks=str(TASKS),
            max_tasks=str(TASKS),
            reserved=LaneSizes.of({lane.word: "40" for lane in Lane}),
        ),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    cached = (
        *(wiring.stores, wiring.database, wiring.metrics, wiring.calendar, wiring.scaling_log),
        *(wiring.capacity_settings, wiring.planner, wiring.valkey),
    )
    for one in cached:
        one.cache_clear()
    yield
    wiring.database().close()
    for one in cached:
        one.cache_clear()


def call(**event: Any) -> dict[str, Any]:
    return handler(event, CONTEXT)  # type: ignore[arg-type]


def tasks() -> int:
    found = boto3.client("application-autoscaling", region_name=REGION).describe_scalable_targets(
        ServiceNamespace="ecs"
    )
    return int(found["ScalableTargets"][0]["MinCapacity"])


def test_capacity_is_set_though_the_database_is_away_and_it_says_so(
    function: None, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = call(cause="Reconcile")
    assert tasks() == TASKS
    assert (answered["calendar"], answered["recorded"]) == ("away", False)
    assert [one for one in caplog.messages if one.startswith("the wedding calendar is away")]
    written = capsys.readouterr().out
    assert Metric.CALENDAR_AWAY in written
    assert Metric.WEDDINGS_TODAY not in written
    groups = {action["group"] for action in answered["actions"]}
    assert groups == {"tasks", *(f"reserved.{lane.word}" for lane in Lane)}
    logged = [(vars(one)["group"], vars(one)["reason"]) for one in caplog.records if one.message == "capacity"]
    assert logged == [(action["group"], action["reason"]) for action in answered["actions"]]


def test_a_dry_run_tells_of_another_moment_and_changes_nothing(function: None) -> None:
    answered = call(dry_run=True, at="2027-06-05T17:30:00-04:00")
    assert (answered["peak"], answered["dry_run"]) == ("June", True)
    assert tasks() == 3
    assert call(dry_run=True, at="2027-06-05T17:29:59-04:00")["peak"] == ""


def test_a_change_that_fails_fails_the_call_after_the_others_were_made(function: None) -> None:
    """Lambda then calls again, and in the end leaves it in the dead-letter queue."""
    boto3.client("lambda", region_name=REGION).delete_function(FunctionName="consume-low")
    with pytest.raises(ScalingError, match=r"1 changes of capacity failed: reserved\.low"):
        call()
    assert tasks() == TASKS


def test_a_call_at_an_exact_time_raises_what_it_carries_though_the_database_is_away(function: None) -> None:
    answered = call(cause="W1 begins at 14:00 Europe/Rome", sizes={"reserved.low": 45, "tasks": 1})
    assert next(one["new"] for one in answered["actions"] if one["group"] == "reserved.low") == 45
    assert tasks() == TASKS
