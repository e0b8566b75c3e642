"""A lane's consumer that kills itself with SIGKILL at a chosen point of its work: a program, started by the tests.

    python -m tests.integration.faults.doomed POINT LANE VISIBILITY_S [PAGE SENDS]

The product knows nothing of this: the ports are the real ones, from the same environment as any consumer's, with one
of them wrapped. It takes one message from the lane's queue, says which one, and does not outlive it.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from carillon import wiring
from carillon.adapters.sqs import message_from
from carillon.config import LaneUrls
from carillon.flow.consume import consume
from carillon.policy import batching
from local.batches import event_of
from local.emulator import REGION
from local.queues import queue_arn, queue_name, sqs_client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carillon.ports import Outgoing, Ports, Post, PostReport, Rate

POINTS = ("before_post", "mid_post", "before_settle", "before_delete", "mid_send")
NOTHING = 3
"""Exit status when the queue held no message for us."""


def die() -> None:
    """What a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Instead:
    """A port with some methods replaced."""

    def __init__(self, port: object, **methods: Callable[..., Any]) -> None:
        self._port, self._methods = port, methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._port, name)


def doom(ports: Ports, point: str, sends: int) -> Ports:
    """The ports, of which one will kill us at `point`."""

    def half(posts: Sequence[Post], rate: Rate, deadline_s: float) -> PostReport:
        report = ports.poster.post(posts[: len(posts) // 2], rate, deadline_s)
        die()
        return report

    def some(outgoing: Sequence[Outgoing]) -> None:
        ports.queue.send(outgoing[:sends])
        die()

    match point:
        case "before_post":
            return dataclasses.replace(ports, poster=Instead(ports.poster, post=lambda *_: die()))
        case "mid_post":
            return dataclasses.replace(ports, poster=Instead(ports.poster, post=half))
        case "before_settle":
            return dataclasses.replace(ports, deliveries=Instead(ports.deliveries, settle=lambda *_, **__: die()))
        case "mid_send":
            return dataclasses.replace(ports, queue=Instead(ports.queue, send=some))
    return ports


def main() -> None:
    """Take a message, work, die."""
    point, lane, visibility_s, *more = sys.argv[1:]
    assert point in POINTS
    batching.PAGE, sends = (int(more[0]), int(more[1])) if more else (batching.PAGE, 0)  # type: ignore[misc]
    url = LaneUrls(os.environ["CARILLON_QUEUE_URLS"]).url(lane)
    answer = sqs_client(os.environ["CARILLON_SQS_ENDPOINT"]).receive_message(
        QueueUrl=url,
        WaitTimeSeconds=5,
        VisibilityTimeout=int(visibility_s),
        MaxNumberOfMessages=1,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    if not answer.get("Messages"):
        sys.exit(NOTHING)
    event = event_of(answer["Messages"], queue_arn=queue_arn(queue_name(lane)), region=REGION)
    (message,) = [message_from(record, wiring.stores()) for record in event["Records"]]
    print(message.broadcast_id, message.receipt, flush=True)  # noqa: T201 - read by the test
    consume([message], doom(wiring.ports(), point, sends))
    die()


if __name__ == "__main__":
    main()
