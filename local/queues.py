"""The lanes' queues in the emulator: names from `carillon.names`, attributes as they are on AWS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import boto3

from carillon.names import lane_dead_letters, lane_queue
from local.emulator import ACCESS_KEY, ACCOUNT, REGION

LANES = ("critical", "high", "normal", "low")
MAX_RECEIVE_COUNT = 50
"""High on purpose: an outage returns messages again and again and must not dead-letter them (design section 3)."""
VISIBILITY_S = {"critical": 15, "high": 30, "normal": 30, "low": 30}
DEAD_LETTER_VISIBILITY_S = 30
RETENTION_S = 14 * 24 * 3600
FIFO = {
    "FifoQueue": "true",
    # Both together are SQS's high-throughput mode.
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
}


@dataclass(frozen=True)
class LaneQueues:
    """The URLs of one lane's queue and of its dead-letter queue."""

    lane: str
    queue_url: str
    dead_letter_url: str


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


def create_queues(endpoint: str) -> dict[str, LaneQueues]:
    """Make the four lanes' queues and dead-letter queues; those that are there already stay.

    Args:
        endpoint: Of the emulator.

    Returns:
        Lane name to its queues, most urgent first.
    """
    client = sqs_client(endpoint)
    return {lane: _create_lane(client, lane) for lane in LANES}


def _create_lane(client: Any, lane: str) -> LaneQueues:
    retention = {"MessageRetentionPeriod": str(RETENTION_S)}
    dead_attributes = FIFO | retention | {"VisibilityTimeout": str(DEAD_LETTER_VISIBILITY_S)}
    dead = client.create_queue(QueueName=lane_dead_letters(lane), Attributes=dead_attributes)["QueueUrl"]
    redrive = {"deadLetterTargetArn": queue_arn(lane_dead_letters(lane)), "maxReceiveCount": MAX_RECEIVE_COUNT}
    attributes = FIFO | retention
    attributes |= {"VisibilityTimeout": str(VISIBILITY_S[lane]), "RedrivePolicy": json.dumps(redrive)}
    queue = client.create_queue(QueueName=lane_queue(lane), Attributes=attributes)["QueueUrl"]
    return LaneQueues(lane, queue, dead)
