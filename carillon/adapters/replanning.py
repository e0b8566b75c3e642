"""Tells the planner that the calendar changed, by a message to its queue."""

from __future__ import annotations

import json
import logging
from typing import Any

_LOG = logging.getLogger(__name__)


class SqsReplan:
    """Sends the reason for a look at the calendar; the planner is called with it some seconds later.

    A failure is logged and not raised, on purpose: what changed the calendar has been stored, so its sender must not be
    told otherwise, and the planner's next round, within 15 minutes, sees the change without being told.

    Args:
        queue_url: of the planner's queue, a standard one; empty where there is none, and nothing is sent.
        region: the queue's.
        endpoint: of SQS, where it is not AWS's own.
    """

    def __init__(self, queue_url: str, *, region: str, endpoint: str) -> None:
        self._queue_url = queue_url
        self._region = region
        self._endpoint = endpoint
        self._client: Any = None

    def changed(self, why: str) -> None:
        """Have the planner look at once; the message is `{"cause": why}`."""
        if not self._queue_url:
            return
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - 100 ms that a start goes without

        try:
            self._connected().send_message(QueueUrl=self._queue_url, MessageBody=json.dumps({"cause": why}))
        except (BotoCoreError, ClientError) as error:
            _LOG.warning("the planner was not told that %s, its next round will see it: %s", why, error)

    def _connected(self) -> Any:
        """Its own session, as two first requests may come here at once and boto3's common one is not made for that."""
        if self._client is None:
            from boto3.session import Session  # noqa: PLC0415 - same
            from botocore.config import Config  # noqa: PLC0415

            # A request may be waiting: six seconds and a short pause at the very most.
            patience = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
            self._client = Session().client(
                "sqs", region_name=self._region, endpoint_url=self._endpoint or None, config=patience
            )
        return self._client
