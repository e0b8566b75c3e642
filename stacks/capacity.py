"""What raises capacity for the season's peaks and lowers it again: schedules, the planner they call, and a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs

from carillon.config import LaneUrls, PlanSettings, environment
from carillon.names import DATABASE_LOGIN
from carillon.policy import season
from carillon.policy.lanes import MAX_CONCURRENCY
from stacks.parts.acknowledge import acknowledge
from stacks.parts.budget import Budget
from stacks.parts.consumer import reserved
from stacks.parts.function import ALIAS, ProductFunction
from stacks.parts.season import RECONCILE_MINUTES, SeasonSchedules

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.data import DataStack
    from stacks.network import NetworkStack
    from stacks.realtime import RealtimeStack
    from stacks.service import ServiceStack
    from stacks.stage import Stage

PLAN_S: Final = 120
"""Some thirty calls, each tried four times at worst."""
DIMENSIONS: Final = ("ecs:service:DesiredCount", "lambda:function:ProvisionedConcurrency")

SERVICE_ACTIONS: Final = ("ecs:DescribeServices", "ecs:UpdateService")
RESERVE_ACTIONS: Final = ("lambda:GetFunctionConcurrency", "lambda:PutFunctionConcurrency")
WARM_ACTIONS: Final = (
    *("lambda:GetProvisionedConcurrencyConfig", "lambda:PutProvisionedConcurrencyConfig"),
    "lambda:DeleteProvisionedConcurrencyConfig",
)
"""The planner calls none of those that put and delete, nor UpdateService: Application Auto Scaling asks that its caller
might (Application Auto Scaling User Guide, "Permissions required for API actions on target services")."""


class CapacityStack(cdk.Stack):
    """The planner of one Region.

    Attributes:
        plan: the planner function.
        schedules: what calls it.
        dead_letters: rounds that could not be started, or failed three times.
        budget: the account's monthly budget and who is told; in the first Region only, since it is the account's.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        data: DataStack,
        realtime: RealtimeStack,
        service: ServiceStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._stage, self._realtime, self._service = stage, realtime, service
        self.dead_letters = self._dead_letters()
        self.plan = self._plan(network, data)
        self.schedules = SeasonSchedules(
            self,
            "Season",
            peaks=season.peaks(season.profile(stage.season)),
            time_zone=season.zone(stage.time_zone).key,
            target=self.plan.alias,
            dead_letters=self.dead_letters,
        )
        primary = self.region == stage.primary
        self.budget = Budget(self, "Budget", usd=stage.budget_usd, email=stage.alarm_email) if primary else None

    def _dead_letters(self) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        acknowledge(queue, "AwsSolutions-SQS3", "It is itself where failed rounds of the planner end")
        return queue

    def _plan(self, network: NetworkStack, data: DataStack) -> ProductFunction:
        plan = ProductFunction(
            self,
            "Plan",
            stage=self._stage,
            handler="lambdas.plan.handler",
            environment={**data.settings(), **self._settings(), **self._endpoints()},
            network=network,
            timeout_s=PLAN_S,
            # One round at a time: what a round sets is absolute, so the later of two must be the later to end.
            reserved=None if reserved(self._stage) is None else 1,
        )
        plan.alias.configure_async_invoke(
            retry_attempts=2,
            max_event_age=cdk.Duration.minutes(RECONCILE_MINUTES - 1),
            on_failure=destinations.SqsDestination(self.dead_letters),
        )
        data.proxy.grant_connect(plan.function, DATABASE_LOGIN)
        self._grant(plan)
        plan.node.add_dependency(data.migrated)
        return plan

    def _settings(self) -> dict[str, str]:
        """Sizes at rest and hard caps."""
        stage, set_aside = self._stage, reserved(self._stage)
        names = {lane.word: made.function.function_name for lane, made in self._realtime.consumers.items()}
        return environment(
            PlanSettings,
            season=stage.season,
            time_zone=stage.time_zone,
            service=f"{self._service.cluster.cluster_name}/{self._service.service.service_name}",
            functions=LaneUrls.of({lane: f"{name}:{ALIAS}" for lane, name in names.items()}),
            min_tasks=str(stage.min_tasks),
            max_tasks=str(stage.max_tasks),
            lane_max=str(MAX_CONCURRENCY),
            warm=str(stage.warm_consumers).lower(),
            warm_peaks=str(stage.warm_peaks).lower(),
            **({} if set_aside is None else {"reserved": LaneUrls.of(dict.fromkeys(names, str(set_aside)))}),
        )

    def _endpoints(self) -> dict[str, str]:
        """Without NAT, AWS's APIs are reached at their dual-stack names."""
        return {"AWS_USE_DUALSTACK_ENDPOINT": "true"} if self._stage.egress == "ipv6" else {}

    def _grant(self, plan: ProductFunction) -> None:
        """No service-linked role is made here: the scalable targets' deployment has made them."""
        consumers = list(self._realtime.consumers.values())

        def allow(actions: tuple[str, ...], *resources: str, **options: Any) -> None:
            plan.function.add_to_role_policy(
                iam.PolicyStatement(actions=list(actions), resources=list(resources), **options)
            )

        allow(SERVICE_ACTIONS, self._service.service.service_arn)
        allow(RESERVE_ACTIONS, *(made.function.function_arn for made in consumers))
        allow(WARM_ACTIONS, *(made.alias.function_arn for made in consumers))
        # AWS has no narrower resource for looking; ProductFunction's role says so of its own `*` already.
        allow(("application-autoscaling:DescribeScalableTargets",), "*")
        allow(
            ("application-autoscaling:RegisterScalableTarget",),
            self.format_arn(service="application-autoscaling", resource="scalable-target", resource_name="*"),
            conditions={"StringEquals": {"application-autoscaling:scalable-dimension": list(DIMENSIONS)}},
        )
        acknowledge(
            plan.node.find_child("Role"),
            f"AwsSolutions-IAM5[Resource::arn:aws:application-autoscaling:{self.region}:<AWS::AccountId>"
            ":scalable-target/*]",
            "AWS makes up a scalable target's id when it is registered; the condition keeps to tasks and consumers",
        )
