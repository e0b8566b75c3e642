"""Two dashboards: how fast and how rightly it rings, and how much room is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from carillon.model import Lane
from carillon.names import Metric, service_name
from carillon.policy.lanes import MAX_CONCURRENCY
from stacks.parts import thresholds
from stacks.parts.measured import MINUTE, measured, share
from stacks.parts.thresholds import lane_thresholds
from stacks.parts.watch_doors import ROUND, of_sockets
from stacks.parts.watch_stores import nodes, of_cluster, of_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stacks.data import DataStack
    from stacks.edge import EdgeStack
    from stacks.parts.function import ProductFunction
    from stacks.queues import QueuesStack
    from stacks.realtime import RealtimeStack
    from stacks.service import ServiceStack
    from stacks.stage import Stage

_ROW: Final = 3
_WIDTH: Final = 24
_STATUS_HEIGHT: Final = 8
ALARMS_SHOWN: Final = 100
"""The most that CloudWatch takes in one widget; with more it refuses the whole dashboard (CloudWatch API Reference,
"Dashboard Body Structure")."""
_COLOURS: Final = {
    Lane.CRITICAL: cloudwatch.Color.RED,
    Lane.HIGH: cloudwatch.Color.ORANGE,
    Lane.NORMAL: cloudwatch.Color.BLUE,
    Lane.LOW: cloudwatch.Color.GREY,
}


class Dashboards(Construct):
    """Of one Region.

    Args:
        scope: the stack.
        construct_id: what they are called in the template.
        stage: for its limits.
        alarms: whose states the performance dashboard begins with.
        data: the stores.
        queues: the lanes.
        realtime: the sockets and consumers.
        service: the API.
        edge: the load balancer.

    Attributes:
        performance: what clients notice.
        capacity: what is used of what there is.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        alarms: Sequence[cloudwatch.IAlarm],
        data: DataStack,
        queues: QueuesStack,
        realtime: RealtimeStack,
        service: ServiceStack,
        edge: EdgeStack,
    ) -> None:
        super().__init__(scope, construct_id)
        own = service_name(stage.name)
        seen = [*_lanes(own, queues), *_doors(own, realtime, edge), *_stores(own, data)]
        used = [*_demand(own, stage, realtime), *_doors_room(stage, realtime, service), *_room(stage, data)]
        self.performance = cloudwatch.Dashboard(
            self,
            "Performance",
            widgets=[*_status(alarms), *_rows(seen)],
        )
        self.capacity = cloudwatch.Dashboard(
            self,
            "Capacity",
            widgets=_rows(used),
        )


def _status(alarms: Sequence[cloudwatch.IAlarm]) -> list[list[cloudwatch.IWidget]]:
    return [
        [
            cloudwatch.AlarmStatusWidget(
                title="Alarms", alarms=list(alarms[start : start + ALARMS_SHOWN]), width=_WIDTH, height=_STATUS_HEIGHT
            )
        ]
        for start in range(0, len(alarms), ALARMS_SHOWN)
    ]


def _rows(graphs: Sequence[cloudwatch.IWidget]) -> list[list[cloudwatch.IWidget]]:
    return [list(graphs[start : start + _ROW]) for start in range(0, len(graphs), _ROW)]


def _graph(
    title: str, left: Iterable[cloudwatch.IMetric], limits: Iterable[tuple[float, str]] = (), **more: Any
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(left),
        left_annotations=[cloudwatch.HorizontalAnnotation(value=value, label=label) for value, label in limits],
        width=_WIDTH // _ROW,
        **more,
    )


def _by_lane(service: str, metric: Metric, statistic: str) -> list[cloudwatch.IMetric]:
    return [_coloured(measured(service, metric, statistic, lane=lane), lane) for lane in Lane]


def _coloured(metric: cloudwatch.Metric, lane: Lane) -> cloudwatch.IMetric:
    return metric.with_(color=_COLOURS[lane], label=lane.word)


def _lanes(service: str, queues: QueuesStack) -> list[cloudwatch.IWidget]:
    def of_queue(pick: Callable[[Any], cloudwatch.Metric]) -> list[cloudwatch.IMetric]:
        return [_coloured(pick(queues.lanes[lane]), lane) for lane in Lane]

    critical = lane_thresholds(Lane.CRITICAL, wedding_day=True)
    posts = [
        share(
            measured(service, metric, "Sum", lane=lane),
            measured(service, Metric.POSTS, "Sum", lane=lane),
            f"{lane.word}: {metric}",
        )
        for metric in (Metric.GONE, Metric.THROTTLED, Metric.HELD_BACK, Metric.POST_FAILED)
        for lane in (Lane.CRITICAL, Lane.NORMAL)
    ]
    return [
        _graph(
            "Accepted to first post, p95, ms",
            _by_lane(service, Metric.ACCEPTED_TO_FIRST_POST, "p95"),
            [(critical.first_post_ms, "critical's promise")],
        ),
        _graph("In the queue, p95, ms", _by_lane(service, Metric.QUEUE_HOP, "p95")),
        _graph(
            "Oldest message, s",
            of_queue(lambda pair: pair.queue.metric_approximate_age_of_oldest_message(period=MINUTE)),
            [(critical.oldest_s, "critical's promise")],
        ),
        _graph(
            "Messages waiting",
            of_queue(lambda pair: pair.queue.metric_approximate_number_of_messages_visible(period=MINUTE)),
        ),
        _graph("Dead letters filed", _by_lane(service, Metric.DEAD_LETTERED, "Sum")),
        _graph("Posts that failed, in percent", posts, [(thresholds.ERROR_SHARE, "alarm, but for 410")]),
        _graph("Broadcasts accepted", _by_lane(service, Metric.ACCEPTED, "Sum"), stacked=True),
        _graph("People reached", _by_lane(service, Metric.SENT, "Sum"), stacked=True),
        _graph("Messages handed back in an outage", _by_lane(service, Metric.OUTAGE, "Sum")),
    ]


def _doors(service: str, realtime: RealtimeStack, edge: EdgeStack) -> list[cloudwatch.IWidget]:
    balancer = edge.load_balancer.metrics
    made = [*realtime.functions.items(), *((lane.word, one) for lane, one in realtime.consumers.items())]
    return [
        _graph(
            "API: answer, s",
            [balancer.target_response_time(period=MINUTE, statistic=one) for one in ("p50", "p95", "p99")],
            [(thresholds.WEDDING_DAY.api_ms / 1000, "wedding-day limit")],
        ),
        _graph(
            "API: requests and 5xx",
            [
                balancer.request_count(period=MINUTE),
                balancer.http_code_target(elb.HttpCodeTarget.TARGET_5XX_COUNT, period=MINUTE),
                balancer.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, period=MINUTE),
            ],
        ),
        _graph(
            "Outbox: oldest due row, s",
            [measured(service, Metric.OUTBOX_OLDEST_AGE, "Maximum")],
            [(thresholds.OUTBOX_S, "alarm")],
        ),
        _graph(
            "Sockets: errors",
            [of_sockets(realtime, name) for name in ("ClientError", "IntegrationError", "ExecutionError")],
        ),
        _graph("Functions: errors", _of_functions(made, "Errors", "Sum")),
        _graph("Functions: longest run, ms", _of_functions(made, "Duration", "Maximum")),
    ]


def _of_functions(made: Iterable[tuple[str, ProductFunction]], name: str, statistic: str) -> list[cloudwatch.IMetric]:
    return [one.function.metric(name, statistic=statistic, period=MINUTE, label=word) for word, one in made]


def _stores(service: str, data: DataStack) -> list[cloudwatch.IWidget]:
    misses, lookups = (measured(service, metric, "Sum") for metric in (Metric.INDEX_MISS, Metric.INDEX_LOOKUP))
    return [
        _graph(
            "Database: commit, ms",
            [of_cluster(data, "CommitLatency", "Average", "WRITER")],
            [(thresholds.WEDDING_DAY.commit_ms, "wedding-day limit")],
        ),
        _graph("Database: replica lag, ms", [of_cluster(data, "AuroraReplicaLagMaximum", "Maximum")]),
        _graph(
            "Connection index: misses, in percent",
            [share(misses, lookups, "misses")],
            [(thresholds.ORDINARY.index_misses, "alarm")],
        ),
    ]


def _demand(service: str, stage: Stage, realtime: RealtimeStack) -> list[cloudwatch.IWidget]:
    posts = [_coloured(measured(service, Metric.POSTS, "Sum", lane=lane), lane) for lane in Lane]
    return [
        _graph("Weddings today", [_planned(service, Metric.WEDDINGS_TODAY)]),
        _graph(
            "Connections: open, and expected at most within 48 h; new sockets a minute (right)",
            [measured(service, Metric.CONNECTIONS_OPEN, "Maximum"), _planned(service, Metric.CONNECTIONS_EXPECTED)],
            right=[of_sockets(realtime, "ConnectCount")],
        ),
        _graph("Posts a minute", posts, [(stage.callback_rps * 60, "the account's quota")], stacked=True),
        _graph("Sizes changed", [measured(service, Metric.CAPACITY_CHANGED, "Sum", period=ROUND)]),
        _graph(
            "The plan: days short of a quota, sizes cut by the budget, rounds without the calendar",
            [
                _planned(service, Metric.QUOTA_SHORTAGES),
                _planned(service, Metric.BUDGET_CUTS),
                measured(service, Metric.CALENDAR_AWAY, "Sum", period=ROUND),
            ],
        ),
        _graph("Weddings read into memory ahead", [measured(service, Metric.WEDDINGS_WARMED, "Sum", period=ROUND)]),
    ]


def _planned(service: str, metric: Metric) -> cloudwatch.Metric:
    return measured(service, metric, "Maximum", period=ROUND)


def _doors_room(stage: Stage, realtime: RealtimeStack, service: ServiceStack) -> list[cloudwatch.IWidget]:
    consumers = [(lane.word, one) for lane, one in realtime.consumers.items()]
    claimed = cloudwatch.Metric(
        namespace="AWS/Lambda", metric_name="ClaimedAccountConcurrency", statistic="Maximum", period=MINUTE
    )
    warm = [
        one.alias.metric("ProvisionedConcurrencyUtilization", statistic="Maximum", period=MINUTE, label=word)
        for word, one in consumers
    ]
    return [
        _graph(
            "Consumers at work",
            _of_functions(consumers, "ConcurrentExecutions", "Maximum"),
            [(MAX_CONCURRENCY, "a lane's cap")],
        ),
        _graph("Warm consumers in use, share", warm),
        _graph("The account's concurrency", [claimed], [(stage.lambda_concurrency, "limit")]),
        _graph(
            "API tasks ready", [service.targets.metrics.healthy_host_count(period=MINUTE)], [(stage.max_tasks, "most")]
        ),
        _graph(
            "API tasks: processor and memory, in percent",
            [
                service.service.metric_cpu_utilization(period=MINUTE),
                service.service.metric_memory_utilization(period=MINUTE),
            ],
        ),
        _graph("API: requests per task", [service.targets.metrics.request_count_per_target(period=MINUTE)]),
    ]


def _room(stage: Stage, data: DataStack) -> list[cloudwatch.IWidget]:
    places = list(nodes(data, stage))
    return [
        _graph(
            "Database: capacity, ACU",
            [of_cluster(data, "ServerlessDatabaseCapacity", "Maximum", role) for role in ("WRITER", "READER")],
            [(stage.database_max_acu, "most")],
        ),
        _graph("Database: connections", [of_cluster(data, "DatabaseConnections", "Maximum", "WRITER")]),
        _graph("Valkey: engine processor, in percent", [of_node(node, "EngineCPUUtilization") for node in places]),
        _graph("Valkey: memory, in percent", [of_node(node, "DatabaseMemoryUsagePercentage") for node in places]),
        _graph("Valkey: connections", [of_node(node, "CurrConnections") for node in places]),
        _graph("Valkey: keys thrown out", [of_node(node, "Evictions", "Sum") for node in places]),
    ]
