"""The lane queues on SQS FIFO. boto3 is imported with the first call: a consumer's hot path never makes one."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from carillon.errors import ConfigError, OutageError
from carillon.model import Lane
from carillon.names import ATTRIBUTE_BROADCAST, ATTRIBUTE_REASON
from carillon.policy.messages import deduplication_id
from carillon.ports import Message, Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from carillon.config import LaneUrls, StoreSettings

_LOG = logging.getLogger(__name__)
_BATCH: Final = 10
_RETRY_AFTER_S: Final = 2.0
_PEER_PAUSE_S: Final = 5.0
"""While the other Region is away, one call in this time waits for it; the others are told at once."""


class SqsQueue:
    """See `ports.Queue`. The lanes of this Region and, where there are two, of the other one."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._urls: dict[str, LaneUrls] = {settings.region: settings.queue_urls}
        if settings.peer_region:
            self._urls[settings.peer_region] = settings.peer_queue_urls
        self._clients: dict[str, Any] = {}
        self._peer_away_until = 0.0

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send all, in order within each group, each to the Region it is for."""
        for batch in _batches(messages):
            entries = [_entry(str(index), message) for index, message in enumerate(batch)]
            region = self._region(batch[0].region)
            url = self._urls[region].url(batch[0].lane.word)
            answer = self._call("send_message_batch", region, QueueUrl=url, Entries=entries)
            if answer.get("Failed"):
                raise OutageError(f"the queue refused {answer['Failed']}", retry_after_s=_RETRY_AFTER_S)

    def delay(self, messages: Sequence[Message], delay_s: int) -> None:
        """Make messages visible again after `delay_s`; one whose time ran out already is visible, which is fine."""
        for start in range(0, len(messages), _BATCH):
            batch = messages[start : start + _BATCH]
            entries = [
                {"Id": str(index), "ReceiptHandle": message.receipt, "VisibilityTimeout": delay_s}
                for index, message in enumerate(batch)
            ]
            url = self._settings.queue_urls.url(batch[0].lane.word)
            answer = self._call("change_message_visibility_batch", self._settings.region, QueueUrl=url, Entries=entries)
            for failure in answer.get("Failed", ()):
                _LOG.warning("a message's visibility could not be changed: %s", failure)

    def dead_letter(self, message: Message, reason: str) -> None:
        """Copy a message to its lane's dead-letter queue, with the reason."""
        attributes = {ATTRIBUTE_REASON: reason[:1000]}
        if message.broadcast_id:
            attributes[ATTRIBUTE_BROADCAST] = message.broadcast_id
        self._call(
            "send_message",
            self._settings.region,
            QueueUrl=self._settings.dead_letter_urls.url(message.lane.word),
            MessageBody=message.body,
            MessageGroupId=message.group_id,
            MessageDeduplicationId=message.message_id,
            MessageAttributes=_attributes(attributes),
        )

    def ready(self) -> bool:
        """Whether all four lanes in which broadcasts begin can be reached."""
        home = self._region("")
        try:
            for lane in Lane:
                url = self._urls[home].url(lane.word)
                self._call("get_queue_attributes", home, QueueUrl=url, AttributeNames=["QueueArn"])
        except OutageError as error:
            _LOG.warning("queues: %s", error)
            return False
        return True

    def _region(self, named: str) -> str:
        """Where a message goes; a Region that is no longer there has no sockets, so home will do."""
        return next(one for one in (named, self._settings.home_region, self._settings.region) if one in self._urls)

    def _call(self, operation: str, region: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - not in the hot path's cold start

        far = region != self._settings.region
        if far and time.monotonic() < self._peer_away_until:
            raise OutageError(f"the queues of {region} are away", retry_after_s=_PEER_PAUSE_S)
        try:
            answer: dict[str, Any] = getattr(self._connected(region), operation)(**arguments)
        except (BotoCoreError, ClientError) as error:
            if far:
                self._peer_away_until = time.monotonic() + _PEER_PAUSE_S
            raise OutageError(f"the queue is away: {error}", retry_after_s=_RETRY_AFTER_S) from error
        return answer

    def _connected(self, region: str) -> Any:
        if region not in self._clients:
            import boto3  # noqa: PLC0415 - same
            from botocore.config import Config  # noqa: PLC0415

            self._clients[region] = boto3.client(
                "sqs",
                region_name=region,
                endpoint_url=self._settings.queue_endpoint or None,
                config=Config(
                    connect_timeout=1,
                    read_timeout=3,
                    # A consumer has no time to ask a hung Region thrice: the outbox does.
                    retries={"max_attempts": 2 if region == self._settings.region else 0, "mode": "standard"},
                    max_pool_connections=32,
                ),
            )
        return self._clients[region]


def _batches(messages: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """Up to ten messages of one lane and Region, no group twice: a partial failure must not change a group's order."""
    batch: list[Outgoing] = []
    for message in messages:
        full = len(batch) == _BATCH or any(
            one.group_id == message.group_id or (one.lane, one.region) != (message.lane, message.region)
            for one in batch
        )
        if full:
            yield batch
            batch = []
        batch.append(message)
    if batch:
        yield batch


def _entry(entry_id: str, message: Outgoing) -> dict[str, Any]:
    return {
        "Id": entry_id,
        "MessageBody": message.body,
        "MessageGroupId": message.group_id,
        "MessageDeduplicationId": deduplication_id(message.group_id, message.body),
        "MessageAttributes": _attributes({ATTRIBUTE_BROADCAST: message.broadcast_id}),
    }


def _attributes(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def message_from(record: Mapping[str, Any], settings: StoreSettings) -> Message:
    """A record of the Lambda event for SQS; its lane is that of the queue, or dead-letter queue, it came from.

    Raises:
        KeyError: it is no such record.
        ConfigError: the function is fed by a queue that is not among its settings.
    """
    lane = _lane(record["eventSourceARN"].rsplit(":", 1)[-1], settings)
    attributes, named = record["attributes"], record.get("messageAttributes", {})
    return Message(
        message_id=record["messageId"],
        receipt=record["receiptHandle"],
        lane=lane,
        group_id=attributes["MessageGroupId"],
        body=record["body"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        sent_at=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC),
        broadcast_id=named.get(ATTRIBUTE_BROADCAST, {}).get("stringValue"),
        reason=named.get(ATTRIBUTE_REASON, {}).get("stringValue"),
    )


def _lane(queue_name: str, settings: StoreSettings) -> Lane:
    word = settings.queue_urls.lane(queue_name) or settings.dead_letter_urls.lane(queue_name)
    if word is None:
        raise ConfigError(f"the queue {queue_name} is no lane's: CARILLON_QUEUE_URLS does not name it")
    return Lane[word.upper()]
