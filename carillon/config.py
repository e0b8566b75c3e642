"""Settings: one frozen dataclass per room, read once from the environment at start and validated there.

A field is declared with `setting`, which is also the source of `docs/CONFIG.md`.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, get_type_hints

from carillon.errors import ConfigError
from carillon.names import TOKEN_AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

_MASK: Final = "********"
T = TypeVar("T")


class DatabaseAuth(StrEnum):
    """How PostgreSQL knows us."""

    PASSWORD = "password"  # noqa: S105 - a way, no secret
    IAM = "iam"


class ValkeyAuth(StrEnum):
    """How Valkey knows us."""

    URL = "url"
    IAM = "iam"


class LaneUrls(str):
    """Queue URLs by lane, in the environment as `critical=URL high=URL normal=URL low=URL`."""

    __slots__ = ("_urls",)
    _urls: dict[str, str]

    def __new__(cls, text: str = "") -> Self:
        """Take the URLs apart; ValueError when a word is no `lane=URL`."""
        whole = super().__new__(cls, text)
        whole._urls = dict(_pair(word) for word in text.split())
        return whole

    @classmethod
    def of(cls, urls: Mapping[str, str]) -> Self:
        """From lane to URL."""
        return cls(" ".join(f"{lane}={url}" for lane, url in urls.items()))

    @property
    def lanes(self) -> list[str]:
        """The lanes that have one."""
        return list(self._urls)

    def url(self, lane: str) -> str:
        """A lane's queue.

        Raises:
            ConfigError: none is set.
        """
        if lane not in self._urls:
            raise ConfigError(f"no queue URL is set for the lane {lane}; docs/CONFIG.md says where")
        return self._urls[lane]

    def lane(self, queue_name: str) -> str | None:
        """The lane whose queue has that name, the last part of its URL; None when none has."""
        return next((lane for lane, url in self._urls.items() if url.rsplit("/", 1)[-1] == queue_name), None)


class LaneSizes(LaneUrls):
    """Numbers by lane, in the same form; a lane may be missing."""

    __slots__ = ()

    def __new__(cls, text: str = "") -> Self:
        """Take the numbers apart; ValueError when a word is no `lane=number`."""
        whole = super().__new__(cls, text)
        for size in whole._urls.values():
            int(size)
        return whole

    def size(self, lane: str) -> int | None:
        """A lane's number, or None."""
        return int(self._urls[lane]) if lane in self._urls else None


def _pair(word: str) -> tuple[str, str]:
    lane, sign, url = word.partition("=")
    if not (lane and sign and url):
        raise ValueError(word)
    return lane, url


def setting(
    env: str,
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    secret: bool = False,
    between: tuple[float, float] | None = None,
) -> Any:
    """Declare a dataclass field that is read from the environment variable `env`.

    Args:
        env: name of the variable.
        doc: one sentence for the reference page.
        default: without one the variable must be set.
        secret: masked wherever settings are shown.
        between: smallest and largest number allowed.
    """
    return dataclasses.field(
        default=default, metadata={"env": env, "doc": doc, "secret": secret, "between": between}, kw_only=True
    )


def read(room: type[T], environ: Mapping[str, str]) -> T:
    """Build a room's settings from the environment.

    Raises:
        ConfigError: a variable is missing or its value is not what it takes; the message names it.
    """
    hints = get_type_hints(room)
    values = {
        spec.name: _parse(spec, hints[spec.name], environ[spec.metadata["env"]])
        for spec in dataclasses.fields(room)  # type: ignore[arg-type]
        if environ.get(spec.metadata["env"], "") != ""
    }
    missing = [
        spec.metadata["env"]
        for spec in dataclasses.fields(room)  # type: ignore[arg-type]
        if spec.name not in values and spec.default is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{', '.join(missing)} must be set; docs/CONFIG.md says to what")
    return room(**values)


def _parse(spec: dataclasses.Field[Any], kind: Any, text: str) -> Any:
    env, between = spec.metadata["env"], spec.metadata["between"]
    try:
        value = _BOOLEANS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{env}={text!r} is not {_words(kind)}; {spec.metadata['doc']}") from error
    if between and not between[0] <= value <= between[1]:
        raise ConfigError(f"{env}={text} is out of range: it takes {between[0]} to {between[1]}")
    return value


def _words(kind: Any) -> str:
    """What a value of that kind is called; a choice names what there is to choose."""
    if issubclass(kind, StrEnum):
        return f"one of {', '.join(kind)}"
    return str(_TYPE_WORDS.get(kind, kind.__name__))


_BOOLEANS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_TYPE_WORDS: Final = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    LaneUrls: "lane=URL ...",
    LaneSizes: "lane=number ...",
}


def environment(room: type[Any], **values: str) -> dict[str, str]:
    """The variables that tell a room its settings, for whoever starts a door: a stack, or the local run.

    Args:
        room: a settings dataclass.
        values: field name to text (which may be a template's placeholder); fields left out keep their default.

    Raises:
        ConfigError: the room has no such field.
    """
    known = {spec.name: spec.metadata["env"] for spec in dataclasses.fields(room)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{room.__name__} has no {', '.join(unknown)}; it has {', '.join(known)}")
    return {known[name]: value for name, value in values.items()}


def variable(room: type[Any], name: str) -> str:
    """The variable that a room's field is read from.

    Raises:
        ConfigError: the room has no such field.
    """
    return next(iter(environment(room, **{name: ""})))


def show(settings: Any) -> dict[str, Any]:
    """The settings by variable name, secrets masked, for `--show-config` and the log at start."""
    return {
        spec.metadata["env"]: _MASK if spec.metadata["secret"] else getattr(settings, spec.name)
        for spec in dataclasses.fields(settings)
    }


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
    cors_origins: str = setting(
        "CARILLON_CORS_ORIGINS", "Origins allowed to call the API from a page, comma separated.", default=""
    )


@dataclasses.dataclass(frozen=True)
class PlanSettings:
    """What the planner sizes for the season, and the hard caps it keeps to."""

    season: str = setting("CARILLON_PLAN_SEASON", "Season profile: broadcast or channels.", default="broadcast")
    time_zone: str = setting("CARILLON_PLAN_TIME_ZONE", "IANA time zone of the season's hours and of a wedding day.")
    service: str = setting("CARILLON_PLAN_SERVICE", "The API's ECS service, as cluster/service.")
    functions: LaneUrls = setting(
        "CARILLON_PLAN_FUNCTIONS", "The lanes' consumers: critical=FUNCTION:ALIAS high=FUNCTION:ALIAS ..."
    )
    min_tasks: int = setting("CARILLON_PLAN_MIN_TASKS", "API tasks at rest.", default=3, between=(1, 50))
    max_tasks: int = setting(
        "CARILLON_PLAN_MAX_TASKS", "API tasks at most, season or not.", default=50, between=(1, 50)
    )
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
        "CARILLON_PLAN_WARM_PEAKS", "Whether consumers stand warm for the season's peaks.", default=False
    )


ROOMS: Final = (
    StoreSettings,
    MigrationSettings,
    CallbackSettings,
    SocketSettings,
    TokenSettings,
    ApiSettings,
    PlanSettings,
)
"""All settings dataclasses of the product, for `docs/CONFIG.md`."""
