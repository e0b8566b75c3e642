"""What a handler's answer to a batch means, as the AWS Lambda Developer Guide documents it."""

from __future__ import annotations

from typing import Any

import pytest

from local.batches import event_of, succeeded

MESSAGES = [{"MessageId": "a"}, {"MessageId": "b"}, {"MessageId": "c"}]


def failures(*identifiers: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_nothing_told_is_all_succeeded(answer: Any) -> None:
    assert succeeded(MESSAGES, answer) == MESSAGES


def test_told_failures_stay() -> None:
    assert succeeded(MESSAGES, failures("b")) == [{"MessageId": "a"}, {"MessageId": "c"}]


@pytest.mark.parametrize(
    "answer",
    [
        "done",
        [],
        failures("unknown"),
        failures("a", "unknown"),
        failures(""),
        failures(None),
        {"batchItemFailures": [{"id": "a"}]},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": "a"},
    ],
)
def test_an_answer_that_makes_no_sense_fails_the_whole_batch(answer: Any) -> None:
    assert succeeded(MESSAGES, answer) == []


def test_the_event_is_lambdas() -> None:
    message = {
        "MessageId": "m",
        "ReceiptHandle": "r",
        "Body": "{}",
        "MD5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
        "Attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g", "SentTimestamp": "1"},
        "MessageAttributes": {"broadcast_id": {"DataType": "String", "StringValue": "B1"}},
    }
    expected = {
        "messageId": "m",
        "receiptHandle": "r",
        "body": "{}",
        "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g", "SentTimestamp": "1"},
        "messageAttributes": {
            "broadcast_id": {
                "stringValue": "B1",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            }
        },
        "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:1:q.fifo",
        "awsRegion": "us-east-1",
    }
    event = event_of([message], queue_arn="arn:aws:sqs:us-east-1:1:q.fifo", region="us-east-1")
    assert event == {"Records": [expected]}
