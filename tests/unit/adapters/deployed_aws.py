"""AWS in memory, as the stacks leave it behind, and ways to let it answer otherwise."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from carillon.config import LaneUrls, PlanSettings
from carillon.model import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
GROUP: Final = "one-offs"
SETTINGS: Final = PlanSettings(
    service="main/api",
    functions=LaneUrls.of({lane.word: f"consume-{lane.word}:live" for lane in Lane}),
    database="weddings",
    readers_scale=True,
    schedule_group=GROUP,
    schedule_role=f"arn:aws:iam::{ACCOUNT}:role/caller",
    schedule_dead_letters=f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead",
)
_NOBODY: Final = "https://nobody.invalid/"
NOTHING_WARM: Final = {
    "__type": "ProvisionedConcurrencyConfigNotFoundException",
    "message": "No Provisioned Concurrency Config",
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("MOTO_LAMBDA_CONCURRENCY_QUOTA", "300")
    with mock_aws():
        _deploy()
        yield


@cache
def _client(service: str) -> Any:
    """One for all tests: to make it takes longer than what it is asked for."""
    make: Any = boto3.client
    return make(service, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")


def _deploy() -> None:
    """A service and its scalable target, four consumers and theirs, a database with two readers, a schedule group."""
    ecs = _client("ecs")
    ecs.create_cluster(clusterName="main")
    task = ecs.register_task_definition(family="api", containerDefinitions=[{"name": "api", "image": "x", "memory": 8}])
    definition = task["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(cluster="main", serviceName="api", taskDefinition=definition, desiredCount=4)
    scaling = _client("application-autoscaling")
    scaling.register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/main/api",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=3,
        MaxCapacity=50,
    )
    for lane in Lane:
        scaling.register_scalable_target(
            ServiceNamespace="lambda",
            ResourceId=f"function:consume-{lane.word}:live",
            ScalableDimension="lambda:function:ProvisionedConcurrency",
            MinCapacity=0,
            MaxCapacity=50,
        )
    _consumers()
    _database(scaling)
    _client("scheduler").create_schedule_group(Name=GROUP)


def _database(scaling: Any) -> None:
    rds = _client("rds")
    rds.create_db_cluster(
        DBClusterIdentifier="weddings",
        Engine="aurora-postgresql",
        MasterUsername="owner",
        MasterUserPassword="not-secret",
        ServerlessV2ScalingConfiguration={"MinCapacity": 2, "MaxCapacity": 32},
    )
    for name in ("writer", "reader1", "reader2"):
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBClusterIdentifier="weddings",
            Engine="aurora-postgresql",
            DBInstanceClass="db.serverless",
        )
    scaling.register_scalable_target(
        ServiceNamespace="rds",
        ResourceId="cluster:weddings",
        ScalableDimension="rds:cluster:ReadReplicaCount",
        MinCapacity=1,
        MaxCapacity=5,
    )


def _consumers() -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("a.py", "")
    role = _client("iam").create_role(RoleName="consume", AssumeRolePolicyDocument="{}")
    functions = _client("lambda")
    for lane in Lane:
        functions.create_function(
            FunctionName=f"consume-{lane.word}",
            Runtime="python3.13",
            Role=role["Role"]["Arn"],
            Handler="a.b",
            Code={"ZipFile": package.getvalue()},
        )


def answer(client: Any, operation: str, *answers: tuple[int, dict[str, Any]]) -> list[str]:
    """Let AWS answer these instead, one after the other; moto answers again after the last. Returns what was asked."""
    left, asked = list(answers), []

    def instead(request: Any, **_named: Any) -> Any:
        asked.append(request.url)
        if not left:
            return None
        return answered(client, request, *left.pop(0))

    # Before moto's own handler, which would answer first.
    client.meta.events.register_first(f"before-send.*.{operation}", instead)
    return asked


def answered(client: Any, request: Any, status: int, body: dict[str, Any]) -> Any:
    """An answer as the service of this client words it: RDS knows XML alone, and is only ever made to refuse.

    botocore lets everybody else see the request as well; at that address moto does not do what was refused.
    """
    headers: Any = {"x-amzn-ErrorType": body.get("__type", "")}
    response: Any = AWSResponse(request.url, status, headers, None)
    written = json.dumps(body)
    if client.meta.service_model.resolved_protocol == "query":
        told = f"<Code>{body['__type']}</Code><Message>{body['message']}</Message>"
        written = f"<ErrorResponse><Error>{told}</Error></ErrorResponse>"
    response._content = written.encode()
    request.url = _NOBODY
    return response


def warm_consumers(client: Any) -> dict[str, int]:
    """Let Lambda have provisioned concurrency, which moto does not know: what was ordered, by function and alias."""
    ordered: dict[str, int] = {}

    def instead(request: Any, **_named: Any) -> Any:
        if request.url == _NOBODY:
            return None
        path, _, alias = request.url.partition("?Qualifier=")
        name = f"{path.split('/')[-2]}:{alias}"
        if request.method == "PUT":
            ordered[name] = json.loads(request.body)["ProvisionedConcurrentExecutions"]
        elif request.method == "DELETE":
            ordered.pop(name, None)
            return answered(client, request, 204, {})
        if name not in ordered:
            return answered(client, request, 404, NOTHING_WARM)
        return answered(client, request, 200, {"RequestedProvisionedConcurrentExecutions": ordered[name]})

    for verb in ("Get", "Put", "Delete"):
        # After whatever `answer` has it say.
        client.meta.events.register(f"before-send.*.{verb}ProvisionedConcurrencyConfig", instead)
    return ordered


def throttled(times: int) -> list[tuple[int, dict[str, Any]]]:
    return [(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})] * times
