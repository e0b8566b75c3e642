"""Alarms of the lanes: how long messages wait, how fast phones ring, what became of the posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.model import Lane
from carillon.names import Metric
from stacks.parts import thresholds
from stacks.parts.alarms import AT_LEAST
from stacks.parts.measured import MINUTE, measured, share
from stacks.parts.thresholds import lane_thresholds

if TYPE_CHECKING:
    from stacks.parts.alarms import Alarms
    from stacks.parts.function import ProductFunction
    from stacks.queues import LaneQueues

_SLOW = "slow-lane"
_LETTERS = "dlq-redrive"


def watch_lane(alarms: Alarms, lane: Lane, queues: LaneQueues, consumer: ProductFunction) -> None:
    """All of one lane's alarms."""
    _waiting(alarms, lane, queues)
    _first_post(alarms, lane)
    _dead_letters(alarms, lane, queues)
    _posts(alarms, lane)
    _consumer(alarms, lane, consumer)


def _waiting(alarms: Alarms, lane: Lane, queues: LaneQueues) -> None:
    name = lane.word.capitalize()
    usual, tight = lane_thresholds(lane, wedding_day=False), lane_thresholds(lane, wedding_day=True)
    age = queues.queue.metric_approximate_age_of_oldest_message(period=MINUTE, statistic="Maximum")
    says = f"A {lane.word} message waits for longer than the lane promises. Look at the consumer's errors and posts."
    alarms.add(f"{name}Oldest", age, usual.oldest_s, says, _SLOW)
    alarms.add_tighter(f"{name}Oldest", age, tight.oldest_s, says, _SLOW)
    depth = queues.queue.metric_approximate_number_of_messages_visible(period=MINUTE, statistic="Maximum")
    says = f"More {lane.word} messages wait than the consumers at rest work off in time. See whether they scale."
    alarms.add(f"{name}Depth", depth, usual.depth, says, _SLOW)
    alarms.add_tighter(f"{name}Depth", depth, tight.depth, says, _SLOW)


def _first_post(alarms: Alarms, lane: Lane) -> None:
    name = lane.word.capitalize()
    usual, tight = lane_thresholds(lane, wedding_day=False), lane_thresholds(lane, wedding_day=True)
    p95 = measured(alarms.service, Metric.ACCEPTED_TO_FIRST_POST, "p95", lane=lane)
    says = f"The first phone of a {lane.word} broadcast rings too late, 95th percentile. Look where the time goes."
    alarms.add(f"{name}FirstPost", p95, usual.first_post_ms, says, _SLOW)
    alarms.add_tighter(f"{name}FirstPost", p95, tight.first_post_ms, says, _SLOW)


def _dead_letters(alarms: Alarms, lane: Lane, queues: LaneQueues) -> None:
    name = lane.word.capitalize()
    filed = measured(alarms.service, Metric.DEAD_LETTERED, "Sum", lane=lane)
    says = f"A {lane.word} message was dead-lettered and filed; its broadcast is failed. Read the reason, mend, resend."
    alarms.add(f"{name}DeadLetters", filed, 0, says, _LETTERS, of=(1, 1))
    waiting = queues.dead_letters.metric_approximate_number_of_messages_visible(period=MINUTE, statistic="Minimum")
    says = f"{name} dead letters wait unfiled: their consumer does not work. Read its log, then redrive."
    periods = thresholds.WAITING_MINUTES
    alarms.add(f"{name}DeadLettersWaiting", waiting, 0, says, _LETTERS, of=(periods, periods))


def _posts(alarms: Alarms, lane: Lane) -> None:
    name = lane.word.capitalize()
    posts = measured(alarms.service, Metric.POSTS, "Sum", lane=lane)

    def watch(alarm: str, metric: Metric, limit: int, says: str, runbook: str) -> None:
        part = share(
            measured(alarms.service, metric, "Sum", lane=lane), posts, f"{lane.word}: {metric} in percent of posts"
        )
        alarms.add(f"{name}{alarm}", part, limit, says, runbook)

    watch(
        "Gone",
        Metric.GONE,
        thresholds.GONE_SHARE,
        f"Many {lane.word} posts meet sockets that are gone. A wave of reconnects passes; else look at $disconnect.",
        _SLOW,
    )
    watch(
        "Throttled",
        Metric.THROTTLED,
        thresholds.ERROR_SHARE,
        f"API Gateway refuses {lane.word} posts with 429: somebody else spends the account's quota, or it is too low.",
        "quota-increase",
    )
    watch(
        "PostErrors",
        Metric.POST_FAILED,
        thresholds.ERROR_SHARE,
        f"{name} posts fail by 5xx, time-out or without a connection. Look at egress and at API Gateway's health.",
        _SLOW,
    )
    if lane is Lane.CRITICAL:
        # The lesser lanes are held back by design, whenever critical needs the budget.
        watch(
            "HeldBack",
            Metric.HELD_BACK,
            thresholds.ERROR_SHARE,
            "Not even critical posts get tokens of the callback budget: the account's quota is too low for today.",
            "quota-increase",
        )


def _consumer(alarms: Alarms, lane: Lane, consumer: ProductFunction) -> None:
    name, function = lane.word.capitalize(), consumer.function
    calls = function.metric_invocations(period=MINUTE)
    failing = share(function.metric_errors(period=MINUTE), calls, f"{lane.word}: calls that fail, in percent")
    says = f"The {lane.word} consumer crashes or times out. Read its log; go back if new code was just deployed."
    alarms.add(f"{name}Errors", failing, thresholds.ERROR_SHARE, says, _SLOW)
    outage = measured(alarms.service, Metric.OUTAGE, "Sum", lane=lane)
    says = f"A store is away: {lane.word} messages are handed back and wait. None is lost; bring the store back."
    alarms.add(f"{name}Outage", outage, 0, says, "aurora-failover")
    says = f"Lambda refuses to run the {lane.word} consumer. Look at the account's concurrency."
    alarms.add(f"{name}Throttles", function.metric_throttles(period=MINUTE), 0, says, "quota-increase")
    running = function.metric("ConcurrentExecutions", statistic="Maximum", period=MINUTE)
    says = f"The {lane.word} consumers run near the lane's cap. See what floods it; the cap protects the database."
    alarms.add(f"{name}Concurrency", running, thresholds.LANE_CONCURRENCY, says, _SLOW, operator=AT_LEAST)
