"""Custom metrics as CloudWatch's embedded metric format on standard output, by Powertools."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from carillon.names import DIMENSION_LANE, METRICS, NAMESPACE

if TYPE_CHECKING:
    from carillon.model import Lane
    from carillon.names import Metric

_Counted = dict["Metric", list[float]]


class EmfMetrics:
    """See `ports.Metrics`. Between two flushes a count is summed up, a gauge keeps its largest, times are all kept.

    Args:
        service: value of the dimension `service`.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._by_lane: dict[str | None, _Counted] = {}
        self._lock = threading.Lock()

    def count(self, metric: Metric, value: float = 1, *, lane: Lane | None = None) -> None:
        """Add `value`; a count of zero is not worth a line."""
        facts = METRICS[metric]
        if value == 0 and not facts.gauge:
            return
        word = lane.word if lane is not None else None
        with self._lock:
            values = self._by_lane.setdefault(word, {}).setdefault(metric, [])
            if values and facts.gauge:
                values[0] = max(values[0], value)
            elif values and facts.unit == "Count":
                values[0] += value
            else:
                values.append(value)

    def flush(self) -> None:
        """Write one line per lane, more only where there are more than a hundred times to tell."""
        with self._lock:
            by_lane, self._by_lane = self._by_lane, {}
        for word, counted in by_lane.items():
            self._write(word, counted)
        if by_lane:
            # Into a pipe standard output is written in blocks, which a quiet service would take hours to fill.
            sys.stdout.flush()

    def _write(self, lane: str | None, counted: _Counted) -> None:
        sink = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        if lane is not None:
            # Before the first value: the hundredth makes Powertools write a line at once.
            sink.add_dimension(name=DIMENSION_LANE, value=lane)
        for metric, values in counted.items():
            for value in values:
                sink.add_metric(name=metric.value, unit=MetricUnit(METRICS[metric].unit), value=value)
        if sink.metric_set:
            sink.flush_metrics()
