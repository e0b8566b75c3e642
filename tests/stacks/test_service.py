"""The API's tasks: the local run's command, closed in, told where everything is, replaced without a request lost."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from carillon.config import ROOMS, ApiSettings, CallbackSettings, StoreSettings, TokenSettings, variable
from carillon.protocol.web import ALIVE, API_POOL, API_PORT, GRACE_S, READY
from local import product
from stacks import stage as stages
from stacks.command_line import ROOT
from stacks.parts.bundle import NOT_SHIPPED
from stacks.parts.image import COMMAND, USER, image
from stacks.service import DRAIN_S, STOP_S, requests_per_minute
from tests.stacks.synthesised import Template, resources, templates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STAGES = ["dev", "prod"]


def only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = resources(template, kind).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


@pytest.fixture(scope="module", params=STAGES)
def stage(request: pytest.FixtureRequest) -> stages.Stage:
    return stages.STAGES[request.param]


@pytest.fixture(scope="module")
def service(stage: stages.Stage) -> Template:
    return templates(stage.name)["service"]


@pytest.fixture(scope="module")
def container(service: Template) -> dict[str, Any]:
    (found,) = only(service, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    return dict(found)


@pytest.fixture(scope="module")
def told(container: dict[str, Any]) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in container["Environment"]}


# The command


def test_the_command_is_the_one_run_locally(container: dict[str, Any]) -> None:
    here, there = product.api_command(1), list(COMMAND)
    assert container["Command"] == there
    assert here[1:3] == there[1:3] == ["-m", "api"]
    # How it is served stands in api/__main__.py alone; a command says no more than what is served and where.
    flags = {word for word in [*here, *there] if word.startswith("--")}
    assert flags == {"--app", "--host", "--port", "--grace"}


def test_the_image_runs_that_command_on_that_port() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert json.loads(re.findall(r"^CMD (.*)$", text, re.MULTILINE)[0]) == list(COMMAND)
    assert re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE) == [str(API_PORT)]


# The image


def test_the_image_is_made_of_what_is_there_and_of_nothing_else(tmp_path: Path) -> None:
    """As the CDK stages it; building it takes Docker."""
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "S")
    task = cdk.aws_ecs.FargateTaskDefinition(stack, "T")
    task.add_container("C", image=image(stack, stages.STAGES["dev"]))
    app.synth()
    (staged,) = [path for path in tmp_path.iterdir() if path.name.startswith("asset.")]
    sent = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    sent -= {".dockerignore"}
    assert {name.split("/")[0] for name in sent} == {
        *("Dockerfile", "requirements-layer.txt", "requirements-service.txt", "api", "carillon")
    }
    assert not [name for name in sent if "__pycache__" in name or name.startswith(NOT_SHIPPED)]
    assert "carillon/sql/broadcasts.sql" in sent
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (staged / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert sources == {"requirements-layer.txt", "requirements-service.txt", "api", "carillon"}


def test_the_image_is_pinned_and_leaves_no_installer() -> None:
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.13\.\d+-slim-\w+", bases[0])
    assert "--only-binary=:all:" in text
    assert "apt-get" not in text
    last = text.rsplit("FROM ", 1)[1]
    assert "pip uninstall" in last
    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == [USER]


def test_a_stage_with_an_image_of_its_own_runs_that() -> None:
    stack = cdk.Stack(cdk.App(), "S")
    made = image(stack, stages.Stage(name="x", image="registry.example/carillon:1"))
    cdk.aws_ecs.FargateTaskDefinition(stack, "T").add_container("C", image=made)
    (task,) = stack.resolve(stack.node.find_child("T").node.default_child.container_definitions)  # type: ignore[union-attr]
    assert task["image"] == "registry.example/carillon:1"


def _imported(folder: Path) -> Iterator[str]:
    """Top-level names that the shipped modules below a folder import, wherever in the file."""
    hidden = tuple(ROOT / name for name in NOT_SHIPPED)
    for path in sorted(folder.rglob("*.py")):
        if path.is_relative_to(hidden[0]) or any(path.is_relative_to(one) for one in hidden):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def _pinned(name: str) -> dict[str, Requirement]:
    found: dict[str, Requirement] = {}
    for line in (ROOT / name).read_text().splitlines():
        word = line.partition("#")[0].strip()
        if word.startswith("-r "):
            found |= _pinned(word[3:])
        elif word:
            one = Requirement(word)
            found[canonicalize_name(one.name)] = one
    return found


def _closure(pinned: dict[str, Requirement]) -> set[str]:
    """All distributions that installing these brings."""
    todo, seen = [(name, frozenset(one.extras)) for name, one in pinned.items()], set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in metadata.requires(name) or []:
            one = Requirement(text)
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                todo.append((canonicalize_name(one.name), frozenset(one.extras)))
    return {name for name, _ in seen}


def test_the_image_holds_every_package_that_its_code_imports() -> None:
    pinned = _pinned("requirements-service.txt")
    assert all(str(one.specifier).startswith("==") for one in pinned.values())
    shipped = _closure(pinned)
    homes = metadata.packages_distributions()
    wanted = {*_imported(ROOT / "api"), *_imported(ROOT / "carillon")} - sys.stdlib_module_names
    wanted -= {"api", "carillon"}
    assert {"fastapi", "psycopg", "valkey", "boto3", "uvicorn"} <= wanted
    missing = {
        name for name in wanted if not shipped & {canonicalize_name(home) for home in homes.get(name, ["nowhere"])}
    }
    assert missing == set()


# The task


def test_the_task_is_closed_in(service: Template, container: dict[str, Any], stage: stages.Stage) -> None:
    assert container["ReadonlyRootFilesystem"] is True
    assert container["User"] == USER
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert "Privileged" not in container
    task = only(service, "AWS::ECS::TaskDefinition")
    assert task["RuntimePlatform"] == {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}
    assert (task["Cpu"], task["Memory"]) == (str(stage.task_cpu), str(stage.task_memory_mb))
    network = only(service, "AWS::ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert "private" in json.dumps(network["Subnets"])
    (group,) = network["SecurityGroups"]
    assert "Clients" in json.dumps(group)


def test_the_task_knows_where_everything_is(told: dict[str, Any]) -> None:
    for room, fields in (
        (StoreSettings, ("database_url", "database_read_url", "valkey_url", "queue_urls", "region")),
        (TokenSettings, ("issuer", "jwks_url", "audience")),
        (CallbackSettings, ("endpoint",)),
        (ApiSettings, ("websocket_url", "sign_in_client", "sign_in_scope", "sign_in_origins")),
    ):
        assert [name for name in fields if not told[variable(room, name)]] == []
    assert told[variable(StoreSettings, "database_pool")] == str(API_POOL)
    # The relay runs here and nowhere else.
    assert told.get(variable(ApiSettings, "relay"), "true") == "true"


def test_nothing_is_set_that_no_room_reads(told: dict[str, Any]) -> None:
    known = {spec.metadata["env"] for room in ROOMS for spec in room.__dataclass_fields__.values()}
    assert [name for name in told if name not in known and not name.startswith("POWERTOOLS_")] == []


def test_the_task_may_do_what_the_api_does_and_no_more(service: Template) -> None:
    roles = resources(service, "AWS::IAM::Role")
    (task_role,) = [name for name in roles if "TaskRole" in name]
    statements = [
        statement
        for one in resources(service, "AWS::IAM::Policy").values()
        if {"Ref": task_role} in one["Properties"]["Roles"]
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
    ]
    actions = {
        action
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert actions == {
        *("rds-db:connect", "elasticache:Connect", "sqs:SendMessage", "sqs:GetQueueAttributes"),
        *("kms:Decrypt", "kms:GenerateDataKey"),
    }
    assert not [one for one in statements if one["Resource"] == "*"]
    # Closing the sockets of a person who is erased is a policy of the WebSocket API's own stack.
    (posting,) = roles[task_role]["Properties"]["ManagedPolicyArns"]
    assert "MayPost" in json.dumps(posting)


# Health and leaving


def test_the_balancer_asks_whether_a_task_is_ready_and_gives_it_time(service: Template) -> None:
    group = only(service, "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert group["HealthCheckPath"] == READY
    assert (group["Port"], group["TargetType"]) == (API_PORT, "ip")
    # A fail-over of the database must not have every task replaced.
    assert group["HealthCheckIntervalSeconds"] * group["UnhealthyThresholdCount"] >= 300


def test_the_container_asks_whether_it_lives(container: dict[str, Any]) -> None:
    assert container["HealthCheck"]["Command"] == ["CMD", "python", "-m", "api", "--check"]
    assert ALIVE != READY


def test_a_leaving_task_finishes_what_it_began(service: Template, container: dict[str, Any]) -> None:
    attributes = only(service, "AWS::ElasticLoadBalancingV2::TargetGroup")["TargetGroupAttributes"]
    delay = {one["Key"]: one["Value"] for one in attributes}["deregistration_delay.timeout_seconds"]
    assert int(delay) == DRAIN_S >= GRACE_S
    assert container["StopTimeout"] == STOP_S > GRACE_S
    assert STOP_S <= 120, "Fargate waits no longer"


def test_a_deploy_that_fails_is_taken_back(service: Template) -> None:
    made = only(service, "AWS::ECS::Service")
    deployment = made["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert made["AvailabilityZoneRebalancing"] == "ENABLED"
    # A deploy keeps the number of tasks that scaling has reached.
    assert "DesiredCount" not in made


def test_every_request_of_the_listener_goes_to_the_tasks(service: Template) -> None:
    rule = only(service, "AWS::ElasticLoadBalancingV2::ListenerRule")
    (group,) = resources(service, "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert rule["Conditions"] == [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}]
    assert rule["Actions"] == [{"TargetGroupArn": {"Ref": group}, "Type": "forward"}]


# Migrations


def test_new_code_waits_for_migrations_and_the_last_ones_for_new_code(service: Template) -> None:
    (name,) = resources(service, "AWS::ECS::Service")
    (after,) = resources(service, "Custom::CarillonMigration").values()
    assert after["Properties"]["Phase"] == "post"
    assert name in after["DependsOn"]


# Scaling


def test_tasks_follow_cpu_memory_and_requests_within_the_stage(service: Template, stage: stages.Stage) -> None:
    target = only(service, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (stage.min_tasks, stage.max_tasks)
    followed = {
        one["Properties"]["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"][
            "PredefinedMetricType"
        ]
        for one in resources(service, "AWS::ApplicationAutoScaling::ScalingPolicy").values()
    }
    assert followed == {
        *("ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization", "ALBRequestCountPerTarget")
    }


def test_a_larger_task_takes_more_requests_up_to_a_core() -> None:
    small, large = stages.STAGES["dev"], stages.STAGES["prod"]
    assert (small.task_cpu, large.task_cpu) == (512, 1024)
    assert requests_per_minute(large) == 2 * requests_per_minute(small)
    assert requests_per_minute(dataclasses.replace(large, task_cpu=4096)) == requests_per_minute(large)


# Logs


def test_logs_are_kept_as_long_as_the_stage_says(service: Template, container: dict[str, Any]) -> None:
    (name,) = resources(service, "AWS::Logs::LogGroup")
    assert container["LogConfiguration"]["Options"]["awslogs-group"] == {"Ref": name}
    assert only(service, "AWS::Logs::LogGroup")["RetentionInDays"] > 0
    (setting,) = only(service, "AWS::ECS::Cluster")["ClusterSettings"]
    assert setting == {"Name": "containerInsights", "Value": "enabled"}


@pytest.mark.parametrize("version", [":v7", "@sha256:" + "a" * 64])
def test_a_ready_image_of_a_private_repository_may_be_pulled(version: str) -> None:
    name = "bells/carillon-api"
    made = templates("dev", image=f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{name}{version}")["service"]
    (task,) = resources(made, "AWS::ECS::TaskDefinition").values()
    image = json.dumps(task["Properties"]["ContainerDefinitions"][0]["Image"])
    assert "123456789012.dkr.ecr.eu-west-1." in image
    assert f"{name}{version}" in image
    statements = [
        statement
        for policy in resources(made, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    (pull,) = [one for one in statements if "ecr:BatchGetImage" in one["Action"]]
    assert f"ecr:eu-west-1:123456789012:repository/{name}" in json.dumps(pull["Resource"])
