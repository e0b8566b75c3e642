"""Lambda's side of an SQS batch: the event a handler gets, and what its answer means. Pure.

Source of both: "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source in Lambda" of the AWS
Lambda Developer Guide.
"""

from __future__ import annotations

from typing import Any


def event_of(messages: list[dict[str, Any]], *, queue_arn: str, region: str) -> dict[str, Any]:
    """The event that Lambda makes of received messages, in their order."""
    return {"Records": [_record(message, queue_arn, region) for message in messages]}


def _record(message: dict[str, Any], queue_arn: str, region: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        record["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        record["binaryValue"] = value["BinaryValue"]
    return record


def succeeded(messages: list[dict[str, Any]], answer: Any) -> list[dict[str, Any]]:
    """The messages that a handler's answer lets go: all of them, some, or, for an answer that makes no sense, none.

    Args:
        messages: The batch, as received.
        answer: What the handler returned, `ReportBatchItemFailures` being on.
    """
    if answer is None or answer == {}:
        return messages
    if not isinstance(answer, dict):
        return []
    failures = answer.get("batchItemFailures")
    if failures is None:
        return messages
    failed = _failed_ids(failures)
    known = {message["MessageId"] for message in messages}
    if failed is None or not failed <= known:
        return []
    return [message for message in messages if message["MessageId"] not in failed]


def _failed_ids(failures: Any) -> set[str] | None:
    """The ids told, or None when one of them cannot be read."""
    if not isinstance(failures, list):
        return None
    told = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    ids = {identifier for identifier in told if isinstance(identifier, str) and identifier}
    return ids if all(identifier in ids for identifier in told) else None
