"""One way to make an alarm: whom it tells, what it says, where the runbook is, what silence means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import aws_sns as sns

    from stacks.parts.topics import Topics

ABOVE: Final = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW: Final = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
AT_LEAST: Final = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD

FINE: Final = cloudwatch.TreatMissingData.NOT_BREACHING
"""Nothing happened, so nothing went wrong: for shares, times and queues that nobody uses."""
BAD: Final = cloudwatch.TreatMissingData.BREACHING
"""Somebody should have written a number: for what must beat."""
AS_BEFORE: Final = cloudwatch.TreatMissingData.IGNORE
"""For a switch that is written now and then."""


class Alarms(Construct):
    """All alarms of a Region, by their names.

    Args:
        scope: the stack.
        construct_id: what they are called in the template.
        topics: who is told.
        service: whose metrics of our own are watched.

    Attributes:
        service: the same, for whoever adds an alarm.
        made: the alarms that tell somebody, or feed one that does.
        wedding_day: those that count on wedding days only.
    """

    def __init__(self, scope: Construct, construct_id: str, *, topics: Topics, service: str) -> None:
        super().__init__(scope, construct_id)
        self._topics, self.service = topics, service
        self.made: dict[str, cloudwatch.Alarm] = {}
        self.wedding_day: list[cloudwatch.IAlarm] = []

    def add(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        says: str,
        runbook: str,
        *,
        operator: cloudwatch.ComparisonOperator = ABOVE,
        of: tuple[int, int] = (3, 5),
        missing: cloudwatch.TreatMissingData = FINE,
        tells: bool = True,
    ) -> cloudwatch.Alarm:
        """Make one.

        Args:
            name: construct id.
            metric: what it watches.
            threshold: its limit, in the metric's unit.
            says: what is wrong and what to do first.
            runbook: file in docs/runbooks, without its ending.
            operator: on which side of the threshold it rings.
            of: how many of the last how many data points.
            missing: what no data means.
            tells: whether it publishes to the normal topic; else it is part of one that does.
        """
        self.made[name] = alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            comparison_operator=operator,
            evaluation_periods=of[1],
            datapoints_to_alarm=of[0],
            treat_missing_data=missing,
            alarm_description=described(says, runbook),
        )
        if tells:
            alarm.add_alarm_action(actions.SnsAction(self._topics.normal))
        return alarm

    def add_tighter(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        says: str,
        runbook: str,
        *,
        operator: cloudwatch.ComparisonOperator = ABOVE,
    ) -> None:
        """The wedding-day twin of an alarm: sooner, tighter, and silent by itself."""
        says = f"Wedding-day limit, silent by itself: {says}"
        made = self.add(
            f"{name}WeddingDay", metric, threshold, says, runbook, operator=operator, of=(2, 3), tells=False
        )
        self.wedding_day.append(made)

    def combine(self, name: str, rule: cloudwatch.IAlarmRule, says: str, runbook: str) -> cloudwatch.CompositeAlarm:
        """An alarm of alarms, which tells the urgent topic when it begins and when it is over."""
        made = cloudwatch.CompositeAlarm(self, name, alarm_rule=rule, alarm_description=described(says, runbook))
        urgent: sns.ITopic = self._topics.urgent
        made.add_alarm_action(actions.SnsAction(urgent))
        made.add_ok_action(actions.SnsAction(urgent))
        return made


def described(says: str, runbook: str) -> str:
    """An alarm's description, as the mail shows it."""
    return f"{says} Runbook: docs/runbooks/{runbook}.md"


def any_of(alarms: Iterable[cloudwatch.IAlarm]) -> cloudwatch.IAlarmRule:
    """True while one of them rings."""
    states = [cloudwatch.AlarmRule.from_alarm(one, cloudwatch.AlarmState.ALARM) for one in alarms]
    return cloudwatch.AlarmRule.any_of(*states)
