"""What the planner may do in AWS, knob by knob: to this service, these consumers, this cluster, its own schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from stacks.parts.acknowledge import wildcard

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_rds as rds

    from stacks.parts.function import ProductFunction
    from stacks.parts.season import OneOffCalls

TASKS: Final = "ecs:service:DesiredCount"
WARM: Final = "lambda:function:ProvisionedConcurrency"
READERS: Final = "rds:cluster:ReadReplicaCount"

SERVICE_ACTIONS: Final = ("ecs:DescribeServices", "ecs:UpdateService")
RESERVE_ACTIONS: Final = ("lambda:GetFunctionConcurrency", "lambda:PutFunctionConcurrency")
WARM_ACTIONS: Final = (
    *("lambda:GetProvisionedConcurrencyConfig", "lambda:PutProvisionedConcurrencyConfig"),
    "lambda:DeleteProvisionedConcurrencyConfig",
)
"""The planner calls none of those that put and delete, nor UpdateService: Application Auto Scaling asks that its caller
might (Application Auto Scaling User Guide, "Permissions required for API actions on target services")."""
CLUSTER_ACTIONS: Final = ("rds:DescribeDBClusters", "rds:ModifyDBCluster")
SCHEDULE_ACTIONS: Final = (*("scheduler:CreateSchedule", "scheduler:DeleteSchedule"),)
_PROBED: Final = "non-existing-db"
"""The instance of account 12345 that Application Auto Scaling tries to tag; IAM takes no account of five digits."""


class PlannerRights:
    """Grants rights to the planner's function.

    Args:
        function: the planner's.
    """

    def __init__(self, function: lambda_.Function) -> None:
        role = function.role
        assert isinstance(role, iam.Role)
        self._function, self._role, self._stack = function, role, cdk.Stack.of(function)

    def _allow(self, actions: Sequence[str], *resources: str, **options: object) -> None:
        self._function.add_to_role_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources), **options)  # type: ignore[arg-type]
        )

    def size_service(self, arn: str) -> None:
        """The API's tasks."""
        self._allow(SERVICE_ACTIONS, arn)

    def size_consumers(self, consumers: Iterable[ProductFunction]) -> None:
        """What is set aside for the lanes, and what stands warm in them."""
        made = list(consumers)
        self._allow(RESERVE_ACTIONS, *(one.function.function_arn for one in made))
        self._allow(WARM_ACTIONS, *(one.alias.function_arn for one in made))

    def size_cluster(self, cluster: rds.DatabaseCluster) -> None:
        """The least capacity of the database."""
        self._allow(CLUSTER_ACTIONS, cluster.cluster_arn)

    def size_readers(self, cluster: rds.DatabaseCluster) -> None:
        """The number of its readers: what Application Auto Scaling tries in its caller's name before it registers.

        It creates and deletes an instance without a name, and tags one that cannot be (Application Auto Scaling User
        Guide, "Permissions validation"). These rights reach so far and no further: no instance can be made or deleted
        with them, nor tagged unless it has the made-up one's name.
        """
        nameless = self._arn("rds", "db:")
        instances, probe = self._arn("rds", "db:*"), self._probe()
        self._allow(("rds:CreateDBInstance",), cluster.cluster_arn, nameless)
        self._allow(("rds:DeleteDBInstance",), nameless)
        self._allow(("rds:AddTagsToResource",), probe)
        self._allow(("rds:DescribeDBInstances",), instances)
        wildcard(
            self._role,
            probe,
            "Application Auto Scaling's made-up instance is in no account, and its Region is not told",
        )
        wildcard(self._role, instances, "Readers are looked up by their cluster, and scaling makes their names up")

    def register(self, dimensions: Sequence[str]) -> None:
        """Minimums of Application Auto Scaling. No service-linked role is made: the targets' deployment made them."""
        # AWS has no narrower resource for looking; ProductFunction's role says so of its own `*` already.
        self._allow(("application-autoscaling:DescribeScalableTargets",), "*")
        targets = self._arn("application-autoscaling", "scalable-target/*")
        self._allow(
            ("application-autoscaling:RegisterScalableTarget",),
            targets,
            conditions={"StringEquals": {"application-autoscaling:scalable-dimension": list(dimensions)}},
        )
        wildcard(
            self._role,
            targets,
            "AWS makes up a scalable target's id when it is registered; the condition keeps to what the plan sizes",
        )

    def schedule(self, calls: OneOffCalls) -> None:
        """Calls at exact times, in a group of their own."""
        ours = self._arn("scheduler", f"schedule/{calls.group.schedule_group_name}/*")
        every = self._arn("scheduler", "schedule/*/*")
        self._allow(SCHEDULE_ACTIONS, ours)
        self._allow(("scheduler:ListSchedules",), every)
        self._allow(
            ("iam:PassRole",),
            calls.role.role_arn,
            conditions={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        )
        wildcard(self._role, ours, "A call is named for its time; the group is the planner's own")
        wildcard(self._role, every, "EventBridge Scheduler lets list every group or none, whichever is asked for")

    def _arn(self, service: str, resource: str) -> str:
        return self._stack.format_arn(service=service, resource=resource)

    def _probe(self) -> str:
        return self._stack.format_arn(service="rds", region="*", account="*", resource=f"db:{_PROBED}")
