"""The reactive scaler as AWS calls it: settings from its environment, AWS by moto, a log in memory or none at all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.sqs.models import sqs_backends

from carillon import wiring
from carillon.config import CapacitySettings, LaneSizes, LaneUrls, PlanSettings, StoreSettings, environment
from carillon.errors import ScalingError
from carillon.model import Lane
from carillon.names import Metric
from carillon.policy import profiles
from carillon.policy.lanes import LANES
from carillon.testing.scaling import MemoryScalingLog
from lambdas.react import handler
from tests.unit.adapters.deployed_aws import ACCOUNT, REGION, SETTINGS, answer, aws, throttled, warm_consumers

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["aws"]
CONTEXT = SimpleNamespace(
    function_name="react",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:r:1:function:react:live",
    aws_request_id="1",
)
MESSAGES = 1_210
REST = {f"consume-{lane.word}:live": LANES[lane].concurrency for lane in Lane}


@pytest.fixture
def queues(aws: None) -> dict[str, str]:
    sqs: Any = boto3.client("sqs", region_name=REGION)
    return {
        lane.word: sqs.create_queue(
            QueueName=f"{lane.word}.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        )["QueueUrl"]
        for lane in Lane
    }


@pytest.fixture
def ordered(queues: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """What stands warm, by function; in a season that never ends, so that no test depends on the day."""
    always = replace(profiles.PROFILES["broadcast"], months=dict.fromkeys(range(1, 13), 2.0))
    monkeypatch.setattr("carillon.policy.season.PROFILES", {"always": always})
    settings = {
        **environment(
            StoreSettings,
            database_url="postgresql://nobody@127.0.0.1:1/none",
            database_timeout_s="0.1",
            valkey_url="valkey://127.0.0.1:1",
            queue_urls=LaneUrls.of(queues),
            region=REGION,
        ),
        **environment(PlanSettings, service=SETTINGS.service, functions=SETTINGS.functions),
        **environment(
            CapacitySettings,
            season="always",
            warm="true",
            reserved=LaneSizes.of({lane.word: "50" for lane in Lane}),
        ),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    cached = (
        *(wiring.stores, wiring.database, wiring.metrics, wiring.scaling_log),
        *(wiring.capacity_settings, wiring.reactor),
    )
    for one in cached:
        one.cache_clear()
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_given: 0)
    database = wiring.database()
    found = warm_consumers(clients().scaling._lambda)
    found.update(REST)
    yield found
    database.close()
    for one in cached:
        one.cache_clear()


@pytest.fixture
def log(ordered: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> MemoryScalingLog:
    """In place of the database, which is away."""
    kept = MemoryScalingLog()
    ports = replace(wiring.reactor(), log=kept)
    monkeypatch.setattr(wiring, "reactor", lambda: ports)
    return kept


@pytest.fixture
def full(queues: dict[str, str]) -> None:
    """More than a thousand messages wait in the normal lane.

    It is one, as often as that: moto takes a minute to send so many into a FIFO queue.
    """
    boto3.client("sqs", region_name=REGION).send_message(
        QueueUrl=queues["normal"], MessageBody="{}", MessageGroupId="wedding:W1"
    )
    waiting = sqs_backends[ACCOUNT][REGION].queues["normal.fifo"]._messages
    waiting.extend(waiting * (MESSAGES - 1))


def clients() -> Any:
    return wiring.reactor()


def call(**event: Any) -> dict[str, Any]:
    return handler(event, CONTEXT)  # type: ignore[arg-type]


def test_a_full_lane_has_twice_as_many_consumers_warm_and_it_is_logged_kept_and_counted(
    ordered: dict[str, int],
    log: MemoryScalingLog,
    full: None,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answered = call(cause="EveryMinute")
    assert ordered == REST | {"consume-normal:live": 8}
    (made,) = answered["decisions"]
    assert made["reason"] == "1,210 messages are queued, more than 1,000 (in season): doubled"
    (logged,) = [vars(one) for one in caplog.records if one.message == "capacity"]
    assert {name: logged[name] for name in made} == made
    (kept,) = log.events
    assert (kept.scaling_group, kept.action, kept.trigger_value) == ("provisioned.normal", "scale_up", MESSAGES)
    assert Metric.CAPACITY_CHANGED in capsys.readouterr().out
    assert call()["left"]["provisioned.normal"].endswith("cooling down for 0:03:00")
    assert ordered["consume-normal:live"] == 8


def test_the_minimum_stays_the_plans(ordered: dict[str, int], log: MemoryScalingLog, full: None) -> None:
    call()
    assert ordered["consume-normal:live"] == 8
    scaling: Any = boto3.client("application-autoscaling", region_name=REGION)
    targets = scaling.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"]
    assert {(target["MinCapacity"], target["MaxCapacity"]) for target in targets} == {(0, 50)}


def test_idle_consumers_above_the_plan_are_halved(ordered: dict[str, int], log: MemoryScalingLog) -> None:
    """CloudWatch has no data of a consumer without calls, which is what idle looks like."""
    ordered["consume-high:live"] = 40
    (made,) = call()["decisions"]
    assert (made["action"], made["previous"], made["new"]) == ("scale_down", 40, 20)
    assert ordered == REST | {"consume-high:live": 20}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    ordered: dict[str, int], log: MemoryScalingLog, full: None
) -> None:
    answered = call(dry_run=True)
    assert [(one["group"], one["new"]) for one in answered["decisions"]] == [("provisioned.normal", 8)]
    assert answered["left"]["provisioned.low"] == "0% are in use, less than 40%; 2 is what the plan asks for"
    assert (ordered, log.events) == (REST, [])


def test_without_the_database_nothing_is_changed_and_it_says_so(
    ordered: dict[str, int], full: None, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = call()
    assert ordered == REST
    assert (answered["decisions"], answered["log"]) == ([], "away")
    assert "the scaling log is away" in caplog.messages
    assert Metric.CAPACITY_CHANGED not in capsys.readouterr().out


def test_what_aws_refuses_fails_the_call_after_the_other_lanes_had_theirs(
    ordered: dict[str, int], log: MemoryScalingLog, full: None, caplog: pytest.LogCaptureFixture
) -> None:
    ordered["consume-low:live"] = 40
    answer(clients().scaling._lambda, "PutProvisionedConcurrencyConfig", *throttled(4))
    with pytest.raises(ScalingError, match=r"1 reactions to load failed: provisioned\.normal: .*Rate exceeded"):
        call()
    assert ordered == REST | {"consume-low:live": 20}
    failures = {vars(one)["group"]: vars(one)["failure"] for one in caplog.records if one.message == "capacity"}
    assert failures["provisioned.low"] == ""
    assert "Rate exceeded" in failures["provisioned.normal"]


def test_without_cloudwatch_nothing_is_changed_and_the_call_fails(
    ordered: dict[str, int], log: MemoryScalingLog, full: None
) -> None:
    answer(clients().watch._cloudwatch, "GetMetricData", *throttled(4))
    with pytest.raises(ScalingError, match="1 reactions to load failed: the lanes"):
        call()
    assert (ordered, log.events) == (REST, [])
