"""What is deployed, as CloudFormation tells it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.deploy import shims
from local.deploy.cdk import DeployError

if TYPE_CHECKING:
    from local.deploy.place import Place

BOOTSTRAP = "CDKToolkit"
LOOK_S = 0.2


@dataclass(frozen=True)
class Inventory:
    """All stacks but the bootstrap's.

    Attributes:
        stacks: how many resources each has.
        types: how many resources there are of each type.
        shimmed: of these, the ones without a thing behind them; where that depends on a property, as `type (property)`.
    """

    stacks: dict[str, int]
    types: dict[str, int]
    shimmed: dict[str, int]


def inventory(place: Place) -> Inventory:
    """Ask CloudFormation.

    Raises:
        DeployError: a stack is not whole.
    """
    client = place.client("cloudformation")
    stacks: dict[str, int] = {}
    types: Counter[str] = Counter()
    shimmed: Counter[str] = Counter()
    for stack in _stacks(client):
        name = stack["StackName"]
        if not stack["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")):
            raise DeployError(f"the stack {name} is {stack['StackStatus']}")
        kinds = [one["ResourceType"] for one in _resources(client, name)]
        stacks[name] = len(kinds)
        types.update(kinds)
        shimmed.update(kind for kind in kinds if kind in shims.KINDS)
        shimmed.update(_by_property(client.get_template(StackName=name)["TemplateBody"]))
    return Inventory(stacks, dict(sorted(types.items())), dict(sorted(shimmed.items())))


def _by_property(template: dict[str, Any]) -> list[str]:
    return [
        f"{kind} ({name})"
        for one in template["Resources"].values()
        for kind, name in shims.PROPERTY_SHIMS
        if one["Type"] == kind and name in one.get("Properties", {})
    ]


def _stacks(client: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator("describe_stacks").paginate()
    return [stack for page in pages for stack in page["Stacks"] if stack["StackName"] != BOOTSTRAP]


def _resources(client: Any, stack: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    return [one for page in pages for one in page["StackResourceSummaries"]]


def require_drained(place: Place, *, within_s: float) -> None:
    """Check that no message is left in any lane, among the dead letters, or of what the planner was told.

    Args:
        place: where they are.
        within_s: how long to wait for the planner's round, which starts cold some seconds after it was told.

    Raises:
        DeployError: names the queues and how many there are.
    """
    sqs, deadline = place.client("sqs"), time.monotonic() + within_s
    while left := _left(sqs):
        if time.monotonic() > deadline:
            raise DeployError(f"messages are left in queues: {left}; why is in the emulator's log")
        time.sleep(LOOK_S)  # a queue does not say when it is empty; bounded by the deadline


def _left(sqs: Any) -> dict[str, int]:
    """How many messages each queue has, hidden ones included; without those that have none."""
    left = {}
    for url in sqs.list_queues()["QueueUrls"]:
        counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        number = int(counted["ApproximateNumberOfMessages"]) + int(counted["ApproximateNumberOfMessagesNotVisible"])
        if number:
            left[url.rpartition("/")[2]] = number
    return left


def require_nothing(place: Place) -> None:
    """Check that all is gone after `destroy`: stacks, functions, queues, APIs.

    Raises:
        DeployError: names what is left.
    """
    left = [stack["StackName"] for stack in _stacks(place.client("cloudformation"))]
    left += [one["FunctionName"] for one in place.client("lambda").list_functions()["Functions"]]
    left += place.client("sqs").list_queues().get("QueueUrls", [])
    left += [api["ApiId"] for api in place.client("apigatewayv2").get_apis()["Items"]]
    if left:
        raise DeployError(f"after `cdk destroy` there is still {', '.join(left)}")
