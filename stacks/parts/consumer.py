"""A lane's consumer: the same function for each lane, kept apart in concurrency, and fed by the lane's queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs import Construct

from carillon.policy.lanes import LANES, MAX_CONCURRENCY
from stacks.parts.function import ProductFunction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_sqs as sqs

    from carillon.model import Lane
    from stacks.network import NetworkStack
    from stacks.stage import Stage

BATCH: Final = 10
"""Messages per call: the most that SQS FIFO gives."""
MEMORY_MB: Final = 1_769
"""One whole core: posting is bound by the processor, and half a core for twice the time costs the same."""
UTILISATION: Final = 0.7
"""Share of the warm environments in use at which more are warmed: 30 % are left for what comes meanwhile."""
UNRESERVED: Final = 100
"""Concurrency that Lambda demands be left to functions without a reservation."""
BESIDE: Final = 2
"""Set aside beside the lanes': the planner's one round, and that of what reacts to load."""


class LaneConsumer(Construct):
    """A lane's function, its scaling and its event source.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: whether environments are kept warm at rest.
        lane: whose numbers it gets from `carillon.policy.lanes`.
        queue: the lane.
        environment: the function's settings.
        network: where it runs.

    Attributes:
        function: the function and its alias.
        scaling: raises and lowers the warm environments between the lane's base and `MAX_CONCURRENCY`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        lane: Lane,
        queue: sqs.IQueue,
        environment: Mapping[str, str],
        network: NetworkStack,
    ) -> None:
        super().__init__(scope, construct_id)
        base = LANES[lane].concurrency if stage.warm_consumers else 0
        self.function = ProductFunction(
            self,
            "Consumer",
            stage=stage,
            handler="lambdas.deliver.handler",
            environment=environment,
            network=network,
            timeout_s=LANES[lane].visibility_s,
            memory_mb=MEMORY_MB,
            reserved=reserved(stage),
            provisioned=base,
        )
        self.scaling = self.function.alias.add_auto_scaling(min_capacity=base, max_capacity=MAX_CONCURRENCY)
        self.scaling.scale_on_utilization(utilization_target=UTILISATION)
        feed(self.function, "Lane", queue, max_concurrency=MAX_CONCURRENCY)


def feed(function: ProductFunction, construct_id: str, queue: sqs.IQueue, *, max_concurrency: int) -> None:
    """Feed a function from a FIFO queue; it answers which of up to ten messages failed, and only those come back.

    The right to take messages is granted by whoever owns the queue, not here: the CDK's own event source would let
    the function decrypt with the lanes' key past SQS.
    """
    function.alias.add_event_source_mapping(
        construct_id,
        event_source_arn=queue.queue_arn,
        batch_size=BATCH,
        report_batch_item_failures=True,
        max_concurrency=max_concurrency,
    )


def reserved(stage: Stage) -> int | None:
    """Concurrency set aside for each lane, where no other function gets at it; None where the account has too little.

    Four lanes of 50 leave 798 of an account's usual 1,000, of which Lambda demands 100. An account that has just been
    opened may have ten in all, where any reservation fails the deploy; it gets lanes that are only capped, and so does
    the stage that is tried first.
    """
    left = stage.lambda_concurrency - len(LANES) * MAX_CONCURRENCY - BESIDE
    if not stage.reserved_lanes or left < UNRESERVED:
        return None
    return MAX_CONCURRENCY
