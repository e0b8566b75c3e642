"""What CloudWatch reads of our metrics: one line of embedded metric format per lane."""

from __future__ import annotations

import json

import pytest
from aws_lambda_powertools.metrics import MetricUnit

from carillon.adapters.cloudwatch import EmfMetrics
from carillon.model import Lane
from carillon.names import METRICS, Metric


def test_counts_are_written_per_lane_with_their_units_and_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmfMetrics("carillon-prod")
    metrics.count(Metric.SENT, 3, lane=Lane.CRITICAL)
    metrics.count(Metric.ACCEPTED_TO_FIRST_POST, 12.5, lane=Lane.CRITICAL)
    metrics.count(Metric.SENT, 0, lane=Lane.LOW)
    metrics.count(Metric.REAPED)
    metrics.flush()
    metrics.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("lane") for line in lines] == ["critical", None]
    assert lines[0]["DeliveriesSent"] == [3.0]
    assert lines[0]["AcceptedToFirstPost"] == [12.5]
    (directive,) = lines[0]["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Carillon"
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "DeliveriesSent": "Count",
        "AcceptedToFirstPost": "Milliseconds",
    }


def test_between_two_flushes_counts_add_up_and_times_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmfMetrics("carillon-prod")
    for value in (2, 3):
        metrics.count(Metric.POSTS, value, lane=Lane.LOW)
        metrics.count(Metric.QUEUE_HOP, value, lane=Lane.LOW)
    metrics.flush()
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["PostsTried"], line["QueueHop"]) == ([5.0], [2.0, 3.0])


def test_a_gauge_tells_zero_and_keeps_its_largest(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmfMetrics("carillon-prod")
    metrics.count(Metric.OUTBOX_OLDEST_AGE, 0)
    metrics.flush()
    for age_s in (1, 9, 0):
        metrics.count(Metric.OUTBOX_OLDEST_AGE, age_s)
    metrics.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["OutboxOldestAge"] for line in lines] == [[0.0], [9.0]], "a zero says that the relay is alive"


@pytest.mark.parametrize("times", [99, 100, 250])
def test_every_line_carries_the_same_dimensions(times: int, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmfMetrics("carillon-prod")
    for _ in range(times):
        metrics.count(Metric.QUEUE_HOP, 1.5, lane=Lane.HIGH)
    metrics.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(len(line["QueueHop"]) for line in lines) == times
    for line in lines:
        (names,) = line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
        assert {name: line[name] for name in names} == {"service": "carillon-prod", "lane": "high"}


def test_every_metric_is_told_what_it_is() -> None:
    assert set(METRICS) == set(Metric)
    assert {METRICS[metric].unit for metric in Metric} <= {unit.value for unit in MetricUnit}
