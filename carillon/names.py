"""Every name that more than one place must agree on, written once: lanes, queues, metrics, scopes, time to live."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

NAMESPACE: Final = "Carillon"
SERVICE: Final = "carillon"
WIRE_VERSION: Final = 1
SUBPROTOCOL: Final = "carillon.v1"
BEARER_PREFIX: Final = "bearer."
TOKEN_AUDIENCE: Final = "carillon"  # noqa: S105 - the `aud` claim, no secret
INBOX: Final = "inbox"
DATABASE_NAME: Final = "carillon"
DATABASE_OWNER: Final = "carillon_owner"
"""Who owns the tables, and logs in with a password for the migrations alone."""
DATABASE_LOGIN: Final = "carillon_app"
"""Who the functions and tasks are to PostgreSQL; it has no password."""
DATABASE_TABLES: Final = "carillon_tables"
"""Owns the table whose weekly partitions come and go while the product runs; nobody logs in as it."""


class Scope(StrEnum):
    """What a token may do."""

    BROADCAST_WRITE = "broadcast:write"
    BROADCAST_CRITICAL = "broadcast:critical"
    DIRECTORY_WRITE = "directory:write"
    OPS_READ = "ops:read"


class Metric(StrEnum):
    """Custom CloudWatch metrics; units in `METRIC_UNITS`, the dimension is the lane where there is one."""

    ACCEPTED = "BroadcastsAccepted"
    RECORDED = "DeliveriesRecorded"
    SENT = "DeliveriesSent"
    GONE = "ConnectionsGone"
    THROTTLED = "PostsThrottled"
    POST_FAILED = "PostsFailed"
    ACCEPTED_TO_FIRST_POST = "AcceptedToFirstPost"
    QUEUE_HOP = "QueueHop"
    POISON = "MessagesPoison"
    OUTAGE = "MessagesReturnedByOutage"
    DEAD_LETTERED = "MessagesDeadLettered"
    ESCALATED = "DeliveriesEscalated"
    RELAYED = "OutboxRelayed"
    INDEX_MISS = "ConnectionIndexMiss"
    RESUMED = "EventsResumed"
    REAPED = "ConnectionsReaped"


METRIC_UNITS: Final[dict[Metric, str]] = dict.fromkeys(Metric, "Count") | {
    Metric.ACCEPTED_TO_FIRST_POST: "Milliseconds",
    Metric.QUEUE_HOP: "Milliseconds",
}

DIMENSION_LANE: Final = "lane"


def lane_queue(lane: str) -> str:
    """The logical name of a lane's queue; `.fifo` is what SQS demands of a FIFO queue's name."""
    return f"{SERVICE}-{lane}.fifo"


def lane_dead_letters(lane: str) -> str:
    """The logical name of a lane's dead-letter queue."""
    return f"{SERVICE}-{lane}-dlq.fifo"


ATTRIBUTE_BROADCAST: Final = "broadcast_id"
"""SQS message attribute that tells whose message it is even when the body cannot be parsed."""
ATTRIBUTE_REASON: Final = "dead_letter_reason"
