"""Alarms of the doors: the API and its relay, the sockets' functions, the planner, the account's concurrency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb

from carillon.names import Metric
from stacks.parts import thresholds
from stacks.parts.alarms import AS_BEFORE, AT_LEAST, BAD, BELOW
from stacks.parts.measured import MINUTE, measured, share
from stacks.parts.season import RECONCILE_MINUTES

if TYPE_CHECKING:
    from stacks.capacity import CapacityStack
    from stacks.edge import EdgeStack
    from stacks.parts.alarms import Alarms
    from stacks.parts.function import ProductFunction
    from stacks.realtime import RealtimeStack
    from stacks.service import ServiceStack
    from stacks.stage import Stage

_API: Final = "api-trouble"
_SOCKETS: Final = "socket-trouble"
_PLANNER: Final = "planner"
ROUND: Final = cdk.Duration.minutes(RECONCILE_MINUTES)


def watch_api(alarms: Alarms, edge: EdgeStack, service: ServiceStack) -> None:
    """As the load balancer sees it."""
    balancer, tasks = edge.load_balancer.metrics, service.targets.metrics
    requests = balancer.request_count(period=MINUTE)
    failing = balancer.http_code_target(elb.HttpCodeTarget.TARGET_5XX_COUNT, period=MINUTE)
    says = "The API answers with 5xx; 503 says that a store is away. Read the tasks' log."
    part = share(failing, requests, "Answers with 5xx, in percent")
    alarms.add("ApiErrors", part, thresholds.ERROR_SHARE, says, _API)
    refused = balancer.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, period=MINUTE)
    says = "The load balancer found no task that answers. Look at the service's events."
    alarms.add("BalancerErrors", refused, thresholds.BALANCER_ERRORS, says, _API)
    slow = balancer.target_response_time(period=MINUTE, statistic="p95")
    says = "The API is slow, 95th percentile. See whether tasks or the database are at their limit."
    alarms.add("ApiLatency", slow, thresholds.ORDINARY.api_ms / 1000, says, _API)
    alarms.add_tighter("ApiLatency", slow, thresholds.WEDDING_DAY.api_ms / 1000, says, _API)
    unwell = tasks.unhealthy_host_count(period=MINUTE, statistic="Maximum")
    says = "An API task is not ready: /readyz says what it misses."
    alarms.add("ApiUnhealthy", unwell, 0, says, _API)
    well = tasks.healthy_host_count(period=MINUTE, statistic="Minimum")
    says = "No API task is ready: nothing is accepted, and nothing scheduled leaves the outbox."
    alarms.add("ApiDown", well, 1, says, _API, operator=BELOW, of=(2, 2), missing=BAD)


def watch_relay(alarms: Alarms) -> None:
    """That what was accepted gets into the lanes; each task writes its view every ten seconds."""
    age = measured(alarms.service, Metric.OUTBOX_OLDEST_AGE, "Maximum")
    says = "Accepted broadcasts do not get into the lanes: the relay is stuck or gone, or SQS or the database is away."
    alarms.add("Relay", age, thresholds.OUTBOX_S, says, _API, of=(3, 3), missing=BAD)


def of_sockets(realtime: RealtimeStack, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
    """A metric of the WebSocket API."""
    return cloudwatch.Metric(
        namespace="AWS/ApiGateway",
        metric_name=name,
        dimensions_map={"ApiId": realtime.api.api_id, "Stage": realtime.web_stage.stage_name},
        statistic=statistic,
        period=MINUTE,
    )


def watch_sockets(alarms: Alarms, realtime: RealtimeStack) -> None:
    """The WebSocket API and the functions behind it."""
    messages = of_sockets(realtime, "MessageCount")
    refused = share(of_sockets(realtime, "IntegrationError"), messages, "Frames and connects refused, in percent")
    says = "Many frames or connects are refused: expired tokens, a client out of step, or a store that is away."
    alarms.add("SocketErrors", refused, thresholds.ERROR_SHARE, says, _SOCKETS)
    failed = of_sockets(realtime, "ExecutionError")
    says = "API Gateway cannot call the functions behind the sockets. Look at their throttles and permissions."
    alarms.add("SocketFailures", failed, thresholds.SOCKET_FAILURES, says, _SOCKETS)
    for word, made in realtime.functions.items():
        name, function = "".join(part.capitalize() for part in word.split("_")), made.function
        calls = function.metric_invocations(period=MINUTE)
        failing = share(function.metric_errors(period=MINUTE), calls, f"{word}: calls that fail, in percent")
        says = f"The function {word} crashes or times out. Read its log; go back if new code was just deployed."
        alarms.add(f"{name}Errors", failing, thresholds.ERROR_SHARE, says, _SOCKETS)
        says = f"Lambda refuses to run the function {word}. Look at the account's concurrency."
        alarms.add(f"{name}Throttles", function.metric_throttles(period=MINUTE), 0, says, "quota-increase")


def watch_account(alarms: Alarms, stage: Stage) -> None:
    """What the account's functions use or have set aside; whoever needs what is not left is throttled."""
    claimed = cloudwatch.Metric(
        namespace="AWS/Lambda", metric_name="ClaimedAccountConcurrency", statistic="Maximum", period=MINUTE
    )
    limit = stage.lambda_concurrency * thresholds.NEAR // 100
    says = f"The account's functions claim {thresholds.NEAR} % of its concurrency. Ask AWS for more before the day."
    alarms.add("AccountConcurrency", claimed, limit, says, "quota-increase", operator=AT_LEAST)


def watch_planner(alarms: Alarms, capacity: CapacityStack) -> None:
    """That rounds go well: only then the planner says how many weddings the day has."""
    rounds = measured(alarms.service, Metric.WEDDINGS_TODAY, "SampleCount", period=ROUND)
    says = "No planner round went well for three rounds: it counts no weddings, or sets no capacity. Read its log."
    alarms.add("Planner", rounds, 1, says, _PLANNER, operator=BELOW, of=(3, 3), missing=BAD)
    failing = capacity.plan.function.metric_errors(period=ROUND)
    says = "A planner round failed. It comes again by itself; look when it fails again."
    alarms.add("PlannerErrors", failing, 0, says, _PLANNER, of=(2, 3))
    lost = capacity.dead_letters.metric_approximate_number_of_messages_visible(period=ROUND, statistic="Maximum")
    says = "A planner round could not be started, or failed three times: a peak may stand without its capacity."
    alarms.add("PlannerDeadLetters", lost, 0, says, _PLANNER, of=(1, 1))


def watch_plan(alarms: Alarms) -> None:
    """What the plan has to say: that it could not be made, that AWS grants too little, that money does."""
    away = measured(alarms.service, Metric.CALENDAR_AWAY, "Sum", period=ROUND)
    says = (
        "The planner cannot read the weddings: nothing is lowered; the season and what was planned before still raise."
    )
    alarms.add("CalendarAway", away, 0, says, _PLANNER, of=(1, 1))
    says = "The planner cannot read today's weddings: one that is new or was moved is not planned for."
    alarms.add_tighter("CalendarAway", away, 0, says, _PLANNER)
    short = measured(alarms.service, Metric.QUOTA_SHORTAGES, "Maximum", period=ROUND)
    says = "A day of the next 60 needs more than AWS grants. The planner's log says what, how much and by when to ask."
    alarms.add("QuotaShortage", short, 0, says, "quota-increase", of=(1, 1), missing=AS_BEFORE)
    cut = measured(alarms.service, Metric.BUDGET_CUTS, "Maximum", period=ROUND)
    says = "The month's budget keeps capacity below what is expected. The planner's log says what is cut, and when."
    alarms.add("BudgetCut", cut, 0, says, _PLANNER, of=(1, 1), missing=AS_BEFORE)


def watch_react(alarms: Alarms, react: ProductFunction) -> None:
    """What orders warm consumers in reaction to load."""
    failing = react.function.metric_errors(period=MINUTE)
    says = "Nobody reacts to lanes that fill up: the plan and target tracking go on. Read the function's log."
    alarms.add("ReactErrors", failing, 0, says, _PLANNER)


def wedding_day(alarms: Alarms) -> cloudwatch.Alarm:
    """The switch of the tighter limits: rings, for nobody, on days with a wedding.

    The planner writes the number every quarter of an hour. When it does not, the day stays what it was.
    """
    weddings = measured(alarms.service, Metric.WEDDINGS_TODAY, "Maximum", period=ROUND)
    says = "No trouble: there are weddings today, and the wedding-day limits count."
    return alarms.add(
        "WeddingDay", weddings, 1, says, _PLANNER, operator=AT_LEAST, of=(1, 1), missing=AS_BEFORE, tells=False
    )
