"""How the lanes do, against moto's queues and metrics.

Moto knows neither percentiles nor answers in part: a p95 is asked of it as a maximum, and in part the test answers.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from carillon.adapters.lane_watch import AwsLaneWatch
from carillon.config import LaneUrls
from carillon.errors import ScalingError
from carillon.model import Lane
from carillon.names import NAMESPACE, Metric, service_name
from carillon.ports.scaling import LaneSeen
from tests.unit.adapters.deployed_aws import ACCOUNT, REGION, SETTINGS, answer, aws, throttled

__all__ = ["aws"]
SERVICE = service_name("prod")
URLS = LaneUrls.of({lane.word: f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/stack-{lane.word}.fifo" for lane in Lane})
NOW = datetime(2027, 6, 5, 13, 17, 40, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IDLE = (0.0,) * 10
QUIET = LaneSeen(queued=0.0, age_s=None, latency_ms=None, errors=None, in_use=IDLE)


@pytest.fixture
def watch(aws: None, monkeypatch: pytest.MonkeyPatch) -> AwsLaneWatch:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_given: 0)
    sqs = boto3.client("sqs", region_name=REGION)
    for lane in Lane:
        sqs.create_queue(QueueName=f"stack-{lane.word}.fifo", Attributes={"FifoQueue": "true"})
    made = AwsLaneWatch(SETTINGS, URLS, region=REGION, service=SERVICE)
    made._cloudwatch.meta.events.register("before-parameter-build.cloudwatch.GetMetricData", as_moto_can)
    return made


def as_moto_can(params: dict[str, Any], **_named: Any) -> None:
    for query in params["MetricDataQueries"]:
        if query["MetricStat"]["Stat"] == "p95":
            query["MetricStat"]["Stat"] = "Maximum"


def measured(namespace: str, metric: str, dimensions: dict[str, str], *values: tuple[float, timedelta]) -> None:
    """What CloudWatch was told: values, and how long before now."""
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    data = [
        {"MetricName": metric, "Dimensions": named, "Value": value, "Timestamp": NOW - ago} for value, ago in values
    ]
    client: Any = boto3.client("cloudwatch", region_name=REGION)
    client.put_metric_data(Namespace=namespace, MetricData=data)


def of_lambda(metric: str, *values: tuple[float, timedelta], lane: str = "low", alias: str = "live") -> None:
    name = f"consume-{lane}"
    measured("AWS/Lambda", metric, {"FunctionName": name, "Resource": f"{name}:{alias}"}, *values)


def of_queue(*values: tuple[float, timedelta]) -> None:
    measured("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "stack-low.fifo"}, *values)


def first_posts(*values: tuple[float, timedelta], service: str = SERVICE) -> None:
    measured(NAMESPACE, Metric.ACCEPTED_TO_FIRST_POST, {"service": service, "lane": "low"}, *values)


def low(watch: AwsLaneWatch) -> LaneSeen:
    return watch.look(NOW)[Lane.LOW]


def test_lanes_that_nobody_uses_are_quiet(watch: AwsLaneWatch) -> None:
    assert watch.look(NOW) == dict.fromkeys(Lane, QUIET)


def test_what_waits_is_counted_lane_by_lane_the_delayed_with_it(watch: AwsLaneWatch) -> None:
    sqs = boto3.client("sqs", region_name=REGION)
    sqs.set_queue_attributes(QueueUrl=URLS.url("low"), Attributes={"DelaySeconds": "900"})
    for lane, count in ((Lane.CRITICAL, 2), (Lane.LOW, 3)):
        for number in range(count):
            sqs.send_message(
                QueueUrl=URLS.url(lane.word), MessageBody="b", MessageGroupId="g", MessageDeduplicationId=str(number)
            )
    sqs.receive_message(QueueUrl=URLS.url("critical"), MaxNumberOfMessages=1)
    seen = watch.look(NOW)
    # One of critical's is being worked on.
    assert {lane.word: seen[lane].queued for lane in Lane} == {"critical": 1, "high": 0, "normal": 0, "low": 3}


def test_the_latest_age_counts_while_it_is_recent(watch: AwsLaneWatch) -> None:
    of_queue((90.0, 4 * MINUTE), (7.0, 2 * MINUTE))
    assert low(watch).age_s == 7


def test_an_old_age_is_none(watch: AwsLaneWatch) -> None:
    of_queue((90.0, 8 * MINUTE))
    assert low(watch).age_s is None


def test_latency_is_the_p95_of_the_latest_minutes_of_this_stage(watch: AwsLaneWatch) -> None:
    first_posts((900.0, 11 * MINUTE), (300.0, 5 * MINUTE), (40.0, MINUTE))
    first_posts((5_000.0, MINUTE), service=service_name("dev"))
    assert low(watch).latency_ms == 40


def test_an_old_latency_is_none(watch: AwsLaneWatch) -> None:
    first_posts((900.0, 9 * MINUTE))
    assert low(watch).latency_ms is None


def test_errors_are_the_share_of_the_last_minutes_calls_of_the_alias(watch: AwsLaneWatch) -> None:
    of_lambda("Invocations", (60, 4 * MINUTE), (40, MINUTE), (900, 9 * MINUTE))
    of_lambda("Errors", (3, 4 * MINUTE), (2, MINUTE), (900, 9 * MINUTE))
    of_lambda("Errors", (50, MINUTE), alias="1")
    assert low(watch).errors == pytest.approx(0.05)


def test_calls_that_all_went_well_are_no_errors_and_no_calls_are_no_data(watch: AwsLaneWatch) -> None:
    of_lambda("Invocations", (60, MINUTE))
    of_lambda("Invocations", (60, 9 * MINUTE), lane="high")
    seen = watch.look(NOW)
    assert (seen[Lane.LOW].errors, seen[Lane.HIGH].errors) == (0, None)


def test_open_connections_of_this_stage_are_told_to_every_lane(watch: AwsLaneWatch) -> None:
    for service, open_now in ((SERVICE, 5_001.0), (service_name("dev"), 9.0)):
        measured(NAMESPACE, Metric.CONNECTIONS_OPEN, {"service": service}, (900.0, 3 * MINUTE), (open_now, MINUTE))
    assert {seen.connections for seen in watch.look(NOW).values()} == {5_001.0}


def test_use_is_told_minute_by_minute_and_a_minute_without_a_call_is_idle(watch: AwsLaneWatch) -> None:
    """The minute that is not over is not told, nor is the eleventh before it."""
    of_lambda(
        "ProvisionedConcurrencyUtilization",
        (0.99, timedelta(seconds=5)),
        (0.9, MINUTE),
        (0.2, 4 * MINUTE),
        (0.5, 4 * MINUTE),
        (0.3, 10 * MINUTE),
        (0.8, 11 * MINUTE),
    )
    assert low(watch).in_use == (0.3, 0, 0, 0, 0, 0, 0.5, 0, 0, 0.9)


def test_a_minute_that_cloudwatch_has_not_heard_of_yet_is_not_taken_for_idle(watch: AwsLaneWatch) -> None:
    """A lane at its limit must not look idle because its last minute arrives late."""
    of_lambda("ProvisionedConcurrencyUtilization", (0.9, 2 * MINUTE), (0.3, 11 * MINUTE))
    assert low(watch).in_use == (0.3, 0, 0, 0, 0, 0, 0, 0, 0, 0.9)


def test_all_lanes_are_asked_for_in_one_call_and_latency_as_a_p95(watch: AwsLaneWatch) -> None:
    asked: list[dict[str, Any]] = []
    watch._cloudwatch.meta.events.register(
        "provide-client-params.cloudwatch.GetMetricData", lambda params, **_named: asked.append(deepcopy(params))
    )
    watch.look(NOW)
    (call,) = asked
    stats = [query["MetricStat"] for query in call["MetricDataQueries"]]
    assert Counter((stat["Metric"]["MetricName"], stat["Stat"], stat["Period"]) for stat in stats) == {
        ("ApproximateAgeOfOldestMessage", "Maximum", 60): 4,
        ("AcceptedToFirstPost", "p95", 300): 4,
        ("Errors", "Sum", 60): 4,
        ("Invocations", "Sum", 60): 4,
        ("ProvisionedConcurrencyUtilization", "Maximum", 60): 4,
        ("ConnectionsOpen", "Maximum", 60): 1,
    }
    # Eleven minutes back, and from there to a mark of five minutes.
    assert (call["StartTime"], call["EndTime"]) == (NOW.replace(minute=5, second=0), NOW.replace(minute=18, second=0))


def page(*results: tuple[str, dict[int, float], str], token: str | None = None) -> tuple[int, dict[str, Any]]:
    """Values by how many minutes ago."""
    data = [
        {
            "Id": name,
            "Timestamps": [(NOW.replace(second=0) - ago * MINUTE).timestamp() for ago in values],
            "Values": list(values.values()),
            "StatusCode": status,
        }
        for name, values, status in results
    ]
    return 200, {"MetricDataResults": data, **({"NextToken": token} if token else {})}


def test_what_comes_in_pages_is_put_together(watch: AwsLaneWatch) -> None:
    first = page(("low_calls", {1: 10}, "PartialData"), ("low_errors", {1: 1}, "PartialData"), token="more")
    second = page(("low_calls", {2: 30}, "Complete"), ("low_errors", {}, "Complete"))
    answer(watch._cloudwatch, "GetMetricData", first, second)
    assert low(watch).errors == pytest.approx(1 / 40)


@pytest.mark.parametrize("status", ["InternalError", "Forbidden", "PartialData"])
def test_half_an_answer_is_none(watch: AwsLaneWatch, status: str) -> None:
    answer(watch._cloudwatch, "GetMetricData", page(("low_age", {1: 1}, "Complete"), ("high_in_use", {}, status)))
    with pytest.raises(ScalingError, match=f"in part: high_in_use {status}$"):
        watch.look(NOW)


def test_a_queue_that_is_not_there_is_told(watch: AwsLaneWatch) -> None:
    boto3.client("sqs", region_name=REGION).delete_queue(QueueUrl=URLS.url("normal"))
    with pytest.raises(ScalingError, match="NonExistentQueue"):
        watch.look(NOW)


CALLS = [("_sqs", "GetQueueAttributes", 4), ("_cloudwatch", "GetMetricData", 1)]
each_call = pytest.mark.parametrize(("client", "operation", "calls"), CALLS, ids=[name for _, name, _ in CALLS])


@each_call
def test_a_throttled_call_is_tried_again(watch: AwsLaneWatch, client: str, operation: str, calls: int) -> None:
    asked = answer(getattr(watch, client), operation, *throttled(2))
    assert watch.look(NOW) == dict.fromkeys(Lane, QUIET)
    assert len(asked) == 2 + calls


@each_call
def test_throttling_that_does_not_end_fails_within_bounds(
    watch: AwsLaneWatch, client: str, operation: str, calls: int
) -> None:
    asked = answer(getattr(watch, client), operation, *throttled(99))
    with pytest.raises(ScalingError, match="ThrottlingException"):
        watch.look(NOW)
    assert len(asked) == 4


@each_call
def test_what_is_denied_is_told_in_aws_s_words(watch: AwsLaneWatch, client: str, operation: str, calls: int) -> None:
    denied = {"__type": "AccessDeniedException", "message": f"not authorized to perform {operation}"}
    answer(getattr(watch, client), operation, (403, denied))
    with pytest.raises(ScalingError, match=f"not authorized to perform {operation}"):
        watch.look(NOW)
