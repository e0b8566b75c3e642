"""Custom metrics as CloudWatch's embedded metric format on standard output, by Powertools."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from carillon.names import DIMENSION_LANE, METRIC_UNITS, NAMESPACE, SERVICE

if TYPE_CHECKING:
    from carillon.model import Lane
    from carillon.names import Metric


class EmfMetrics:
    """See `ports.Metrics`. What was counted is written by `flush`: at the end of an invocation or a relay round."""

    def __init__(self) -> None:
        self._by_lane: dict[str | None, EphemeralMetrics] = {}
        self._lock = threading.Lock()

    def count(self, metric: Metric, value: float = 1, *, lane: Lane | None = None) -> None:
        """Add `value`; zero is not worth a line."""
        if value == 0:
            return
        word = lane.word if lane is not None else None
        with self._lock:
            if word not in self._by_lane:
                self._by_lane[word] = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
            sink = self._by_lane[word]
            sink.add_metric(name=metric.value, unit=MetricUnit(METRIC_UNITS[metric]), value=value)

    def flush(self) -> None:
        """Write one line per lane."""
        with self._lock:
            for word, sink in self._by_lane.items():
                if word is not None:
                    sink.add_dimension(name=DIMENSION_LANE, value=word)
                sink.flush_metrics()
            self._by_lane.clear()
