"""Four FIFO lanes, each with its dead-letter queue: nothing that is urgent shares a queue with what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs

from carillon.config import LaneUrls, StoreSettings, environment
from carillon.model import Lane
from carillon.policy.lanes import LANES, MAX_RECEIVES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

    from stacks.stage import Stage


@dataclass(frozen=True)
class LaneQueues:
    """One lane's queue and where its poison goes."""

    queue: sqs.Queue
    dead_letters: sqs.Queue


class QueuesStack(cdk.Stack):
    """The lanes of one Region.

    Attributes:
        lanes: the queues by lane.
        key: what they are encrypted with.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **options: Any) -> None:
        super().__init__(scope, construct_id, **options)
        self._stage = stage
        self.key = kms.Key(self, "Key", enable_key_rotation=True, description="Broadcasts waiting in the lanes")
        self.lanes: Mapping[Lane, LaneQueues] = {lane: self._lane(lane) for lane in Lane}

    def _lane(self, lane: Lane) -> LaneQueues:
        name = lane.word.capitalize()
        dead = self._queue(f"{name}DeadLetters", visibility_s=LANES[lane].visibility_s)
        queue = self._queue(
            f"{name}Lane",
            visibility_s=LANES[lane].visibility_s,
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=MAX_RECEIVES, queue=dead),
        )
        return LaneQueues(queue, dead)

    def _queue(self, construct_id: str, *, visibility_s: int, **options: Any) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            fifo=True,
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
            fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self.key,
            enforce_ssl=True,
            visibility_timeout=cdk.Duration.seconds(visibility_s),
            retention_period=cdk.Duration.days(14),
            **options,
        )

    def settings(self) -> dict[str, str]:
        """What a door is told about the lanes."""
        return environment(
            StoreSettings,
            queue_urls=LaneUrls.of({lane.word: queues.queue.queue_url for lane, queues in self.lanes.items()}),
            dead_letter_urls=LaneUrls.of(
                {lane.word: queues.dead_letters.queue_url for lane, queues in self.lanes.items()}
            ),
        )
