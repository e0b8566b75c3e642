"""The lanes' queues in the emulator, with the attributes that the stacks give them."""

from __future__ import annotations

import json
from typing import Any, Final

import boto3

from carillon.model import Lane
from local.emulator import ACCESS_KEY, ACCOUNT, REGION
from local.wiring import wiring

LANES: Final = tuple(Lane.words())
DEAD_LETTERS: Final = "-dead-letters"
_TEXT_ATTRIBUTES: Final = {"MessageRetentionPeriod", "VisibilityTimeout", "DeduplicationScope", "FifoThroughputLimit"}


def queue_name(name: str) -> str:
    """What the emulator calls the queue `name` of the wiring: a lane, or a lane's dead letters."""
    return f"carillon-{name}.fifo"


def attributes(name: str) -> dict[str, str]:
    """A queue's SQS attributes, less its redrive policy and its key."""
    properties = wiring().queues[name]
    texts = {key: str(value) for key, value in properties.items() if key in _TEXT_ATTRIBUTES}
    return texts | {"FifoQueue": "true"}


def retention_s() -> int:
    """How long the lanes keep a message, in seconds."""
    return min(int(wiring().queues[lane]["MessageRetentionPeriod"]) for lane in LANES)


def sqs_client(endpoint: str) -> Any:
    """A boto3 SQS client of the emulator, for set-up and tests."""
    return boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key="local",  # noqa: S106 - the emulator checks none
    )


def queue_arn(name: str) -> str:
    """The ARN of the queue `name` in the emulator."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def create_queues(endpoint: str) -> None:
    """Make the lanes' queues and dead-letter queues; those that are there already stay.

    Args:
        endpoint: Of the emulator.
    """
    client = sqs_client(endpoint)
    for lane in LANES:
        dead = queue_name(lane + DEAD_LETTERS)
        client.create_queue(QueueName=dead, Attributes=attributes(lane + DEAD_LETTERS))
        redrive = {"deadLetterTargetArn": queue_arn(dead), "maxReceiveCount": wiring().queues[lane]["maxReceiveCount"]}
        client.create_queue(
            QueueName=queue_name(lane), Attributes=attributes(lane) | {"RedrivePolicy": json.dumps(redrive)}
        )
