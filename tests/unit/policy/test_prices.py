"""Prices and usage: the same as the cost report's list and reckoning."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from carillon.policy import prices, usage
from carillon.policy.traffic import TRAFFIC
from carillon.policy.usage import Usage
from simulate.figures import figure
from stacks.cost import load
from stacks.cost.prices import price
from stacks.stage import STAGES

PROFILE = load.profile()


@pytest.mark.parametrize(
    ("mine", "listed"),
    [
        (prices.CONSUMER_GB, figure("memory_gb")),
        (prices.GB_PER_CORE, figure("task_gb") / figure("task_cores")),
        (prices.FARGATE_CORE_H, price("fargate_vcpu_hour", "ARM64")),
        (prices.FARGATE_GB_H, price("fargate_gb_hour", "ARM64")),
        (prices.PROVISIONED_GB_S, price("lambda_provisioned_gb_second", "arm64")),
        (prices.FUNCTION_GB_S, price("lambda_gb_second", "arm64")),
        (prices.FUNCTION_CALL, price("lambda_request_million") / 1e6),
        (prices.AURORA_ACU_H, price("aurora_acu_hour")),
        (prices.PROXY_ACU_H, price("rds_proxy_acu_hour")),
        (prices.AURORA_IO, price("aurora_io_million") / 1e6),
        (prices.SOCKET_MESSAGE, price("websocket_message_million") / 1e6),
        (prices.SOCKET_MINUTE, price("websocket_minute_million") / 1e6),
        (prices.QUEUE_REQUEST, price("sqs_fifo_million") / 1e6),
        (prices.LOG_GB, price("logs_gb")),
        (usage.ACKS_PER_DELIVERY, PROFILE["acks_per_delivery"]),
        (usage.FRAMES_PER_SESSION, load.FRAMES_PER_SESSION),
        (usage.POST_GB_S, PROFILE["gb_seconds_per_million_posts"] / 1e6),
        (usage.FRAME_GB_S, PROFILE["gb_seconds_per_million_frames"] / 1e6),
        (usage.IOS_PER_DELIVERY, PROFILE["database_ios_per_delivery"]),
        (usage.LOG_GB_PER_DELIVERY, PROFILE["log_bytes_per_delivery"] / load.GIGABYTE),
        (usage.LOG_GB_PER_CONNECTION, PROFILE["log_bytes_per_connection"] / load.GIGABYTE),
    ],
)
def test_a_figure_is_the_cost_reports(mine: float, listed: float) -> None:
    assert mine == pytest.approx(listed)


@pytest.mark.parametrize("stage", STAGES)
def test_a_task_has_two_gigabytes_a_core_in_every_stage(stage: str) -> None:
    made = STAGES[stage]
    assert made.task_memory_mb == 1024 * prices.GB_PER_CORE * made.task_cpu / 1024


def test_a_wedding_uses_what_the_cost_report_says() -> None:
    """But for syncs, which it leaves out; tasks and the database's size are the plan's, not usage."""
    asked = load.load_of(1000)
    lines = load.variable(asked, architecture="arm64", task_hour=0.0, nat=False)
    reported = sum(line.usd for line in lines if "ACU hours" not in line.why)
    sessions = asked.weddings * asked.connections
    broadcasts = asked.weddings * PROFILE["broadcasts_per_wedding"]
    used = Usage(asked.connection_hours * 3600, sessions, broadcasts, asked.deliveries)
    assert used.usd(replace(TRAFFIC, sync_s=math.inf)) == pytest.approx(reported)
    assert reported < used.usd() < 1.15 * reported


def test_a_sync_is_two_messages_and_a_call() -> None:
    quiet = replace(TRAFFIC, sync_s=math.inf)
    syncs = Usage(3600, 0, 0, 0).usd() - Usage(3600, 0, 0, 0).usd(quiet)
    each = 2 * price("websocket_message_million") + price("lambda_request_million")
    each += PROFILE["gb_seconds_per_million_frames"] * price("lambda_gb_second", "arm64")
    assert syncs == pytest.approx(12 * each / 1e6)


def test_nothing_costs_nothing() -> None:
    assert Usage(0, 0, 0, 0).usd() == 0


@pytest.mark.parametrize("more", [Usage(60, 0, 0, 0), Usage(0, 1, 0, 0), Usage(0, 0, 1, 0), Usage(0, 0, 0, 1)])
def test_whatever_happens_costs_something(more: Usage) -> None:
    assert more.usd() > 0
