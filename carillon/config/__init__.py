"""Settings: one frozen dataclass per room, read once from the environment at start and validated there.

A field is declared with `setting`, which is also the source of `docs/CONFIG.md`.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from carillon.config.kinds import DatabaseAuth, LaneSizes, LaneUrls, ValkeyAuth
from carillon.config.reading import environment, read, setting, show, variable
from carillon.names import SERVICE, TOKEN_AUDIENCE

__all__ = [
    "ROOMS",
    "ApiSettings",
    "CallbackSettings",
    "CapacitySettings",
    "DatabaseAuth",
    "LaneSizes",
    "LaneUrls",
    "MetricSettings",
    "MigrationSettings",
    "PlanSettings",
    "SocketSettings",
    "StoreSettings",
    "TokenSettings",
    "ValkeyAuth",
    "environment",
    "read",
    "setting",
    "show",
    "variable",
]


@dataclasses.dataclass(frozen=True)
class StoreSettings:
    """Where the stores and queues are; read by every door that touches them."""

    database_url: str = setting("CARILLON_DATABASE_URL", "PostgreSQL writer, as a libpq URL.", secret=True)
    database_read_url: str = setting(
        "CARILLON_DATABASE_READ_URL",
        "PostgreSQL reader for reports that may be a moment old; the writer when empty.",
        default="",
        secret=True,
    )
    database_auth: DatabaseAuth = setting(
        "CARILLON_DATABASE_AUTH",
        "How to log in: `password` (it stands in the URL) or `iam` (a signed token per connection).",
        default=DatabaseAuth.PASSWORD,
    )
    database_pool: int = setting(
        "CARILLON_DATABASE_POOL", "Largest number of connections per process.", default=4, between=(1, 50)
    )
    database_timeout_s: float = setting(
        "CARILLON_DATABASE_TIMEOUT_S",
        "Longest wait for a connection or a statement, in seconds.",
        default=5.0,
        between=(0.1, 60),
    )
    valkey_url: str = setting("CARILLON_VALKEY_URL", "Valkey, as a valkey:// or valkeys:// URL.", secret=True)
    valkey_cluster: bool = setting("CARILLON_VALKEY_CLUSTER", "Whether Valkey runs in cluster mode.", default=False)
    valkey_timeout_s: float = setting(
        "CARILLON_VALKEY_TIMEOUT_S",
        "Longest wait for Valkey, in seconds; it is a cache, so short.",
        default=0.25,
        between=(0.01, 5),
    )
    valkey_auth: ValkeyAuth = setting(
        "CARILLON_VALKEY_AUTH",
        "How to log in: `url` (whatever stands in the URL) or `iam` (a signed token per connection).",
        default=ValkeyAuth.URL,
    )
    valkey_name: str = setting(
        "CARILLON_VALKEY_NAME", "Name of the ElastiCache replication group; tokens are signed for it.", default=""
    )
    queue_urls: LaneUrls = setting(
        "CARILLON_QUEUE_URLS", "The lanes' queues: critical=URL high=URL normal=URL low=URL.", default=LaneUrls()
    )
    dead_letter_urls: LaneUrls = setting(
        "CARILLON_DEAD_LETTER_URLS", "The lanes' dead-letter queues, in the same form.", default=LaneUrls()
    )
    peer_region: str = setting("CARILLON_PEER_REGION", "The other AWS Region, where there are two.", default="")
    peer_queue_urls: LaneUrls = setting(
        "CARILLON_PEER_QUEUE_URLS", "The lanes' queues of the other Region.", default=LaneUrls()
    )
    home_region: str = setting(
        "CARILLON_HOME_REGION",
        "The Region in whose lanes broadcasts begin, the writer's; this one when empty.",
        default="",
    )
    queue_endpoint: str = setting("CARILLON_SQS_ENDPOINT", "SQS endpoint when it is not AWS's own.", default="")
    region: str = setting("AWS_REGION", "AWS Region.", default="us-east-1")


@dataclasses.dataclass(frozen=True)
class MigrationSettings:
    """How the function that migrates the database on a deploy logs in: as the tables' owner, to the writer itself."""

    database_url: str = setting(
        "CARILLON_MIGRATION_URL",
        "PostgreSQL writer, as a libpq URL; with an owner's secret it is made of that.",
        default="",
        secret=True,
    )
    owner_secret: str = setting(
        "CARILLON_OWNER_SECRET",
        "Name or ARN of the Secrets Manager secret with the log-in of the tables' owner.",
        default="",
    )
    region: str = setting("AWS_REGION", "AWS Region.", default="us-east-1")


@dataclasses.dataclass(frozen=True)
class CallbackSettings:
    """How phones are reached: the `@connections` endpoint and the budget of calls to it."""

    endpoint: str = setting("CARILLON_CALLBACK_ENDPOINT", "URL of the WebSocket API's stage for @connections calls.")
    concurrency: int = setting(
        "CARILLON_POST_CONCURRENCY", "Keep-alive connections per poster.", default=64, between=(1, 256)
    )
    rate: float = setting(
        "CARILLON_CALLBACK_RATE",
        "Account quota of API Gateway requests per second.",
        default=10_000,
        between=(1, 1e6),
    )
    burst: float = setting("CARILLON_CALLBACK_BURST", "Account quota's bucket size.", default=5_000, between=(1, 1e6))
    reserve: float = setting(
        "CARILLON_CALLBACK_RESERVE", "Share that only critical may draw.", default=0.2, between=(0, 0.9)
    )
    local_split: int = setting(
        "CARILLON_CALLBACK_SPLIT",
        "How many pollers share the budget while Valkey is away.",
        default=12,
        between=(1, 1000),
    )


@dataclasses.dataclass(frozen=True)
class MetricSettings:
    """What metrics and log lines say they are of; Powertools reads the same variable."""

    service: str = setting(
        "POWERTOOLS_SERVICE_NAME", "Value of the dimension `service`: with the stage in it on AWS.", default=SERVICE
    )


@dataclasses.dataclass(frozen=True)
class SocketSettings:
    """Limits on the sockets of one person."""

    connects_per_minute: int = setting(
        "CARILLON_CONNECTS_PER_MINUTE", "New connections per person and minute.", default=10, between=(1, 100_000)
    )


@dataclasses.dataclass(frozen=True)
class TokenSettings:
    """Whose tokens are trusted, and which of their claims say what."""

    issuer: str = setting("CARILLON_TOKEN_ISSUER", "The `iss` that tokens must carry.")
    audience: str = setting(
        "CARILLON_TOKEN_AUDIENCE",
        "The `aud` that tokens must carry; for access tokens without one, their `client_id`.",
        default=TOKEN_AUDIENCE,
    )
    subject_claim: str = setting("CARILLON_TOKEN_SUBJECT_CLAIM", "The claim that holds the user id.", default="sub")
    scope_claim: str = setting(
        "CARILLON_TOKEN_SCOPE_CLAIM",
        "The claim that holds the scopes: words separated by spaces, or a list.",
        default="scope",
    )
    jwks_url: str = setting(
        "CARILLON_JWKS_URL",
        "Where the issuer publishes its keys: https, or file and http on this machine only.",
    )


@dataclasses.dataclass(frozen=True)
class ApiSettings:
    """The HTTP API and the relay loop inside it."""

    relay: bool = setting("CARILLON_RELAY", "Whether this task runs the relay loop.", default=True)
    relay_interval_s: float = setting(
        "CARILLON_RELAY_INTERVAL_S", "Pause between two relay rounds.", default=0.5, between=(0.05, 5)
    )
    websocket_url: str = setting(
        "CARILLON_WEBSOCKET_URL", "Where clients open their WebSocket; shown by the console.", default=""
    )
    sign_in_client: str = setting(
        "CARILLON_SIGN_IN_CLIENT",
        "OpenID Connect client id with which the console signs people in; empty on one machine.",
        default="",
    )
    sign_in_scope: str = setting(
        "CARILLON_SIGN_IN_SCOPE", "What the console asks the issuer for.", default="openid profile"
    )
    sign_in_origins: str = setting(
        "CARILLON_SIGN_IN_ORIGINS",
        "Origins beside the issuer's own that the console calls to sign people in, separated by spaces.",
        default="",
    )
    calendar_queue: str = setting(
        "CARILLON_CALENDAR_QUEUE",
        "URL of the queue that has the planner look at the calendar at once; empty leaves it to its next round.",
        default="",
    )
    cors_origins: str = setting(
        "CARILLON_CORS_ORIGINS", "Origins allowed to call the API from a page, comma separated.", default=""
    )


@dataclasses.dataclass(frozen=True)
class CapacitySettings:
    """What there is at rest and may be at most: what capacity is planned, reacted and forecast with."""

    season: str = setting("CARILLON_PLAN_SEASON", "Season profile: broadcast or channels.", default="broadcast")
    time_zone: str = setting(
        "CARILLON_PLAN_TIME_ZONE", "IANA time zone of the season's hours and of a wedding day.", default="UTC"
    )
    min_tasks: int = setting("CARILLON_PLAN_MIN_TASKS", "API tasks at rest.", default=3, between=(1, 50))
    max_tasks: int = setting(
        "CARILLON_PLAN_MAX_TASKS", "API tasks at most, season or not.", default=50, between=(1, 50)
    )
    task_cores: float = setting("CARILLON_PLAN_TASK_CORES", "Cores of an API task.", default=0.5, between=(0.25, 16))
    lane_max: int = setting(
        "CARILLON_PLAN_LANE_MAX", "Consumers of a lane at most, season or not.", default=50, between=(8, 1000)
    )
    reserved: LaneSizes = setting(
        "CARILLON_PLAN_RESERVED",
        "Reserved concurrency that the lanes are deployed with: critical=50 ...; a lane without keeps none.",
        default=LaneSizes(),
    )
    warm: bool = setting("CARILLON_PLAN_WARM", "Whether consumers stand warm at rest.", default=False)
    warm_peaks: bool = setting(
        "CARILLON_PLAN_WARM_PEAKS",
        "Whether consumers stand warm for the season's peaks and for weddings.",
        default=False,
    )
    min_acu: float = setting("CARILLON_PLAN_MIN_ACU", "Aurora capacity at rest.", default=0.5, between=(0.5, 256))
    max_acu: float = setting("CARILLON_PLAN_MAX_ACU", "Aurora capacity at most.", default=4.0, between=(1, 256))
    readers: int = setting("CARILLON_PLAN_READERS", "Aurora readers at rest.", default=1, between=(1, 5))
    max_readers: int = setting("CARILLON_PLAN_MAX_READERS", "Aurora readers at most.", default=1, between=(1, 5))
    concurrency: int = setting(
        "CARILLON_PLAN_CONCURRENCY",
        "Concurrent executions that the account has been granted.",
        default=1_000,
        between=(10, 1_000_000),
    )
    requests_s: int = setting(
        "CARILLON_PLAN_REQUESTS_S",
        "API Gateway requests a second that it has been granted, posts to phones included.",
        default=10_000,
        between=(100, 1_000_000),
    )
    connects_s: int = setting(
        "CARILLON_PLAN_CONNECTS_S",
        "New connections a second that it has been granted.",
        default=500,
        between=(1, 1_000_000),
    )
    budget_usd: int = setting(
        "CARILLON_PLAN_BUDGET_USD",
        "What the plan may add in a month to what stands at rest, in dollars and per Region.",
        default=100,
        between=(0, 10_000_000),
    )
    over_budget: bool = setting(
        "CARILLON_PLAN_OVER_BUDGET", "Whether it may cost more than that, because somebody said so.", default=False
    )


@dataclasses.dataclass(frozen=True)
class PlanSettings:
    """What the planner and the reactive scaler turn in AWS, and what calls the planner at exact times."""

    service: str = setting("CARILLON_PLAN_SERVICE", "The API's ECS service, as cluster/service.")
    functions: LaneUrls = setting(
        "CARILLON_PLAN_FUNCTIONS", "The lanes' consumers: critical=FUNCTION:ALIAS high=FUNCTION:ALIAS ..."
    )
    database: str = setting(
        "CARILLON_PLAN_DATABASE",
        "The Aurora cluster whose least capacity is planned; empty leaves it alone.",
        default="",
    )
    readers_scale: bool = setting(
        "CARILLON_PLAN_READERS_SCALE", "Whether the number of its readers is planned as well.", default=False
    )
    schedule_group: str = setting(
        "CARILLON_PLAN_SCHEDULE_GROUP",
        "EventBridge schedule group of the calls at exact times; empty makes none.",
        default="",
    )
    schedule_role: str = setting(
        "CARILLON_PLAN_SCHEDULE_ROLE", "ARN of the role with which EventBridge makes them.", default=""
    )
    schedule_dead_letters: str = setting(
        "CARILLON_PLAN_SCHEDULE_DEAD_LETTERS", "ARN of the queue for those that could not be made.", default=""
    )


ROOMS: Final = (
    StoreSettings,
    MigrationSettings,
    CallbackSettings,
    SocketSettings,
    TokenSettings,
    ApiSettings,
    CapacitySettings,
    PlanSettings,
    MetricSettings,
)
"""All settings dataclasses of the product, for `docs/CONFIG.md`."""
