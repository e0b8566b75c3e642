"""What reacts to load: a function that is called every minute, where lanes keep consumers warm at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from stacks.parts.function import ProductFunction
from stacks.parts.season import caller, may_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stacks.data import DataStack
    from stacks.network import NetworkStack
    from stacks.queues import QueuesStack
    from stacks.stage import Stage

REACT_S: Final = 50
"""Longest run: the next one comes after a minute, and sees what this one did."""
REACT_MB: Final = 512
ORDER_ACTIONS: Final = (
    *("lambda:GetProvisionedConcurrencyConfig", "lambda:PutProvisionedConcurrencyConfig"),
    "lambda:DeleteProvisionedConcurrencyConfig",
)


class Reactive(Construct):
    """The function that orders warm consumers when a lane fills up, and what calls it.

    A minute that is missed is not made up for: the next one knows more.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: how it is sized.
        network: where it runs.
        environment: its settings.
        group: the schedules' group.
        reserved: its reserved concurrency; None leaves it to the account.

    Attributes:
        function: the function and its alias.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        environment: Mapping[str, str],
        group: scheduler.IScheduleGroup,
        reserved: int | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = ProductFunction(
            self,
            "React",
            stage=stage,
            handler="lambdas.react.handler",
            environment=environment,
            network=network,
            timeout_s=REACT_S,
            memory_mb=REACT_MB,
            reserved=reserved,
        )
        self.function.alias.configure_async_invoke(retry_attempts=0, max_event_age=cdk.Duration.minutes(1))
        role = caller(self, "Caller", group)
        may_call(role, self.function.alias)
        scheduler.Schedule(
            self,
            "EveryMinute",
            schedule=scheduler.ScheduleExpression.rate(cdk.Duration.minutes(1)),
            schedule_group=group,
            description="Orders warm consumers for lanes that fill up, and lets them go again",
            target=targets.LambdaInvoke(
                self.function.alias,
                role=role,
                retry_attempts=0,
                max_event_age=cdk.Duration.minutes(1),
                input=scheduler.ScheduleTargetInput.from_object({"cause": "EveryMinute"}),
            ),
        )

    def grant(self, *, data: DataStack, queues: QueuesStack, consumers: Iterable[ProductFunction]) -> None:
        """Let it look at lanes and consumers, order warm ones, and keep a record."""
        made, function = list(consumers), self.function.function

        def allow(actions: tuple[str, ...], *resources: str) -> None:
            function.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=list(resources)))

        data.grant_database(function)
        queues.grant_look(function)
        allow(ORDER_ACTIONS, *(one.alias.function_arn for one in made))
        allow(("lambda:GetFunctionConcurrency",), *(one.function.function_arn for one in made))
        # Neither takes a narrower resource; ProductFunction's role says so of its own `*` already.
        allow(("application-autoscaling:DescribeScalableTargets", "cloudwatch:GetMetricData"), "*")
