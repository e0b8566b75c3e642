"""Every name that more than one place must agree on, written once: lanes, queues, metrics, scopes, time to live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAMESPACE: Final = "Carillon"
SERVICE: Final = "carillon"
WIRE_VERSION: Final = 1
SUBPROTOCOL: Final = "carillon.v1"
BEARER_PREFIX: Final = "bearer."
TOKEN_AUDIENCE: Final = "carillon"  # noqa: S105 - the `aud` claim, no secret
INBOX: Final = "inbox"
FUNCTION_ALIAS: Final = "live"
"""The alias of every function that everybody calls; a gradual deployment moves it."""
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
    """Custom CloudWatch metrics; what each of them is stands in `METRICS`."""

    ACCEPTED = "BroadcastsAccepted"
    RECORDED = "DeliveriesRecorded"
    SENT = "DeliveriesSent"
    POSTS = "PostsTried"
    GONE = "ConnectionsGone"
    THROTTLED = "PostsThrottled"
    HELD_BACK = "PostsHeldBack"
    POST_FAILED = "PostsFailed"
    ACCEPTED_TO_FIRST_POST = "AcceptedToFirstPost"
    QUEUE_HOP = "QueueHop"
    POISON = "MessagesPoison"
    OUTAGE = "MessagesReturnedByOutage"
    DEAD_LETTERED = "MessagesDeadLettered"
    ESCALATED = "DeliveriesEscalated"
    RELAYED = "OutboxRelayed"
    OUTBOX_OLDEST_AGE = "OutboxOldestAge"
    INDEX_LOOKUP = "ConnectionIndexLookups"
    INDEX_MISS = "ConnectionIndexMiss"
    RESUMED = "EventsResumed"
    REAPED = "ConnectionsReaped"
    HANDED_OVER = "DeliveriesHandedOver"
    WEDDINGS_TODAY = "WeddingsToday"
    CONNECTIONS_EXPECTED = "ConnectionsExpected"
    CONNECTIONS_OPEN = "ConnectionsOpen"
    CAPACITY_CHANGED = "CapacityChanged"
    CALENDAR_AWAY = "CalendarAway"
    QUOTA_SHORTAGES = "QuotaShortages"
    BUDGET_CUTS = "BudgetCuts"
    WEDDINGS_WARMED = "WeddingsWarmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """What a metric is.

    Args:
        doc: what it counts or measures.
        emitted_by: the doors that write it.
        unit: CloudWatch's word for its unit.
        by_lane: whether it has the dimension `lane` beside `service`.
        gauge: whether it is measured rather than counted: then a zero is worth a line, and the largest is kept.
        alarms: the alarms that watch it, by construct id; a lane's alarms carry the lane's name in front.
    """

    doc: str
    emitted_by: str
    unit: str = "Count"
    by_lane: bool = True
    gauge: bool = False
    alarms: tuple[str, ...] = ()


_API: Final = "API"
_CONSUMER: Final = "lane consumers"
METRICS: Final[dict[Metric, MetricFacts]] = {
    Metric.ACCEPTED: MetricFacts(doc="Broadcasts stored with their outbox row.", emitted_by=_API),
    Metric.RECORDED: MetricFacts(
        doc="Deliveries added to people's inboxes.", emitted_by=f"{_CONSUMER}, dead-letter consumer"
    ),
    Metric.SENT: MetricFacts(doc="People with at least one device reached.", emitted_by=_CONSUMER),
    Metric.POSTS: MetricFacts(
        doc="Posts to sockets, whatever came of them.",
        emitted_by=_CONSUMER,
        alarms=("Gone", "Throttled", "HeldBack", "PostErrors"),
    ),
    Metric.GONE: MetricFacts(doc="Posts answered 410.", emitted_by=_CONSUMER, alarms=("Gone",)),
    Metric.THROTTLED: MetricFacts(doc="Posts answered 429.", emitted_by=_CONSUMER, alarms=("Throttled",)),
    Metric.HELD_BACK: MetricFacts(
        doc="Posts not made because the callback budget had no token; watched for the critical lane alone, for whose "
        "sake the others are held back by design.",
        emitted_by=_CONSUMER,
        alarms=("HeldBack",),
    ),
    Metric.POST_FAILED: MetricFacts(
        doc="Posts that failed in any other way: 5xx, time-out, no connection.",
        emitted_by=_CONSUMER,
        alarms=("PostErrors",),
    ),
    Metric.ACCEPTED_TO_FIRST_POST: MetricFacts(
        doc="From the API's acceptance to the first post of the broadcast; wedding, role and users audiences only, "
        "where one message is the whole broadcast; not for scheduled or redelivered ones, nor after quiet hours.",
        emitted_by=_CONSUMER,
        unit="Milliseconds",
        alarms=("FirstPost", "FirstPostWeddingDay"),
    ),
    Metric.QUEUE_HOP: MetricFacts(
        doc="From the send into the lane to the consumer's start, of the same broadcasts.",
        emitted_by=_CONSUMER,
        unit="Milliseconds",
    ),
    Metric.POISON: MetricFacts(doc="Messages that broke a rule and were dead-lettered at once.", emitted_by=_CONSUMER),
    Metric.OUTAGE: MetricFacts(
        doc="Messages handed back because a store was away.", emitted_by=_CONSUMER, alarms=("Outage",)
    ),
    Metric.DEAD_LETTERED: MetricFacts(
        doc="Dead letters filed, their broadcast marked failed.",
        emitted_by="dead-letter consumer",
        alarms=("DeadLetters",),
    ),
    Metric.ESCALATED: MetricFacts(doc="People reached by a repeat of what they had not acked.", emitted_by=_CONSUMER),
    Metric.RELAYED: MetricFacts(doc="Outbox rows sent into the lane.", emitted_by=_API),
    Metric.OUTBOX_OLDEST_AGE: MetricFacts(
        doc="How long the oldest due outbox row has been due when a relay round begins.",
        emitted_by=_API,
        unit="Seconds",
        by_lane=False,
        gauge=True,
        alarms=("Relay",),
    ),
    Metric.INDEX_LOOKUP: MetricFacts(
        doc="Look-ups of a chunk's sockets in the connection index.",
        emitted_by=_CONSUMER,
        by_lane=False,
        alarms=("IndexMisses", "IndexMissesWeddingDay"),
    ),
    Metric.INDEX_MISS: MetricFacts(
        doc="Those that PostgreSQL answered instead, the index being away or wiped.",
        emitted_by=_CONSUMER,
        by_lane=False,
        alarms=("IndexMisses", "IndexMissesWeddingDay"),
    ),
    Metric.RESUMED: MetricFacts(
        doc="Events handed out when a client came back.", emitted_by="frame function", by_lane=False
    ),
    Metric.REAPED: MetricFacts(
        doc="Sockets forgotten because they outlived two hours.", emitted_by=_API, by_lane=False
    ),
    Metric.HANDED_OVER: MetricFacts(
        doc="People handed to the other Region's lane, because they have a socket there.", emitted_by=_CONSUMER
    ),
    Metric.WEDDINGS_TODAY: MetricFacts(
        doc="Weddings of the day, written at the end of each planner run that went well.",
        emitted_by="planner",
        by_lane=False,
        gauge=True,
        alarms=("WeddingDay", "Planner"),
    ),
    Metric.CONNECTIONS_EXPECTED: MetricFacts(
        doc="The most connections that the calendar and the season promise for the next 48 hours.",
        emitted_by="planner",
        by_lane=False,
        gauge=True,
    ),
    Metric.CONNECTIONS_OPEN: MetricFacts(
        doc="Sockets of this Region that get events, counted in the database once a minute by each task.",
        emitted_by=_API,
        by_lane=False,
        gauge=True,
    ),
    Metric.CAPACITY_CHANGED: MetricFacts(
        doc="Sizes changed, by the plan or in reaction to a lane's load.",
        emitted_by="planner, reactive scaler",
        by_lane=False,
    ),
    Metric.CALENDAR_AWAY: MetricFacts(
        doc="Rounds that could not read the weddings: what stands is kept, and the season's schedule still raises it.",
        emitted_by="planner",
        by_lane=False,
        alarms=("CalendarAway", "CalendarAwayWeddingDay"),
    ),
    Metric.QUOTA_SHORTAGES: MetricFacts(
        doc="Coming days, of the next 60, for which a quota of the account is too small; the log says which and until "
        "when to ask.",
        emitted_by="planner",
        by_lane=False,
        gauge=True,
        alarms=("QuotaShortage",),
    ),
    Metric.BUDGET_CUTS: MetricFacts(
        doc="Sizes that the monthly budget keeps below the plan.",
        emitted_by="planner",
        by_lane=False,
        gauge=True,
        alarms=("BudgetCut",),
    ),
    Metric.WEDDINGS_WARMED: MetricFacts(
        doc="Weddings whose people were read into memory ahead of their window.", emitted_by="planner", by_lane=False
    ),
}
METRIC_UNITS: Final[dict[Metric, str]] = {metric: facts.unit for metric, facts in METRICS.items()}

DIMENSION_LANE: Final = "lane"
DIMENSION_SERVICE: Final = "service"
"""Powertools writes it beside every metric; its value is that of `service_name`."""


def service_name(stage: str) -> str:
    """What logs and metrics of a stage say they are of: two stages in one account must not ring each other's alarms."""
    return f"{SERVICE}-{stage}"


ATTRIBUTE_BROADCAST: Final = "broadcast_id"
"""SQS message attribute that tells whose message it is even when the body cannot be parsed."""
ATTRIBUTE_REASON: Final = "dead_letter_reason"
