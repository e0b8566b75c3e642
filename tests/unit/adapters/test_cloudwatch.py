"""What CloudWatch reads of our metrics: one line of embedded metric format per lane."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from carillon.adapters.cloudwatch import EmfMetrics
from carillon.model import Lane
from carillon.names import METRIC_UNITS, Metric

if TYPE_CHECKING:
    import pytest


def test_counts_are_written_per_lane_with_their_units_and_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmfMetrics()
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


def test_every_metric_has_a_unit() -> None:
    assert set(METRIC_UNITS) == set(Metric)
