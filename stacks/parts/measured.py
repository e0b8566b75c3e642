"""The product's own metrics as CloudWatch knows them: name, unit and dimensions as `carillon.names` has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from carillon.names import DIMENSION_LANE, DIMENSION_SERVICE, METRICS, NAMESPACE

if TYPE_CHECKING:
    from carillon.model import Lane
    from carillon.names import Metric

MINUTE = cdk.Duration.minutes(1)


def measured(
    service: str, metric: Metric, statistic: str, *, lane: Lane | None = None, period: cdk.Duration = MINUTE
) -> cloudwatch.Metric:
    """A metric of the product.

    Args:
        service: whose, see `carillon.names.service_name`.
        metric: which.
        statistic: `Sum` for what is counted, `p95` for times, `Maximum` for gauges.
        lane: whose, for a metric by lane, and for no other.
        period: of one data point.

    Raises:
        ValueError: the metric goes by lane and none is given, or the other way round; CloudWatch would find nothing.
    """
    if METRICS[metric].by_lane is not (lane is not None):
        raise ValueError(f"{metric} goes {'by' if METRICS[metric].by_lane else 'without a'} lane")
    dimensions = {DIMENSION_SERVICE: service} | ({} if lane is None else {DIMENSION_LANE: lane.word})
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=metric.value,
        dimensions_map=dimensions,
        statistic=statistic,
        period=period,
    )


def share(part: cloudwatch.Metric, whole: cloudwatch.Metric, label: str) -> cloudwatch.MathExpression:
    """`part` in percent of `whole`.

    One numerator only: a metric that has nothing to say is missing, and a sum with something missing is missing too.
    """
    # Within a graph no two metrics may have one id.
    slug = re.sub(r"\W+", "_", label).lower()
    return cloudwatch.MathExpression(
        expression=f"100 * part_{slug} / whole_{slug}",
        label=label,
        period=part.period,
        using_metrics={f"part_{slug}": part, f"whole_{slug}": whole},
    )
