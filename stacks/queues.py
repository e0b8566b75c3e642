"""Four FIFO lanes, each with its dead-letter queue: nothing that is urgent shares a queue with what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs

from carillon.config import LaneUrls, StoreSettings, environment
from carillon.model import Lane
from carillon.policy.lanes import LANES, MAX_RECEIVES
from stacks.parts.acknowledge import acknowledge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

    from stacks.stage import Stage

DEAD_LETTER_S: Final = 30
"""Longest run of the dead letters' function, and how long their queue hides what it holds."""
PLAN_S: Final = 180
"""Longest run of the planner: some forty calls, each tried four times at worst, and sixty days of weddings."""
CALENDAR_HIDDEN_S: Final = PLAN_S
"""How long a hint is hidden from a second round: one run, the least that Lambda takes, not the six that it advises. One
that meets a round at work is turned away, and must not wait until the next quarter of an hour."""
CALENDAR_KEPT: Final = cdk.Duration.hours(1)
"""By then four rounds have read the calendar anyway."""
KEY_REUSE: Final = cdk.Duration.hours(1)
"""How long SQS uses one data key. At the default of 5 minutes KMS stands in the way of a send twelve times as often, at
$0.03 per 10,000 calls; a day would keep a revoked key at work for that long."""
RETENTION: Final = cdk.Duration.days(14)
_TAKE: Final = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes")


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
        calendar: hints that a wedding was put or moved, for the planner of the same Region.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **options: Any) -> None:
        super().__init__(scope, construct_id, **options)
        self._endpoint = stage.queue_endpoint
        # Deleting it takes 30 days, whatever the stage, in which it can be taken back.
        self.key = kms.Key(
            self,
            "Key",
            enable_key_rotation=True,
            description="Broadcasts waiting in the lanes",
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.lanes: Mapping[Lane, LaneQueues] = {lane: self._lane(lane) for lane in Lane}
        self.calendar = self._calendar()
        self._peer: QueuesStack | None = None
        self._home = self.region

    def _lane(self, lane: Lane) -> LaneQueues:
        name = lane.word.capitalize()
        # A lane names its dead letters and they name it, by ARN; two resources of a template cannot refer to each
        # other, so the lane's name is given: the stack's own, which is unique in its account and Region.
        lane_name = f"{self.stack_name}-{lane.word}.fifo"
        lane_arn = self.format_arn(service="sqs", resource=lane_name)
        dead = self._queue(
            f"{name}DeadLetters",
            visibility_s=DEAD_LETTER_S,
            redrive_allow_policy=sqs.RedriveAllowPolicy(
                redrive_permission=sqs.RedrivePermission.BY_QUEUE,
                source_queues=[sqs.Queue.from_queue_arn(self, f"{name}Source", lane_arn)],
            ),
        )
        queue = self._queue(
            f"{name}Lane",
            visibility_s=LANES[lane].visibility_s,
            queue_name=lane_name,
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
            data_key_reuse=KEY_REUSE,
            enforce_ssl=True,
            visibility_timeout=cdk.Duration.seconds(visibility_s),
            retention_period=RETENTION,
            **options,
        )

    def _calendar(self) -> sqs.Queue:
        """Standard, so that a thousand hints of an import make one round; a hint says no more than "look"."""
        calendar = sqs.Queue(
            self,
            "Calendar",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=cdk.Duration.seconds(CALENDAR_HIDDEN_S),
            retention_period=CALENDAR_KEPT,
        )
        acknowledge(
            calendar,
            "AwsSolutions-SQS3",
            "A hint that is lost costs at most 15 minutes, after which the planner looks by itself; one that fails has "
            "rung the planner's own alarms",
        )
        return calendar

    def join(self, peer: QueuesStack, *, home: str) -> None:
        """Know the other Region's lanes, before any door is told: `home` is the Region where broadcasts begin."""
        self._peer, self._home = peer, home

    def settings(self) -> dict[str, str]:
        """What a door is told about the lanes."""
        dead = {lane.word: queues.dead_letters.queue_url for lane, queues in self.lanes.items()}
        values: dict[str, str] = {"queue_urls": self._urls(), "dead_letter_urls": LaneUrls.of(dead)}
        if self._peer is not None:
            values |= {
                "peer_region": self._peer.region,
                "peer_queue_urls": self._peer._urls(),  # noqa: SLF001 - of its own kind
                "home_region": self._home,
            }
        if self._endpoint:
            values["queue_endpoint"] = self._endpoint
        return environment(StoreSettings, **values)

    def _urls(self) -> LaneUrls:
        return LaneUrls.of({lane.word: queues.queue.queue_url for lane, queues in self.lanes.items()})

    def grant_send(self, grantee: iam.IGrantable) -> None:
        """Let it put broadcasts into every lane, of either Region, and ask whether the lanes are there."""
        for stack in (self, self._peer):
            if stack is not None:
                queues = [lane.queue for lane in stack.lanes.values()]
                stack._grant(grantee, queues, "sqs:SendMessage", "sqs:GetQueueAttributes")  # noqa: SLF001 - of its own kind

    def grant_consume(self, lane: Lane, grantee: iam.IGrantable) -> None:
        """Let it work a lane off: take, delete and hold its messages, follow them up, bury its poison.

        Where there are two Regions, also hand people over to the same lane of the other one.
        """
        queues = self.lanes[lane]
        if self._peer is not None:
            self._peer._grant(grantee, [self._peer.lanes[lane].queue], "sqs:SendMessage")  # noqa: SLF001 - same
        self._grant(grantee, [queues.queue], *_TAKE, "sqs:SendMessage")
        self._grant(grantee, [queues.dead_letters], "sqs:SendMessage")

    def grant_dead_letters(self, grantee: iam.IGrantable) -> None:
        """Let it take what was buried, of every lane."""
        self._grant(grantee, [queues.dead_letters for queues in self.lanes.values()], *_TAKE)

    def grant_look(self, grantee: iam.IGrantable) -> None:
        """Let it ask how much waits in the lanes, and no more."""
        arns = [lane.queue.queue_arn for lane in self.lanes.values()]
        iam.Grant.add_to_principal(grantee=grantee, actions=["sqs:GetQueueAttributes"], resource_arns=arns)

    def grant_calendar_changed(self, grantee: iam.IGrantable) -> None:
        """Let it say that the calendar has changed."""
        self._grant_calendar(grantee, "sqs:SendMessage")

    def grant_calendar_read(self, grantee: iam.IGrantable) -> None:
        """Let it take what was said of the calendar."""
        self._grant_calendar(grantee, *_TAKE)

    def _grant_calendar(self, grantee: iam.IGrantable, *actions: str) -> None:
        iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=[self.calendar.queue_arn])

    def _grant(self, grantee: iam.IGrantable, queues: list[sqs.Queue], *actions: str) -> None:
        arns = [queue.queue_arn for queue in queues]
        iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=arns)
        # On the grantee alone: the key's own policy lets the account decide, and a key that named whoever uses it
        # would tie this stack to all others.
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resource_arns=[self.key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"sqs.{self.region}.amazonaws.com"}},
        )
