"""Alarms, dashboards, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from carillon.model import Lane
from carillon.names import service_name
from stacks.parts import watch_doors, watch_stores
from stacks.parts.alarms import Alarms, any_of
from stacks.parts.dashboards import Dashboards
from stacks.parts.topics import Topics
from stacks.parts.watch_lanes import watch_lane

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.capacity import CapacityStack
    from stacks.data import DataStack
    from stacks.edge import EdgeStack
    from stacks.queues import QueuesStack
    from stacks.realtime import RealtimeStack
    from stacks.service import ServiceStack
    from stacks.stage import Stage

AT_RISK: Final = (
    *("CriticalOldest", "CriticalDepth", "CriticalFirstPost", "CriticalErrors", "CriticalThrottles"),
    *("CriticalThrottled", "CriticalHeldBack", "CriticalPostErrors", "CriticalOutage", "CriticalDeadLetters"),
    *("CriticalDeadLettersWaiting", "ApiDown", "Relay", "SocketFailures"),
)
"""Whatever lets a critical broadcast wait, fail or not be accepted."""


class WatchStack(cdk.Stack):
    """What watches one Region.

    Attributes:
        topics: who is told, `urgent` and `normal`.
        alarms: the alarms by name.
        dashboards: performance and capacity.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        data: DataStack,
        queues: QueuesStack,
        realtime: RealtimeStack,
        service: ServiceStack,
        edge: EdgeStack,
        capacity: CapacityStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self.topics = Topics(self, "Topics", email=stage.alarm_email)
        self.alarms = Alarms(self, "Alarms", topics=self.topics, service=service_name(stage.name))
        for lane in Lane:
            watch_lane(self.alarms, lane, queues.lanes[lane], realtime.consumers[lane])
        self._stores(data, stage)
        watch_doors.watch_api(self.alarms, edge, service)
        watch_doors.watch_relay(self.alarms)
        watch_doors.watch_sockets(self.alarms, realtime)
        watch_doors.watch_account(self.alarms, stage)
        watch_doors.watch_planner(self.alarms, capacity)
        watch_doors.watch_plan(self.alarms)
        if capacity.react is not None:
            watch_doors.watch_react(self.alarms, capacity.react)
        self.at_risk = self._at_risk()
        self.wedding_day = self._wedding_day()
        self.dashboards = Dashboards(
            self,
            "Dashboards",
            stage=stage,
            alarms=[self.at_risk, self.wedding_day, *self.alarms.made.values()],
            data=data,
            queues=queues,
            realtime=realtime,
            service=service,
            edge=edge,
        )

    def _stores(self, data: DataStack, stage: Stage) -> None:
        watch_stores.watch_index(self.alarms)
        watch_stores.watch_cache(self.alarms, data, stage)
        watch_stores.watch_database(self.alarms, data)
        watch_stores.tell_failovers(self, data, self.topics.urgent)

    def _at_risk(self) -> cloudwatch.CompositeAlarm:
        says = (
            "Weddings are at risk: a critical broadcast may not be accepted or may not ring in time. See which alarm."
        )
        return self.alarms.combine(
            "WeddingsAtRisk", any_of(self.alarms.made[name] for name in AT_RISK), says, "weddings-at-risk"
        )

    def _wedding_day(self) -> cloudwatch.CompositeAlarm:
        """The tighter limits, behind one switch: no schedule, so no day that somebody forgot."""
        switch = cloudwatch.AlarmRule.from_alarm(watch_doors.wedding_day(self.alarms), cloudwatch.AlarmState.ALARM)
        says = "There are weddings today, and a promise is just about to be missed. See which wedding-day alarm."
        rule = cloudwatch.AlarmRule.all_of(switch, any_of(self.alarms.wedding_day))
        return self.alarms.combine("WeddingDayLimits", rule, says, "weddings-at-risk")
