"""The planner's calls to AWS against moto, and what becomes of throttling, refusals and partial failures."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from carillon.adapters.scaling import AwsScaling
from carillon.config import LaneUrls, PlanSettings
from carillon.errors import ScalingError
from carillon.model import Lane
from carillon.policy.capacity import TASKS, Action, Kind, Knob, Present, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "us-east-1"
SETTINGS = PlanSettings(
    time_zone="UTC",
    service="main/api",
    functions=LaneUrls.of({lane.word: f"consume-{lane.word}:live" for lane in Lane}),
)
CRITICAL = Knob(Kind.RESERVED, Lane.CRITICAL)
WARM = Knob(Kind.PROVISIONED, Lane.LOW)
PROVISIONED_PATH = "/functions/consume-low/provisioned-concurrency"


def raised(knob: Knob, new: int, most: int | None = None) -> Step:
    return Step(knob, Action.RAISE, None, new, "test", most)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("MOTO_LAMBDA_CONCURRENCY_QUOTA", "300")
    with mock_aws():
        _deploy()
        yield


def _deploy() -> None:
    """What the stacks leave behind: a service and its scalable target, four consumers and theirs."""
    ecs = boto3.client("ecs", region_name=REGION)
    ecs.create_cluster(clusterName="main")
    task = ecs.register_task_definition(family="api", containerDefinitions=[{"name": "api", "image": "x", "memory": 8}])
    definition = task["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(cluster="main", serviceName="api", taskDefinition=definition, desiredCount=4)
    scaling = boto3.client("application-autoscaling", region_name=REGION)
    scaling.register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/main/api",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=3,
        MaxCapacity=50,
    )
    for lane in Lane:
        _consumer(f"consume-{lane.word}")
        scaling.register_scalable_target(
            ServiceNamespace="lambda",
            ResourceId=f"function:consume-{lane.word}:live",
            ScalableDimension="lambda:function:ProvisionedConcurrency",
            MinCapacity=0,
            MaxCapacity=50,
        )


def _consumer(name: str) -> None:
    role = boto3.client("iam", region_name=REGION).create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("a.py", "")
    boto3.client("lambda", region_name=REGION).create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="a.b",
        Code={"ZipFile": package.getvalue()},
    )


@pytest.fixture
def scaling(aws: None, monkeypatch: pytest.MonkeyPatch) -> AwsScaling:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_given: 0)
    return AwsScaling(SETTINGS, region=REGION)


def answer(client: Any, operation: str, *answers: tuple[int, dict[str, Any]]) -> list[str]:
    """Let AWS answer these instead, one after the other; moto answers again after the last. Returns what was asked."""
    left, asked = list(answers), []

    def instead(request: Any, **_named: Any) -> AWSResponse | None:
        asked.append(request.url)
        if not left:
            return None
        status, body = left.pop(0)
        response = AWSResponse(request.url, status, {"x-amzn-ErrorType": body.get("__type", "")}, None)
        response._content = json.dumps(body).encode()
        return response

    # Before moto's own handler, which would answer first.
    client.meta.events.register_first(f"before-send.*.{operation}", instead)
    return asked


def throttled(times: int) -> list[tuple[int, dict[str, Any]]]:
    return [(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})] * times


def test_the_tasks_are_read_and_their_minimum_is_moved_the_maximum_is_not(scaling: AwsScaling) -> None:
    assert scaling.read(TASKS) == Present(3, 4, 50)
    scaling.write(raised(TASKS, 30))
    assert scaling.read(TASKS) == Present(30, 4, 50)


def test_a_reserve_is_read_and_set(scaling: AwsScaling) -> None:
    assert scaling.read(CRITICAL) == Present(None, 0)
    scaling.write(raised(CRITICAL, 50))
    assert scaling.read(CRITICAL) == Present(50, 50)
    assert scaling.read(Knob(Kind.RESERVED, Lane.LOW)) == Present(None, 0), "of that lane alone"


def test_warm_environments_are_read_and_both_bounds_are_set(scaling: AwsScaling) -> None:
    missing = {
        "__type": "ProvisionedConcurrencyConfigNotFoundException",
        "message": "No Provisioned Concurrency Config",
    }
    there = {"RequestedProvisionedConcurrentExecutions": 20, "Status": "READY"}
    asked = answer(scaling._lambda, "GetProvisionedConcurrencyConfig", (404, missing), (200, there))
    assert scaling.read(WARM) == Present(0, 0, 50)
    scaling.write(raised(WARM, 20, 40))
    assert scaling.read(WARM) == Present(20, 20, 40)
    assert {url.partition("2019-09-30")[2] for url in asked} == {f"{PROVISIONED_PATH}?Qualifier=live"}


def test_writing_what_is_set_already_changes_nothing(scaling: AwsScaling) -> None:
    for _ in range(2):
        scaling.write(raised(TASKS, 12))
        scaling.write(raised(CRITICAL, 12))
    assert scaling.read(TASKS).size == scaling.read(CRITICAL).size == 12


CALLS: list[tuple[str, str, Callable[[AwsScaling], object]]] = [
    ("_scaling", "DescribeScalableTargets", lambda scaling: scaling.read(TASKS)),
    ("_scaling", "RegisterScalableTarget", lambda scaling: scaling.write(raised(TASKS, 30))),
    ("_ecs", "DescribeServices", lambda scaling: scaling.read(TASKS)),
    ("_lambda", "GetFunctionConcurrency", lambda scaling: scaling.read(CRITICAL)),
    ("_lambda", "PutFunctionConcurrency", lambda scaling: scaling.write(raised(CRITICAL, 30))),
    ("_lambda", "GetProvisionedConcurrencyConfig", lambda scaling: scaling.read(WARM)),
]
each_call = pytest.mark.parametrize(("client", "operation", "call"), CALLS, ids=[name for _, name, _ in CALLS])


@each_call
def test_a_throttled_call_is_tried_again(
    scaling: AwsScaling, client: str, operation: str, call: Callable[[AwsScaling], object]
) -> None:
    then = [(200, {"RequestedProvisionedConcurrentExecutions": 2})] if "Provisioned" in operation else []
    asked = answer(getattr(scaling, client), operation, *throttled(2), *then)
    call(scaling)
    assert len(asked) == 3


@each_call
def test_throttling_that_does_not_end_fails_that_call_within_bounds(
    scaling: AwsScaling, client: str, operation: str, call: Callable[[AwsScaling], object]
) -> None:
    asked = answer(getattr(scaling, client), operation, *throttled(99))
    with pytest.raises(ScalingError, match="ThrottlingException"):
        call(scaling)
    assert len(asked) == 4


@each_call
def test_what_is_denied_is_not_tried_again(
    scaling: AwsScaling, client: str, operation: str, call: Callable[[AwsScaling], object]
) -> None:
    denied = {"__type": "AccessDeniedException", "message": f"not authorized to perform {operation}"}
    asked = answer(getattr(scaling, client), operation, (403, denied), (403, denied))
    with pytest.raises(ScalingError, match=f"not authorized to perform {operation}"):
        call(scaling)
    assert len(asked) == 1


def test_a_reserve_that_the_account_does_not_have_is_refused_and_the_others_are_set(scaling: AwsScaling) -> None:
    """300 in all, of which 100 must stay unreserved."""
    scaling.write(raised(CRITICAL, 150))
    with pytest.raises(ScalingError, match=r"below its minimum value of \[100\]"):
        scaling.write(raised(Knob(Kind.RESERVED, Lane.HIGH), 60))
    scaling.write(raised(Knob(Kind.RESERVED, Lane.LOW), 20))
    sizes = {lane.word: scaling.read(Knob(Kind.RESERVED, lane)).size for lane in Lane}
    assert sizes == {"critical": 150, "high": None, "normal": None, "low": 20}


def test_what_was_never_deployed_is_named(scaling: AwsScaling) -> None:
    autoscaling = boto3.client("application-autoscaling", region_name=REGION)
    autoscaling.deregister_scalable_target(
        ServiceNamespace="ecs", ResourceId="service/main/api", ScalableDimension="ecs:service:DesiredCount"
    )
    with pytest.raises(ScalingError, match="service/main/api is not registered"):
        scaling.read(TASKS)
    boto3.client("ecs", region_name=REGION).delete_service(cluster="main", service="api", force=True)
    with pytest.raises(ScalingError, match="main/api"):
        scaling.read(TASKS)
    boto3.client("lambda", region_name=REGION).delete_function(FunctionName="consume-critical")
    with pytest.raises(ScalingError, match="ResourceNotFound"):
        scaling.write(raised(CRITICAL, 8))
