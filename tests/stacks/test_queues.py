"""The lanes: kept apart, encrypted, with the numbers of `carillon.policy.lanes`."""

from __future__ import annotations

from typing import Any

import pytest

from carillon.config import LaneUrls, StoreSettings, variable
from carillon.model import Lane
from carillon.policy.lanes import LANES, MAX_RECEIVES
from tests.stacks.synthesised import resources, templates

STAGES = ("dev", "prod")


def every_queue(stage: str) -> dict[str, dict[str, Any]]:
    """Properties by logical id without its hash: `CriticalLane`, `CriticalDeadLetters`, `Calendar`."""
    found = resources(templates(stage)["queues"], "AWS::SQS::Queue")
    return {name[:-8]: one["Properties"] | {"id": name} for name, one in found.items()}


def queues(stage: str) -> dict[str, dict[str, Any]]:
    """Those of the lanes."""
    return {name: queue for name, queue in every_queue(stage).items() if name != "Calendar"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_hint_about_the_calendar_is_encrypted_hidden_while_a_round_runs_and_soon_forgotten(stage: str) -> None:
    calendar = every_queue(stage)["Calendar"]
    assert "FifoQueue" not in calendar, "a thousand hints make one round"
    assert calendar["SqsManagedSseEnabled"] is True
    (plan,) = (
        one["Properties"]
        for one in resources(templates(stage)["capacity"], "AWS::Lambda::Function").values()
        if one["Properties"]["Handler"] == "lambdas.plan.handler"
    )
    assert calendar["VisibilityTimeout"] == plan["Timeout"], "less is refused by Lambda, more keeps a wedding waiting"
    assert calendar["VisibilityTimeout"] < calendar["MessageRetentionPeriod"] == 3600
    assert "RedrivePolicy" not in calendar, "a hint that is lost is made up for within 15 minutes"


@pytest.mark.parametrize("stage", STAGES)
def test_each_lane_has_a_queue_and_dead_letters_of_its_own(stage: str) -> None:
    assert {f"{lane.word.capitalize()}{kind}" for lane in Lane for kind in ("Lane", "DeadLetters")} == set(
        queues(stage)
    )


@pytest.mark.parametrize("stage", STAGES)
def test_every_queue_is_fifo_in_high_throughput_mode(stage: str) -> None:
    for name, queue in queues(stage).items():
        mode = {key: queue[key] for key in ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit")}
        assert mode == {
            "FifoQueue": True,
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }, name


@pytest.mark.parametrize("stage", STAGES)
def test_what_waits_is_encrypted_with_a_key_of_the_stack_that_is_rotated(stage: str) -> None:
    ((key, one),) = resources(templates(stage)["queues"], "AWS::KMS::Key").items()
    assert one["Properties"]["EnableKeyRotation"] is True
    for name, queue in queues(stage).items():
        assert queue["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}, name
        assert 300 < queue["KmsDataKeyReusePeriodSeconds"] <= 3_600, name


@pytest.mark.parametrize("stage", STAGES)
def test_nobody_reaches_a_queue_without_tls(stage: str) -> None:
    denied = set()
    for policy in resources(templates(stage)["queues"], "AWS::SQS::QueuePolicy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}:
                assert (statement["Principal"], statement["Action"]) == ({"AWS": "*"}, "sqs:*")
                denied |= {reference["Ref"] for reference in policy["Properties"]["Queues"]}
    assert denied == {queue["id"] for queue in every_queue(stage).values()}


@pytest.mark.parametrize("lane", Lane)
def test_a_lane_has_the_numbers_of_its_policy(lane: Lane) -> None:
    made = queues("prod")
    queue, dead = made[f"{lane.word.capitalize()}Lane"], made[f"{lane.word.capitalize()}DeadLetters"]
    assert queue["VisibilityTimeout"] == LANES[lane].visibility_s
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [dead["id"], "Arn"]},
        "maxReceiveCount": MAX_RECEIVES,
    }
    assert queue["MessageRetentionPeriod"] == dead["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("lane", Lane)
def test_dead_letters_take_from_their_lane_alone(lane: Lane, stage: str) -> None:
    """The lane's name is the only physical name: its dead letters must say its ARN before it is there."""
    made = queues(stage)
    name = f"carillon-{stage}-queues-{lane.word}.fifo"
    assert made[f"{lane.word.capitalize()}Lane"]["QueueName"] == name
    allowed = made[f"{lane.word.capitalize()}DeadLetters"]["RedriveAllowPolicy"]
    assert allowed == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [{"Fn::Join": ["", ["arn:aws:sqs:us-east-1:", {"Ref": "AWS::AccountId"}, f":{name}"]]}],
    }
    assert "QueueName" not in made[f"{lane.word.capitalize()}DeadLetters"]


def test_a_door_is_told_each_lanes_queue() -> None:
    """The text that the functions get, with the queues' references filled in as CloudFormation would."""
    functions = resources(templates("dev")["realtime"], "AWS::Lambda::Function").values()
    for function in functions:
        variables = function["Properties"]["Environment"]["Variables"]
        for setting, kind in (("queue_urls", "Lane"), ("dead_letter_urls", "DeadLetters")):
            urls = LaneUrls(filled_in(variables[variable(StoreSettings, setting)]))
            for lane in Lane:
                assert f"Ref{lane.word.capitalize()}{kind}" in urls.url(lane.word)


def filled_in(value: Any) -> str:
    """A joined text, with another stack's output written as its name."""
    ((_, (separator, parts)),) = value.items()
    texts = [part if isinstance(part, str) else part["Fn::GetStackOutput"]["OutputName"] for part in parts]
    return str(separator).join(texts)
