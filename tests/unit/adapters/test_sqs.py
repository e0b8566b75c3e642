"""The lane queues against moto: what is sent, handed back and buried, and how failures look."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from carillon.adapters.sqs import SqsQueue, message_from
from carillon.config import LaneUrls, StoreSettings
from carillon.errors import ConfigError, OutageError
from carillon.model import Lane
from carillon.ports import Message, Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "https://sqs.us-east-1.amazonaws.com/123456789012/"
REGION = "us-east-1"
FIFO = {"FifoQueue": "true"}


def lane_queue(lane: str) -> str:
    return f"stack-{lane}.fifo"


def lane_dead_letters(lane: str) -> str:
    return f"stack-{lane}-buried.fifo"


SETTINGS = StoreSettings(
    database_url="",
    valkey_url="",
    queue_urls=LaneUrls.of({lane.word: PREFIX + lane_queue(lane.word) for lane in Lane}),
    dead_letter_urls=LaneUrls.of({lane.word: PREFIX + lane_dead_letters(lane.word) for lane in Lane}),
    region=REGION,
)


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("sqs", region_name=REGION)
        for lane in Lane:
            client.create_queue(QueueName=lane_queue(lane.word), Attributes=FIFO)
            client.create_queue(QueueName=lane_dead_letters(lane.word), Attributes=FIFO)
        yield client


@pytest.fixture
def queue(sqs: Any) -> SqsQueue:
    return SqsQueue(SETTINGS)


def outgoing(number: int, *, lane: Lane = Lane.NORMAL, group: str = "g") -> Outgoing:
    return Outgoing(lane, group, f"b{number}", f'{{"number":{number}}}')


def received(sqs: Any, name: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=PREFIX + name, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    )
    return answer.get("Messages", [])  # type: ignore[no-any-return]


def handed_out(message: dict[str, Any], *, lane: Lane = Lane.NORMAL) -> Message:
    return Message(
        message["MessageId"], message["ReceiptHandle"], lane, "g", message["Body"], 1, datetime.now(UTC), "b1"
    )


def test_messages_arrive_in_their_lane_once_with_their_broadcast(queue: SqsQueue, sqs: Any) -> None:
    queue.send([outgoing(1), outgoing(1), outgoing(2), outgoing(3, lane=Lane.CRITICAL)])
    messages = received(sqs, lane_queue("normal"))
    assert [message["Body"] for message in messages] == ['{"number":1}', '{"number":2}']
    assert messages[0]["MessageAttributes"]["broadcast_id"]["StringValue"] == "b1"
    assert messages[0]["Attributes"]["MessageGroupId"] == "g"
    assert len(received(sqs, lane_queue("critical"))) == 1


def test_a_large_cut_goes_out_whole(queue: SqsQueue, sqs: Any) -> None:
    queue.send([outgoing(number, group=f"g{number}") for number in range(25)])
    attributes = sqs.get_queue_attributes(QueueUrl=PREFIX + lane_queue("normal"), AttributeNames=["All"])
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "25"


def test_messages_that_are_handed_back_are_visible_at_the_time_asked_for(queue: SqsQueue, sqs: Any) -> None:
    queue.send([outgoing(1)])
    (message,) = received(sqs, lane_queue("normal"))
    assert received(sqs, lane_queue("normal")) == []
    queue.delay([handed_out(message)], 0)
    (again,) = received(sqs, lane_queue("normal"))
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_dead_letter_carries_its_reason(queue: SqsQueue, sqs: Any) -> None:
    queue.send([outgoing(1)])
    (message,) = received(sqs, lane_queue("normal"))
    queue.dead_letter(handed_out(message), "x" * 2000)
    (letter,) = received(sqs, lane_dead_letters("normal"))
    attributes = letter["MessageAttributes"]
    assert letter["Body"] == message["Body"]
    assert len(attributes["dead_letter_reason"]["StringValue"]) == 1000
    assert attributes["broadcast_id"]["StringValue"] == "b1"


def test_ready_when_all_lanes_are_there(queue: SqsQueue, sqs: Any) -> None:
    assert queue.ready()
    sqs.delete_queue(QueueUrl=PREFIX + lane_queue("low"))
    assert not queue.ready()


def test_a_missing_queue_is_an_outage_that_can_be_tried_again(queue: SqsQueue, sqs: Any) -> None:
    sqs.delete_queue(QueueUrl=PREFIX + lane_queue("normal"))
    with pytest.raises(OutageError) as outage:
        queue.send([outgoing(1)])
    assert outage.value.retry_after_s


def test_a_batch_that_fails_in_part_is_an_outage(queue: SqsQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(queue, "_call", lambda *_arguments, **_named: answer)
    with pytest.raises(OutageError, match="InternalError"):
        queue.send([outgoing(1)])


PEER = "eu-west-1"
PEER_PREFIX = "https://sqs.eu-west-1.amazonaws.com/123456789012/"
TWO_REGIONS = replace(
    SETTINGS,
    peer_region=PEER,
    peer_queue_urls=LaneUrls.of({lane.word: PEER_PREFIX + "far-" + lane_queue(lane.word) for lane in Lane}),
)


@pytest.fixture
def far(sqs: Any) -> Any:
    client = boto3.client("sqs", region_name=PEER)
    for lane in Lane:
        client.create_queue(QueueName="far-" + lane_queue(lane.word), Attributes=FIFO)
    return client


def waiting(client: Any, url: str) -> list[str]:
    answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def test_what_is_for_the_other_region_goes_to_its_lane_there(sqs: Any, far: Any) -> None:
    SqsQueue(TWO_REGIONS).send([outgoing(1), replace(outgoing(2), region=PEER), replace(outgoing(3), region=REGION)])
    assert waiting(far, TWO_REGIONS.peer_queue_urls.url("normal")) == ['{"number":2}']
    assert waiting(sqs, TWO_REGIONS.queue_urls.url("normal")) == ['{"number":1}', '{"number":3}']


def test_broadcasts_begin_in_the_home_regions_lanes(sqs: Any, far: Any) -> None:
    queue = SqsQueue(replace(TWO_REGIONS, home_region=PEER))
    queue.send([outgoing(1)])
    assert waiting(far, TWO_REGIONS.peer_queue_urls.url("normal")) == ['{"number":1}']
    far.delete_queue(QueueUrl=TWO_REGIONS.peer_queue_urls.url("low"))
    assert not queue.ready()


def test_a_region_that_is_no_more_is_answered_for_at_home(sqs: Any, queue: SqsQueue) -> None:
    queue.send([replace(outgoing(1), region="ap-south-1")])
    assert waiting(sqs, SETTINGS.queue_urls.url("normal")) == ['{"number":1}']


def test_while_the_other_region_is_away_only_one_call_waits_for_it(
    sqs: Any, far: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    far.delete_queue(QueueUrl=TWO_REGIONS.peer_queue_urls.url("normal"))
    queue = SqsQueue(TWO_REGIONS)
    asked = []
    connected = queue._connected
    monkeypatch.setattr(queue, "_connected", lambda region: asked.append(region) or connected(region))  # type: ignore[func-returns-value]
    for _ in range(3):
        with pytest.raises(OutageError):
            queue.send([replace(outgoing(1), region=PEER)])
    queue.send([outgoing(2)])
    assert asked == [PEER, REGION]


def test_a_record_of_the_lambda_event_becomes_a_message() -> None:
    record = {
        "messageId": "m1",
        "receiptHandle": "r1",
        "body": "{}",
        "attributes": {
            "MessageGroupId": "wedding:W1",
            "ApproximateReceiveCount": "3",
            "SentTimestamp": "1780000000123",
        },
        "messageAttributes": {"broadcast_id": {"stringValue": "b1", "dataType": "String"}},
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:flow-prod-queues-Lane7F3A.fifo",
    }
    urls = LaneUrls.of({"critical": PREFIX + "flow-prod-queues-Lane7F3A.fifo", "low": PREFIX + "other.fifo"})
    message = message_from(record, replace(SETTINGS, queue_urls=urls))
    assert message == Message(
        "m1", "r1", Lane.CRITICAL, "wedding:W1", "{}", 3, datetime.fromtimestamp(1780000000.123, UTC), "b1", None
    )


def test_a_record_of_a_queue_that_is_no_lanes_is_refused_by_name() -> None:
    record = {"attributes": {}, "messageId": "m", "receiptHandle": "r", "eventSourceARN": "arn:aws:sqs:r:1:else.fifo"}
    with pytest.raises(ConfigError, match=r"else\.fifo"):
        message_from(record, SETTINGS)
