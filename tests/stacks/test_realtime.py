"""The WebSocket API, the functions behind it, and the lanes' consumers."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from carillon.config import CallbackSettings, StoreSettings, TokenSettings, variable
from carillon.model import Lane
from carillon.policy.lanes import LANES, MAX_CONCURRENCY
from carillon.protocol.frames import Pong, encode
from stacks.parts import consumer
from stacks.parts.websocket import STAGE_NAME
from stacks.stage import STAGES as STAGE_TABLE
from tests.stacks.synthesised import resources, templates, whole

STAGES = ("dev", "prod")
LANE_WORDS = {lane: lane.word.capitalize() for lane in Lane}
HANDLERS = {
    "Connect": "lambdas.connect.handler",
    "Disconnect": "lambdas.disconnect.handler",
    "Frame": "lambdas.frame.handler",
    "DeadLetter": "lambdas.dead_letter.handler",
} | {f"{word}Consumer": "lambdas.deliver.handler" for word in LANE_WORDS.values()}
OTHER = {"egress": "ipv6", "architecture": "x86_64", "lambda_concurrency": "301"}
"""One more synthesis with all that is not the default in one."""
ACCOUNT_CONCURRENCY, NEVER_RESERVED = 1_000, 100


def made(stage: str, kind: str, **overrides: str) -> dict[str, dict[str, Any]]:
    """Properties of the stack's resources of a type, by logical id without its hash."""
    found = resources(templates(stage, **overrides)["realtime"], f"AWS::{kind}")
    return {name[:-8]: one.get("Properties", {}) for name, one in found.items()}


def function(stage: str, name: str, **overrides: str) -> dict[str, Any]:
    return made(stage, "Lambda::Function", **overrides)[f"{name}Function"]


def statements(stage: str, name: str) -> list[dict[str, Any]]:
    """What a function may do."""
    policy = made(stage, "IAM::Policy")[f"{name}RoleDefaultPolicy"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


# Functions


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("name", "handler"), HANDLERS.items())
def test_every_function_runs_the_same_code_on_arm64_and_python_3_13(name: str, handler: str, stage: str) -> None:
    one = function(stage, name)
    assert (one["Handler"], one["Runtime"], one["Architectures"]) == (handler, "python3.13", ["arm64"])
    assert one["Code"] == function(stage, "Connect")["Code"]
    assert one["Layers"] == function(stage, "Connect")["Layers"]


def test_the_architecture_is_the_stages_for_functions_and_layer_alike() -> None:
    for stage, overrides, architecture in (("dev", {}, "arm64"), ("dev", OTHER, "x86_64")):
        for one in made(stage, "Lambda::Function", **overrides).values():
            assert one["Architectures"] == [architecture]
        (layer,) = made(stage, "Lambda::LayerVersion", **overrides).values()
        assert layer["CompatibleArchitectures"] == [architecture]
    by_architecture = [
        next(iter(made("dev", "Lambda::LayerVersion", **overrides).values()))["Content"]["S3Key"]
        for overrides in ({}, OTHER)
    ]
    assert by_architecture[0] != by_architecture[1]


@pytest.mark.parametrize("name", HANDLERS)
def test_functions_run_in_private_subnets_and_are_told_where_things_are(name: str) -> None:
    one = function("prod", name)
    everybody = {variable(StoreSettings, key) for key in ("database_url", "valkey_url", "queue_urls")} | {
        variable(CallbackSettings, "endpoint")
    }
    assert everybody <= set(one["Environment"]["Variables"])
    assert {"privateSubnet" in json.dumps(subnet) for subnet in one["VpcConfig"]["SubnetIds"]} == {True}
    assert len(one["VpcConfig"]["SubnetIds"]) == 3


@pytest.mark.parametrize("name", ["Connect", "Frame"])
def test_who_checks_tokens_knows_whose_are_trusted(name: str) -> None:
    assert {variable(TokenSettings, key) for key in ("issuer", "jwks_url")} <= set(
        function("prod", name)["Environment"]["Variables"]
    )


def test_posts_are_paced_by_the_quota_the_account_was_granted() -> None:
    variables = function("prod", "CriticalConsumer")["Environment"]["Variables"]
    assert [variables[variable(CallbackSettings, key)] for key in ("rate", "burst")] == ["10000", "5000"]


# Rights


@pytest.mark.parametrize("name", HANDLERS)
def test_no_function_may_do_everything_or_reach_everything(name: str) -> None:
    """Network interfaces alone have no name before they are made."""
    for statement in statements("prod", name):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions)
        assert statement["Resource"] != "*" or all(action.startswith("ec2:") for action in actions)
    assert made("prod", "IAM::Role")[f"{name}Role"].get("ManagedPolicyArns", []) == (
        [{"Ref": next(iter(resources(templates("prod")["realtime"], "AWS::IAM::ManagedPolicy")))}]
        if name.endswith("Consumer")
        else []
    )


def test_consumers_post_to_this_apis_stage_alone() -> None:
    (policy,) = made("prod", "IAM::ManagedPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "execute-api:ManageConnections"
    api = next(iter(resources(templates("prod")["realtime"], "AWS::ApiGatewayV2::Api")))
    assert statement["Resource"] == [
        {
            "Fn::Join": [
                "",
                [
                    "arn:aws:execute-api:us-east-1:",
                    {"Ref": "AWS::AccountId"},
                    ":",
                    {"Ref": api},
                    f"/{STAGE_NAME}/{method}/@connections/*",
                ],
            ]
        }
        for method in ("DELETE", "POST")
    ]


@pytest.mark.parametrize("lane", Lane)
def test_a_consumer_works_its_lane_alone(lane: Lane) -> None:
    allowed = {
        (action, resource["Fn::GetStackOutput"]["OutputName"].removeprefix("PublishOutputFnGetAtt"))
        for statement in statements("prod", f"{LANE_WORDS[lane]}Consumer")
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if action.startswith(("sqs:", "kms:"))
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    }
    queues = {(action, name) for action, name in allowed if action.startswith("sqs:")}
    assert {name[: name.index("Lane") if "Lane" in name else name.index("DeadLetters")] for _, name in queues} == {
        LANE_WORDS[lane]
    }
    dead = {action for action, name in queues if "DeadLetters" in name}
    assert dead == {"sqs:SendMessage"}
    assert {action for action, name in queues if "DeadLetters" not in name} == {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
    }


@pytest.mark.parametrize("name", [name for name in HANDLERS if name.endswith(("Consumer", "Letter"))])
def test_the_lanes_key_is_used_through_sqs_alone(name: str) -> None:
    keys = [one for one in statements("prod", name) if "kms:Decrypt" in one["Action"]]
    assert [one["Condition"] for one in keys] == [
        {"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}} for _ in keys
    ]
    assert keys


# Consumers


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("lane", Lane)
def test_a_lane_feeds_its_consumer_in_tens_and_only_failures_come_back(lane: Lane, stage: str) -> None:
    mapping = made(stage, "Lambda::EventSourceMapping")[f"{LANE_WORDS[lane]}ConsumerLiveLane"]
    assert (mapping["BatchSize"], mapping["FunctionResponseTypes"], mapping["ScalingConfig"]) == (
        10,
        ["ReportBatchItemFailures"],
        {"MaximumConcurrency": MAX_CONCURRENCY},
    )
    source = whole(stage).text(mapping["EventSourceArn"])
    assert source.startswith(f"${{carillon-{stage}-queues/{LANE_WORDS[lane]}Lane")
    alias = next(
        name
        for name in resources(templates(stage)["realtime"], "AWS::Lambda::Alias")
        if name.startswith(f"{LANE_WORDS[lane]}ConsumerLive")
    )
    assert f'"Ref": "{alias}"' in json.dumps(mapping["FunctionName"])


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("lane", Lane)
def test_a_consumer_never_outlasts_what_its_lane_hides(lane: Lane, stage: str) -> None:
    one = function(stage, f"{LANE_WORDS[lane]}Consumer")
    assert one["Timeout"] == LANES[lane].visibility_s


def test_the_stage_that_is_tried_first_sets_nothing_aside_that_a_new_account_has_not() -> None:
    assert all("ReservedConcurrentExecutions" not in one for one in made("dev", "Lambda::Function").values())


def test_lanes_leave_enough_of_the_accounts_concurrency() -> None:
    """Lambda refuses a reservation that leaves less than 100; three stages fit into one account and Region."""
    reserved = sum(one.get("ReservedConcurrentExecutions", 0) for one in made("prod", "Lambda::Function").values())
    assert reserved == len(Lane) * MAX_CONCURRENCY
    for lane in Lane:
        assert function("prod", f"{LANE_WORDS[lane]}Consumer")["ReservedConcurrentExecutions"] == MAX_CONCURRENCY
    assert 3 * reserved <= ACCOUNT_CONCURRENCY - NEVER_RESERVED


def test_an_account_with_little_concurrency_can_be_deployed_to_all_the_same() -> None:
    """A new account may have ten in all, where any reservation would fail; the lanes' caps hold there too."""
    functions = made("dev", "Lambda::Function", **OTHER).values()
    assert not any("ReservedConcurrentExecutions" in one for one in functions)
    few = dataclasses.replace(STAGE_TABLE["prod"], lambda_concurrency=301)
    assert consumer.reserved(few) is None
    assert consumer.reserved(dataclasses.replace(few, lambda_concurrency=302)) == MAX_CONCURRENCY
    mapping = made("dev", "Lambda::EventSourceMapping", **OTHER)["LowConsumerLiveLane"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": MAX_CONCURRENCY}


def test_everything_set_aside_leaves_what_lambda_demands_in_the_smallest_account_that_gets_any() -> None:
    """Over all stacks: the planner and what reacts to load take one each beside the lanes."""
    functions = [
        one["Properties"]
        for room in ("realtime", "capacity")
        for one in resources(templates("prod")[room], "AWS::Lambda::Function").values()
    ]
    smallest = 302
    assert consumer.reserved(dataclasses.replace(STAGE_TABLE["prod"], lambda_concurrency=smallest)) is not None
    assert sum(one.get("ReservedConcurrentExecutions", 0) for one in functions) == smallest - NEVER_RESERVED


def test_without_nat_whoever_asks_aws_for_capacity_asks_where_ipv6_leads() -> None:
    found = resources(templates("dev", **OTHER)["capacity"], "AWS::Lambda::Function").values()
    (plan,) = [one["Properties"] for one in found if one["Properties"]["Handler"] == "lambdas.plan.handler"]
    assert plan["Environment"]["Variables"]["AWS_USE_DUALSTACK_ENDPOINT"] == "true"
    assert plan["VpcConfig"]["Ipv6AllowedForDualStack"] is True


@pytest.mark.parametrize("lane", Lane)
def test_prod_keeps_each_lanes_base_warm_and_warms_more_up_to_its_cap(lane: Lane) -> None:
    name, base = f"{LANE_WORDS[lane]}Consumer", LANES[lane].concurrency
    alias = made("prod", "Lambda::Alias")[f"{name}Live"]
    target = made("prod", "ApplicationAutoScaling::ScalableTarget")[f"{name}LiveAliasScalingTarget"]
    assert alias["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": base}
    assert (target["MinCapacity"], target["MaxCapacity"]) == (base, MAX_CONCURRENCY)
    assert target["ScalableDimension"] == "lambda:function:ProvisionedConcurrency"


@pytest.mark.parametrize("lane", Lane)
def test_dev_pays_for_no_warm_consumer_but_may_have_some(lane: Lane) -> None:
    name = f"{LANE_WORDS[lane]}Consumer"
    assert "ProvisionedConcurrencyConfig" not in made("dev", "Lambda::Alias")[f"{name}Live"]
    target = made("dev", "ApplicationAutoScaling::ScalableTarget")[f"{name}LiveAliasScalingTarget"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, MAX_CONCURRENCY)


@pytest.mark.parametrize("stage", STAGES)
def test_consumers_follow_their_utilisation(stage: str) -> None:
    policies = made(stage, "ApplicationAutoScaling::ScalingPolicy")
    for word in LANE_WORDS.values():
        policy = policies[f"{word}ConsumerLiveAliasScalingTargetTracking"]
        assert policy["TargetTrackingScalingPolicyConfiguration"] == {
            "PredefinedMetricSpecification": {"PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
            "TargetValue": 0.7,
        }


@pytest.mark.parametrize("lane", Lane)
def test_dead_letters_of_every_lane_are_seen_to_without_hurry(lane: Lane) -> None:
    mapping = made("prod", "Lambda::EventSourceMapping")[f"DeadLetterLive{LANE_WORDS[lane]}DeadLetters"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    queue = resources(templates("prod")["queues"], "AWS::SQS::Queue")
    hidden = {one["Properties"]["VisibilityTimeout"] for name, one in queue.items() if "DeadLetters" in name}
    assert min(hidden) >= function("prod", "DeadLetter")["Timeout"]


# Sockets


def test_the_action_of_a_frame_selects_its_route() -> None:
    (api,) = made("prod", "ApiGatewayV2::Api").values()
    assert (api["ProtocolType"], api["RouteSelectionExpression"]) == ("WEBSOCKET", "$request.body.action")
    assert {one["RouteKey"] for one in made("prod", "ApiGatewayV2::Route").values()} == {
        "$connect",
        "$disconnect",
        "$default",
        "ping",
    }


@pytest.mark.parametrize(("key", "name"), [("connect", "Connect"), ("disconnect", "Disconnect"), ("default", "Frame")])
def test_routes_call_the_alias_that_gradual_deployments_move(key: str, name: str) -> None:
    integration = made("prod", "ApiGatewayV2::Integration")[f"SocketsApi{key}RouteFunction"]
    aliases = resources(templates("prod")["realtime"], "AWS::Lambda::Alias")
    alias = next(one for one in aliases if one.startswith(f"{name}Live"))
    assert integration["IntegrationType"] == "AWS_PROXY"
    assert {"Ref": alias} in integration["IntegrationUri"]["Fn::Join"][1]
    permission = made("prod", "Lambda::Permission")
    assert any(
        one["Principal"] == "apigateway.amazonaws.com" and one["FunctionName"] == {"Ref": alias}
        for one in permission.values()
    )


def answered_routes() -> set[str]:
    """Keys of the routes whose answer goes back to the client."""
    template = templates("prod")["realtime"]["Resources"]
    answers = made("prod", "ApiGatewayV2::RouteResponse").values()
    assert {one["RouteResponseKey"] for one in answers} == {"$default"}
    return {template[one["RouteId"]["Ref"]]["Properties"]["RouteKey"] for one in answers}


def test_answers_of_frames_and_pings_go_back_to_the_client() -> None:
    two_ways = {
        one["RouteKey"]
        for one in made("prod", "ApiGatewayV2::Route").values()
        if one.get("RouteResponseSelectionExpression") == "$default"
    }
    assert answered_routes() == two_ways == {"$default", "ping"}


def test_a_ping_is_answered_without_a_function() -> None:
    """The template that the selection expression names is there on the way in and on the way out."""
    mock = made("prod", "ApiGatewayV2::Integration")["SocketsPingIntegration"]
    (answer,) = made("prod", "ApiGatewayV2::IntegrationResponse").values()
    route = made("prod", "ApiGatewayV2::Route")["SocketsPingRoute"]
    template = templates("prod")["realtime"]["Resources"]
    assert mock["IntegrationType"] == "MOCK"
    assert json.loads(mock["RequestTemplates"][mock["TemplateSelectionExpression"]]) == {"statusCode": 200}
    assert template[answer["IntegrationId"]["Ref"]]["Properties"] == mock
    assert answer["IntegrationResponseKey"] == "$default"
    assert answer["ResponseTemplates"][answer["TemplateSelectionExpression"]] == encode(Pong())
    assert template[route["Target"]["Fn::Join"][1][1]["Ref"]]["Properties"] == mock


@pytest.mark.parametrize("stage", STAGES)
def test_the_stage_is_throttled_measured_and_logged(stage: str) -> None:
    (web,) = made(stage, "ApiGatewayV2::Stage").values()
    assert web["DefaultRouteSettings"] == {
        "DetailedMetricsEnabled": True,
        "ThrottlingBurstLimit": 5_000,
        "ThrottlingRateLimit": 10_000,
    }
    assert (web["StageName"], web["AutoDeploy"]) == (STAGE_NAME, True)
    assert "SocketsLog" in json.dumps(web["AccessLogSettings"]["DestinationArn"])
    fields = json.loads(web["AccessLogSettings"]["Format"])
    assert {"$context.routeKey", "$context.status", "$context.connectionId"} <= set(fields.values())


def test_no_log_line_holds_a_token_or_what_somebody_said() -> None:
    (web,) = made("prod", "ApiGatewayV2::Stage").values()
    assert not any(word in web["AccessLogSettings"]["Format"].lower() for word in ("header", "protocol", "body"))


def test_the_regions_right_to_log_is_there_before_the_stage_and_outlives_the_stack() -> None:
    """It is one for all APIs of an account's Region; without it API Gateway refuses a stage that logs."""
    template = templates("prod")["realtime"]["Resources"]
    ((account, one),) = resources(templates("prod")["realtime"], "AWS::ApiGateway::Account").items()
    role = one["Properties"]["CloudWatchRoleArn"]["Fn::GetAtt"][0]
    assert one["DeletionPolicy"] == template[role]["DeletionPolicy"] == "Retain"
    (web,) = resources(templates("prod")["realtime"], "AWS::ApiGatewayV2::Stage").values()
    assert account in web["DependsOn"]


def test_sockets_have_ipv6_where_consumers_reach_them_past_a_nat() -> None:
    kinds = {
        egress: next(iter(made("dev", "ApiGatewayV2::Api", **overrides).values()))["IpAddressType"]
        for egress, overrides in (("nat", {}), ("ipv6", OTHER))
    }
    assert kinds == {"nat": "ipv4", "ipv6": "dualstack"}


# New code


@pytest.mark.parametrize(("stage", "config"), [("dev", "LambdaAllAtOnce"), ("prod", "LambdaCanary10Percent5Minutes")])
@pytest.mark.parametrize("name", HANDLERS)
def test_new_code_takes_over_as_the_stage_says_and_goes_back_when_it_fails(name: str, stage: str, config: str) -> None:
    template = templates(stage)["realtime"]["Resources"]
    alias = next(
        one
        for one_name, one in resources(templates(stage)["realtime"], "AWS::Lambda::Alias").items()
        if one_name.startswith(f"{name}Live")
    )
    group = template[alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"]["Ref"]]["Properties"]
    assert group["DeploymentConfigName"] == f"CodeDeployDefault.{config}"
    assert group["AutoRollbackConfiguration"]["Enabled"] is True
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    (watched,) = group["AlarmConfiguration"]["Alarms"]
    alarm = template[watched["Name"]["Ref"]]["Properties"]
    measured = {one["Id"]: one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one}
    assert {one["MetricName"] for one in measured.values()} == {"Errors", "Invocations"}
    for metric in measured.values():
        resource = next(one["Value"] for one in metric["Dimensions"] if one["Name"] == "Resource")
        assert resource["Fn::Join"][1][1] == ":live"
        assert resource["Fn::Join"][1][0]["Ref"].startswith(f"{name}Function")
    assert alarm["Threshold"] == 5
    assert "log" in alarm["AlarmDescription"]


def test_new_code_comes_after_the_migrations() -> None:
    """Whoever reads another stack's output is deployed after all of that stack, and the migrations are in it."""
    assert resources(templates("prod")["data"], "Custom::CarillonMigration")
    for name in HANDLERS:
        assert '"Fn::GetStackOutput": {"StackName": "carillon-prod-data"' in json.dumps(function("prod", name))


@pytest.mark.parametrize("stage", STAGES)
def test_logs_are_kept_as_long_as_the_stage_says_and_go_with_it(stage: str) -> None:
    kept = {"dev": 7, "prod": 90}[stage]
    groups = resources(templates(stage)["realtime"], "AWS::Logs::LogGroup")
    assert len(groups) == len(HANDLERS) + 1
    for one in groups.values():
        assert (one["Properties"]["RetentionInDays"], one["DeletionPolicy"]) == (kept, "Delete")
