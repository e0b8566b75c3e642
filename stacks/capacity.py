"""What brings capacity to what weddings and season ask for: the planner and what calls it, what reacts, a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs

from carillon.config import LaneUrls, PlanSettings, environment
from carillon.names import FUNCTION_ALIAS
from carillon.policy import season
from stacks.parts.acknowledge import acknowledge
from stacks.parts.budget import Budget
from stacks.parts.consumer import reserved
from stacks.parts.function import ProductFunction
from stacks.parts.planner_rights import READERS, TASKS, WARM, PlannerRights
from stacks.parts.reactive import Reactive
from stacks.parts.season import RECONCILE_MINUTES, OneOffCalls, SeasonSchedules, may_call
from stacks.parts.sizes import capacity_settings
from stacks.queues import PLAN_S

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.data import DataStack
    from stacks.network import NetworkStack
    from stacks.queues import QueuesStack
    from stacks.realtime import RealtimeStack
    from stacks.service import ServiceStack
    from stacks.stage import Stage

HINTS: Final = 1_000
"""Of the calendar, that make one round at most."""
HINTS_S: Final = 5
"""How long a round waits for more of them: an import puts hundreds of weddings in a second."""
HINTED_ROUNDS: Final = 2
"""At once, which is Lambda's least; a round that meets another one finds nothing left to change."""


class CapacityStack(cdk.Stack):
    """The planner of one Region.

    Attributes:
        plan: the planner function.
        react: the function that reacts to load; None where no consumers are kept warm.
        schedules: what calls them.
        one_offs: where the planner puts its calls at exact times.
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
        queues: QueuesStack,
        realtime: RealtimeStack,
        service: ServiceStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._stage, self._network, self._data, self._queues = stage, network, data, queues
        self._realtime, self._service = realtime, service
        self.dead_letters = self._dead_letters()
        self.one_offs = OneOffCalls(self, "OneOffs")
        self.plan = self._plan()
        may_call(self.one_offs.role, self.plan.alias, self.dead_letters)
        self._feed()
        self.schedules = SeasonSchedules(
            self,
            "Season",
            peaks=season.peaks(season.profile(stage.season)),
            time_zone=season.zone(stage.time_zone).key,
            target=self.plan.alias,
            dead_letters=self.dead_letters,
        )
        self.react = self._react() if stage.warm_consumers or stage.warm_peaks else None
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

    @property
    def _alone(self) -> int | None:
        """One run at a time, where concurrency is set aside at all; else the account's is everybody's."""
        return None if reserved(self._stage) is None else 1

    def _plan(self) -> ProductFunction:
        data = self._data
        plan = ProductFunction(
            self,
            "Plan",
            stage=self._stage,
            handler="lambdas.plan.handler",
            environment=self._environment(),
            network=self._network,
            timeout_s=PLAN_S,
            # One round at a time: what a round sets is absolute, so the later of two must be the later to end.
            reserved=self._alone,
        )
        plan.alias.configure_async_invoke(
            retry_attempts=2,
            max_event_age=cdk.Duration.minutes(RECONCILE_MINUTES - 1),
            on_failure=destinations.SqsDestination(self.dead_letters),
        )
        # Both stores: it reads weddings, and reads their people into memory ahead of time.
        data.grant_stores(plan.function)
        self._queues.grant_calendar_read(plan.function)
        self._let(PlannerRights(plan.function))
        plan.node.add_dependency(data.migrated)
        return plan

    def _let(self, planner: PlannerRights) -> None:
        planner.size_service(self._service.service.service_arn)
        planner.size_consumers(self._realtime.consumers.values())
        if self._plans_database:
            planner.size_cluster(self._data.cluster)
        if self._plans_readers:
            planner.size_readers(self._data.cluster)
        planner.register([TASKS, WARM, *([READERS] if self._plans_readers else [])])
        planner.schedule(self.one_offs)

    def _feed(self) -> None:
        """A round as soon as the calendar has changed; like the others it may come twice, and then changes nothing."""
        self.plan.alias.add_event_source_mapping(
            "Calendar",
            event_source_arn=self._queues.calendar.queue_arn,
            batch_size=HINTS,
            max_batching_window=cdk.Duration.seconds(HINTS_S),
            max_concurrency=HINTED_ROUNDS,
        )

    def _react(self) -> ProductFunction:
        made = Reactive(
            self,
            "Reactive",
            stage=self._stage,
            network=self._network,
            environment={**self._environment(), **self._queues.settings()},
            group=self.schedules.group,
            reserved=self._alone,
        )
        made.grant(data=self._data, queues=self._queues, consumers=self._realtime.consumers.values())
        made.node.add_dependency(self._data.migrated)
        return made.function

    @property
    def _plans_database(self) -> bool:
        """A database that was there before is sized by whoever made it."""
        return not self._stage.database_url

    @property
    def _plans_readers(self) -> bool:
        return self._plans_database and self._data.readers_scale

    def _environment(self) -> dict[str, str]:
        return {**self._data.settings(), **capacity_settings(self._stage), **self._knobs(), **self._endpoints()}

    def _knobs(self) -> dict[str, str]:
        """What is turned, and what calls the planner at exact times."""
        names = {lane.word: made.function.function_name for lane, made in self._realtime.consumers.items()}
        return environment(
            PlanSettings,
            service=f"{self._service.cluster.cluster_name}/{self._service.service.service_name}",
            functions=LaneUrls.of({lane: f"{name}:{FUNCTION_ALIAS}" for lane, name in names.items()}),
            database=self._data.cluster.cluster_identifier if self._plans_database else "",
            readers_scale=str(self._plans_readers).lower(),
            schedule_group=self.one_offs.group.schedule_group_name,
            schedule_role=self.one_offs.role.role_arn,
            schedule_dead_letters=self.dead_letters.queue_arn,
        )

    def _endpoints(self) -> dict[str, str]:
        """Without NAT, AWS's APIs are reached at their dual-stack names.

        ECS, Lambda, Application Auto Scaling, RDS, CloudWatch, SQS and EventBridge Scheduler have them
        (`SERVICE.REGION.api.aws`; AWS General Reference, "Service endpoints", 2026-11).
        """
        return {"AWS_USE_DUALSTACK_ENDPOINT": "true"} if self._stage.egress == "ipv6" else {}
