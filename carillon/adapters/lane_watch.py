"""How the lanes do: queues asked directly, which know it at once, and CloudWatch for all else in one call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from carillon.adapters.scaling import connect, refusals
from carillon.errors import ScalingError
from carillon.model import Lane
from carillon.names import DIMENSION_LANE, DIMENSION_SERVICE, NAMESPACE, Metric
from carillon.ports.scaling import LaneSeen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carillon.config import LaneUrls, PlanSettings

    _Series = Mapping[datetime, float]

_WAITING: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")
_CONNECTIONS: Final = "connections"
_MINUTE: Final = timedelta(minutes=1)
_MINUTES: Final = 10
_RECENT: Final = timedelta(minutes=5)
"""What the last minutes are; a percentile is taken over as many, from one mark of the clock to the next."""


class AwsLaneWatch:
    """See `ports.scaling.LaneWatch`.

    Args:
        settings: the lanes' consumers.
        queue_urls: the lanes' queues.
        region: of all that.
        endpoint: where SQS is, if not where AWS has it.
        service: value of the dimension `service` of the product's own metrics.
    """

    def __init__(
        self, settings: PlanSettings, queue_urls: LaneUrls, *, region: str, endpoint: str = "", service: str
    ) -> None:
        self._functions, self._urls, self._service = settings.functions, queue_urls, service
        self._sqs: Any = connect("sqs", region, endpoint)
        self._cloudwatch: Any = connect("cloudwatch", region)

    def look(self, now: datetime) -> Mapping[Lane, LaneSeen]:
        """All of them."""
        minute = now.astimezone(UTC).replace(second=0, microsecond=0)
        with refusals():
            queued = {lane: self._queued(lane) for lane in Lane}
            found = self._measured(minute)
        connections = _latest(found[_CONNECTIONS], minute - _RECENT)
        return {
            lane: LaneSeen(
                queued=queued[lane],
                age_s=_latest(found[_id(lane, "age")], minute - _RECENT),
                latency_ms=_latest(found[_id(lane, "latency")], minute - 2 * _RECENT),
                errors=_share(found[_id(lane, "errors")], found[_id(lane, "calls")], minute - _RECENT),
                in_use=_in_use(found[_id(lane, "in_use")], minute),
                connections=connections,
            )
            for lane in Lane
        }

    def _queued(self, lane: Lane) -> float:
        """What is being worked on does not wait, and is not counted."""
        url = self._urls.url(lane.word)
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_WAITING))
        return float(sum(int(answer["Attributes"][name]) for name in _WAITING))

    def _measured(self, minute: datetime) -> dict[str, dict[datetime, float]]:
        """By query, values by the beginning of what they are of.

        Raises:
            ScalingError: CloudWatch answers in part: half a picture lets no capacity go.
        """
        queries = self._all_queries()
        found: dict[str, dict[datetime, float]] = {query["Id"]: {} for query in queries}
        missing: dict[str, str] = {}
        pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=_start(minute), EndTime=minute + _MINUTE
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                found[result["Id"]].update(zip(result["Timestamps"], result["Values"], strict=True))
                missing[result["Id"]] = result.get("StatusCode", "Complete")
        partial = sorted(f"{name} {status}" for name, status in missing.items() if status != "Complete")
        if partial:
            raise ScalingError(f"CloudWatch answered in part: {', '.join(partial)}")
        return found

    def _all_queries(self) -> list[dict[str, Any]]:
        everybody = {DIMENSION_SERVICE: self._service}
        connections = _query(_CONNECTIONS, NAMESPACE, Metric.CONNECTIONS_OPEN, everybody, "Maximum")
        return [*(query for lane in Lane for query in self._queries(lane)), connections]

    def _queries(self, lane: Lane) -> list[dict[str, Any]]:
        """Lambda measures an alias by FunctionName and Resource (Lambda Developer Guide, "Types of metrics")."""
        name, _, _ = self._functions.url(lane.word).partition(":")
        alias = {"FunctionName": name, "Resource": self._functions.url(lane.word)}
        queue = {"QueueName": self._urls.url(lane.word).rsplit("/", 1)[-1]}
        ours = {DIMENSION_SERVICE: self._service, DIMENSION_LANE: lane.word}
        return [
            _query(_id(lane, "age"), "AWS/SQS", "ApproximateAgeOfOldestMessage", queue, "Maximum"),
            _query(_id(lane, "latency"), NAMESPACE, Metric.ACCEPTED_TO_FIRST_POST, ours, "p95", _RECENT),
            _query(_id(lane, "errors"), "AWS/Lambda", "Errors", alias, "Sum"),
            _query(_id(lane, "calls"), "AWS/Lambda", "Invocations", alias, "Sum"),
            _query(_id(lane, "in_use"), "AWS/Lambda", "ProvisionedConcurrencyUtilization", alias, "Maximum"),
        ]


def _query(
    query_id: str, namespace: str, metric: str, dimensions: dict[str, str], stat: str, period: timedelta = _MINUTE
) -> dict[str, Any]:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": str(metric),
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            },
            "Period": int(period.total_seconds()),
            "Stat": stat,
        },
    }


def _id(lane: Lane, what: str) -> str:
    return f"{lane.word}_{what}"


def _start(minute: datetime) -> datetime:
    """Early enough for all minutes, and on a mark of the clock, so that five minutes are everywhere the same ones."""
    earliest = minute - (_MINUTES + 1) * _MINUTE
    return earliest - earliest.minute % (_RECENT // _MINUTE) * _MINUTE


def _latest(values: _Series, since: datetime) -> float | None:
    recent = [at for at in values if at >= since]
    return values[max(recent)] if recent else None


def _share(part: _Series, whole: _Series, since: datetime) -> float | None:
    calls = sum(value for at, value in whole.items() if at >= since)
    return sum(value for at, value in part.items() if at >= since) / calls if calls else None


def _in_use(values: _Series, minute: datetime) -> tuple[float, ...]:
    """CloudWatch hears of a minute up to a minute late: while it has nothing of the last one, that does not count."""
    last = minute - _MINUTE if minute - _MINUTE in values else minute - 2 * _MINUTE
    return tuple(values.get(last - ago * _MINUTE, 0.0) for ago in reversed(range(_MINUTES)))
