"""The HTTP API and the relay loop on ECS Fargate, behind a load balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_logs as logs

from carillon.config import ApiSettings, StoreSettings, environment
from carillon.protocol.web import API_POOL, API_PORT, GRACE_S, READY
from stacks.parts.acknowledge import acknowledge, wildcard
from stacks.parts.function import powertools, retention
from stacks.parts.image import CHECK, COMMAND, USER, image, platform
from stacks.parts.sizes import CORE_UNITS, capacity_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

    from stacks.data import DataStack
    from stacks.edge import EdgeStack
    from stacks.identity import IdentityStack
    from stacks.network import NetworkStack
    from stacks.queues import QueuesStack
    from stacks.realtime import RealtimeStack
    from stacks.stage import Stage

STOP_S: Final = GRACE_S + 15
"""After SIGTERM until SIGKILL: requests under way, then the relay's round."""
DRAIN_S: Final = GRACE_S
"""How long the balancer lets requests of a leaving task finish; ECS sends SIGTERM after that."""
READY_EVERY_S: Final = 30
READY_MISSES: Final = 10
"""ECS replaces a task that the balancer calls unhealthy, and `/readyz` says no while the database is away. A fail-over
takes a minute or two; new tasks would not find the database either. So a task has five minutes."""
START_S: Final = 120
"""How long a new task may be unready."""
ALIVE_EVERY_S: Final = 10
ALIVE_MISSES: Final = 3
CPU_PERCENT: Final = 55
MEMORY_PERCENT: Final = 70
REQUESTS_PER_MINUTE: Final = 6_000
"""Of one core, at which another task starts: a broadcast takes 4.4 ms of a core, so 13,600 a minute fill it; 44 %
leaves room for the two minutes in which a new task comes up (docs/adr/0016-edge.md)."""
OUT_S: Final = 60
IN_S: Final = 300


class ServiceStack(cdk.Stack):
    """The API of one Region.

    Attributes:
        cluster: where it runs.
        service: its tasks.
        scaling: of their number, between the stage's bounds.
        targets: the tasks as the balancer sees them.
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
        identity: IdentityStack,
        realtime: RealtimeStack,
        edge: EdgeStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._stage, self._network = stage, network
        self.cluster = ecs.Cluster(
            self, "Cluster", vpc=network.vpc, container_insights_v2=ecs.ContainerInsights.ENABLED
        )
        stores = {**data.settings(), **queues.settings()}
        # The forecast that it answers is made of the same sizes as the plan.
        told = {**powertools(stage), **stores, **capacity_settings(stage), **self._settings(identity, realtime, queues)}
        self.task = self._task(told)
        data.grant_stores(self.task.task_role)
        queues.grant_send(self.task.task_role)
        queues.grant_calendar_changed(self.task.task_role)
        # Erasing a person closes their sockets at once.
        realtime.grant_post(self.task.task_role)
        self.service = self._service()
        self.service.node.add_dependency(data.migrated)
        self.targets = self._targets(edge)
        self.scaling = self._scaling()
        data.migrate_after(self, "MigratedAfter", self.service)

    def _settings(self, identity: IdentityStack, realtime: RealtimeStack, queues: QueuesStack) -> dict[str, str]:
        return {
            **identity.settings(),
            **realtime.settings(),
            **environment(StoreSettings, database_pool=str(API_POOL), region=self.region),
            **environment(
                ApiSettings,
                websocket_url=realtime.websocket_url,
                sign_in_client=identity.sign_in_client,
                sign_in_scope=identity.sign_in_scope,
                sign_in_origins=identity.sign_in_origins,
                calendar_queue=queues.calendar.queue_url,
            ),
        }

    def _task(self, settings: Mapping[str, str]) -> ecs.FargateTaskDefinition:
        stage = self._stage
        task = ecs.FargateTaskDefinition(
            self, "Task", cpu=stage.task_cpu, memory_limit_mib=stage.task_memory_mb, runtime_platform=platform(stage)
        )
        log = logs.LogGroup(self, "Log", retention=retention(stage), removal_policy=cdk.RemovalPolicy.DESTROY)
        task.add_container(
            "Api",
            image=image(self, stage),
            command=list(COMMAND),
            user=USER,
            environment=dict(settings),
            logging=ecs.LogDrivers.aws_logs(stream_prefix="api", log_group=log),
            port_mappings=[ecs.PortMapping(container_port=API_PORT)],
            readonly_root_filesystem=True,
            linux_parameters=self._parameters(),
            stop_timeout=cdk.Duration.seconds(STOP_S),
            # Whether the process lives, not whether its stores do: ECS replaces what fails here at once.
            health_check=ecs.HealthCheck(
                command=["CMD", *CHECK],
                interval=cdk.Duration.seconds(ALIVE_EVERY_S),
                retries=ALIVE_MISSES,
                start_period=cdk.Duration.seconds(START_S),
            ),
        )
        acknowledge(
            task, "AwsSolutions-ECS2", "They are no secrets: whoever may use the stores signs in with the task's role"
        )
        execution = task.execution_role
        assert execution is not None
        wildcard(execution, "*", "ecr:GetAuthorizationToken is about the registry and takes no resource")
        return task

    def _parameters(self) -> ecs.LinuxParameters:
        parameters = ecs.LinuxParameters(self, "Linux", init_process_enabled=True)
        parameters.drop_capabilities(ecs.Capability.ALL)
        return parameters

    def _service(self) -> ecs.FargateService:
        network = self._network
        return ecs.FargateService(
            self,
            "Service",
            cluster=self.cluster,
            task_definition=self.task,
            vpc_subnets=network.private,
            security_groups=[
                ec2.SecurityGroup.from_security_group_id(
                    self, "Clients", network.clients.security_group_id, mutable=False
                )
            ],
            assign_public_ip=False,
            # No desired count: a deploy keeps what scaling and the planner have reached.
            min_healthy_percent=100,
            max_healthy_percent=200,
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.ENABLED,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            health_check_grace_period=cdk.Duration.seconds(START_S),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )

    def _targets(self, edge: EdgeStack) -> elb.ApplicationTargetGroup:
        targets = elb.ApplicationTargetGroup(
            self,
            "Targets",
            vpc=self._network.vpc,
            port=API_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            target_type=elb.TargetType.IP,
            targets=[self.service],
            deregistration_delay=cdk.Duration.seconds(DRAIN_S),
            load_balancing_algorithm_type=elb.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
            health_check=elb.HealthCheck(
                path=READY,
                healthy_http_codes="200",
                interval=cdk.Duration.seconds(READY_EVERY_S),
                timeout=cdk.Duration.seconds(READY_EVERY_S // 2),
                healthy_threshold_count=2,
                unhealthy_threshold_count=READY_MISSES,
            ),
        )
        rule = elb.ApplicationListenerRule(
            self,
            "Rule",
            listener=edge.listener,
            priority=1,
            conditions=[elb.ListenerCondition.path_patterns(["/*"])],
            action=elb.ListenerAction.forward([targets]),
        )
        # ECS refuses a service whose target group has no balancer yet.
        self.service.node.add_dependency(rule)
        return targets

    def _scaling(self) -> ecs.ScalableTaskCount:
        made = self.service.auto_scale_task_count(
            min_capacity=self._stage.min_tasks, max_capacity=self._stage.max_tasks
        )
        pauses: dict[str, Any] = {
            "scale_out_cooldown": cdk.Duration.seconds(OUT_S),
            "scale_in_cooldown": cdk.Duration.seconds(IN_S),
        }
        made.scale_on_cpu_utilization("Cpu", target_utilization_percent=CPU_PERCENT, **pauses)
        made.scale_on_memory_utilization("Memory", target_utilization_percent=MEMORY_PERCENT, **pauses)
        made.scale_on_request_count(
            "Requests", requests_per_target=requests_per_minute(self._stage), target_group=self.targets, **pauses
        )
        return made


def requests_per_minute(stage: Stage) -> int:
    """At which a task of the stage's size gets another one beside it; it is one process, and a second core idles."""
    return REQUESTS_PER_MINUTE * min(stage.task_cpu, CORE_UNITS) // CORE_UNITS
