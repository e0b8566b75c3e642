"""How many weddings a day has, as the planner told CloudWatch: for whoever cannot reach the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from carillon.errors import OutageError
from carillon.names import DIMENSION_SERVICE, NAMESPACE, Metric, service_name

if TYPE_CHECKING:
    from datetime import datetime

_PATIENCE: Final = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 4, "mode": "standard"})
_PERIOD_S: Final = 3600


def most_weddings(stage: str, region: str, start: datetime, end: datetime) -> int | None:
    """The most that a stage's planner counted between two moments of a local day; None when it never ran then.

    Raises:
        OutageError: CloudWatch does not answer, does not let us, or answers in part.
    """
    try:
        client = boto3.client("cloudwatch", region_name=region, config=_PATIENCE)
        answer = client.get_metric_data(MetricDataQueries=[_query(stage)], StartTime=start, EndTime=end)  # type: ignore[list-item]
    except (BotoCoreError, ClientError) as error:
        raise OutageError(f"CloudWatch in {region}: {error}") from error
    (result,) = answer["MetricDataResults"]
    if result.get("StatusCode", "Complete") != "Complete":
        raise OutageError(f"CloudWatch in {region} answered in part: {result['StatusCode']}")
    return round(max(result["Values"])) if result["Values"] else None


def _query(stage: str) -> dict[str, Any]:
    return {
        "Id": "weddings",
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": Metric.WEDDINGS_TODAY.value,
                "Dimensions": [{"Name": DIMENSION_SERVICE, "Value": service_name(stage)}],
            },
            "Period": _PERIOD_S,
            "Stat": "Maximum",
        },
    }
