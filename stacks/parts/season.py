"""The schedules of the season: each peak is raised and lowered by the clock, and every quarter of an hour set right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import time

    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sqs as sqs

    from carillon.policy.season import Peak

RECONCILE_MINUTES: Final = 15
_DAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_TRIES: Final = 10


class SeasonSchedules(Construct):
    """What calls the planner. A schedule says when; what is set then, the planner works out by itself.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        peaks: of the season.
        time_zone: in which their times are; the schedules follow its clock changes.
        target: the planner's alias.
        dead_letters: for calls that could not be made.

    Attributes:
        group: all schedules.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        peaks: Sequence[Peak],
        time_zone: str,
        target: lambda_.IAlias,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        # The CDK gives it a name and would keep it: the next deploy after a destroy or a roll-back would find it taken.
        self.group = scheduler.ScheduleGroup(self, "Group", removal_policy=cdk.RemovalPolicy.DESTROY)
        self._target, self._dead_letters, self._role = target, dead_letters, caller(self, "Caller", self.group)
        may_call(self._role, target, dead_letters)
        for peak in peaks:
            evenings = f"the peak of {peak.name}, {peak.multiplier:g} times the ordinary load"
            self._add(f"{peak.name}Raise", _cron(peak, peak.raise_at, time_zone), f"Raises capacity before {evenings}")
            self._add(f"{peak.name}Lower", _cron(peak, peak.lower_at, time_zone), f"Lowers capacity after {evenings}")
        rate = scheduler.ScheduleExpression.rate(cdk.Duration.minutes(RECONCILE_MINUTES))
        self._add("Reconcile", rate, "Sets right whatever differs from the plan, and makes up for a schedule missed")

    def _add(self, construct_id: str, schedule: scheduler.ScheduleExpression, description: str) -> None:
        scheduler.Schedule(
            self,
            construct_id,
            schedule=schedule,
            schedule_group=self.group,
            description=description,
            target=targets.LambdaInvoke(
                self._target,
                role=self._role,
                dead_letter_queue=self._dead_letters,
                retry_attempts=_TRIES,
                max_event_age=cdk.Duration.minutes(RECONCILE_MINUTES - 1),
                input=scheduler.ScheduleTargetInput.from_object({"cause": construct_id}),
            ),
        )


class OneOffCalls(Construct):
    """Where the planner puts its calls at exact times, and as whom EventBridge makes them.

    What is left of them when the stack goes, goes with the group (EventBridge Scheduler API Reference,
    "DeleteScheduleGroup").

    Args:
        scope: the stack.
        construct_id: what it is called in the template.

    Attributes:
        group: of those calls alone, so that the planner may write there and nowhere else.
        role: who makes them; `may_call` says what.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.group = scheduler.ScheduleGroup(self, "Group", removal_policy=cdk.RemovalPolicy.DESTROY)
        self.role = caller(self, "Caller", self.group)


def caller(scope: Construct, construct_id: str, group: scheduler.IScheduleGroup) -> iam.Role:
    """A role that only the Scheduler of this account may be, and only for the schedules of this group."""
    schedules = {"aws:SourceAccount": cdk.Stack.of(scope).account, "aws:SourceArn": group.schedule_group_arn}
    principal = iam.ServicePrincipal("scheduler.amazonaws.com", conditions={"StringEquals": schedules})
    return iam.Role(scope, construct_id, assumed_by=principal)


def may_call(role: iam.Role, target: lambda_.IAlias, dead_letters: sqs.IQueue | None = None) -> None:
    """Let it call an alias and nothing else, and leave what cannot be called."""
    role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[target.function_arn]))
    if dead_letters is not None:
        dead_letters.grant_send_messages(role)


def _cron(peak: Peak, at: time, time_zone: str) -> scheduler.ScheduleExpression:
    return scheduler.ScheduleExpression.cron(
        minute=str(at.minute),
        hour=str(at.hour),
        month=str(peak.month),
        week_day=",".join(_DAYS[day] for day in peak.weekdays),
        time_zone=cdk.TimeZone.of(time_zone),
    )
