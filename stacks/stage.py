"""The stages: one frozen dataclass each, every field of which `-c field=value` overrides at synth.

Nothing else in the stacks asks which stage it is: stages differ by these values alone.
"""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from carillon.errors import ConfigError
from carillon.policy import season
from carillon.policy.profiles import DEFAULT_PROFILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SMALL_REGIONS: Final = frozenset(
    {
        *("af-south-1", "eu-south-1", "ap-southeast-3", "me-central-1", "ap-south-2", "ap-southeast-4", "eu-south-2"),
        *("eu-central-2", "il-central-1", "ca-west-1", "ap-southeast-5", "ap-southeast-7", "mx-central-1"),
    }
)
"""Regions whose API Gateway quota is 2,500 requests/s with a bucket of 1,250 instead of 10,000 and 5,000 (API Gateway
Developer Guide, "Amazon API Gateway quotas")."""
QUOTA_RPS: Final = 10_000
SMALL_QUOTA_RPS: Final = 2_500


def option(
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    between: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a field of `Stage`.

    Args:
        doc: one sentence for the deploy guide.
        default: for stages that do not say otherwise.
        between: smallest and largest number allowed.
        choices: the words allowed.
    """
    return dataclasses.field(
        default=default, metadata={"doc": doc, "between": between, "choices": choices}, kw_only=True
    )


@dataclasses.dataclass(frozen=True)
class Stage:
    """How one deployment is sized and kept. Sizes are per Region."""

    name: str = option("Which stage: part of every stack's name.")
    regions: tuple[str, ...] = option(
        "AWS Regions, comma separated: the first holds the writer, a second one stands by it.", default=("us-east-1",)
    )
    alone: str = option(
        "The Region that carries on by itself after the other one was lost (docs/runbooks/region-failover.md).",
        default="",
    )
    architecture: str = option("Of the functions and tasks.", default="arm64", choices=("arm64", "x86_64"))

    egress: str = option(
        "How private subnets reach @connections: nat ($37 a month each and $0.045 a GB), or ipv6 (free in itself, with "
        "endpoints for $88 a month; an issuer that answers to IPv4 alone is out of reach).",
        default="nat",
        choices=("nat", "ipv6"),
    )
    nat_gateways: int = option("NAT gateways, where egress is nat; 3 is one per zone.", default=1, between=(1, 3))
    interface_endpoints: bool = option("Whether the lanes are reached without NAT, for $22 a month.", default=False)
    log_days: int = option("How long logs are kept.", default=30, choices=("7", "14", "30", "90", "180", "365"))

    database_min_acu: float = option(
        "Aurora capacity at rest. Not 0: the connections of its proxy would keep it from pausing.",
        default=0.5,
        between=(0.5, 256),
    )
    database_max_acu: float = option("Aurora capacity at most.", default=4, between=(1, 256))
    readers: int = option("Aurora readers at rest.", default=1, between=(1, 5))
    max_readers: int = option("Aurora readers at most.", default=1, between=(1, 5))
    backup_days: int = option("How long backups are kept.", default=7, between=(1, 35))

    cache_node: str = option("ElastiCache node type.", default="cache.t4g.micro")
    cache_shards: int = option(
        "ElastiCache shards; 1 is one small node without cluster mode.", default=1, between=(1, 90)
    )
    cache_replicas: int = option("Replicas per shard.", default=0, between=(0, 5))

    callback_rps: int = option(
        "API Gateway requests per second the account has been granted.", default=QUOTA_RPS, between=(100, 1_000_000)
    )
    callback_burst: int = option("Its token bucket.", default=QUOTA_RPS // 2, between=(50, 1_000_000))
    connects_s: int = option(
        "New connections per second the account has been granted.", default=500, between=(1, 1_000_000)
    )
    quota_raised: bool = option(
        "Whether AWS has raised the Region's quota of 2,500 requests per second.", default=False
    )

    lambda_concurrency: int = option(
        "Concurrent executions the account has been granted; under 302 no lane has its own reserved.",
        default=1_000,
        between=(10, 1_000_000),
    )
    reserved_lanes: bool = option(
        "Whether each lane has concurrent executions of its own; a newly opened account has too few to set any aside.",
        default=True,
    )
    warm_consumers: bool = option("Whether lanes keep provisioned concurrency at rest.", default=False)
    warm_peaks: bool = option("Whether lanes get provisioned concurrency for the season's peaks.", default=False)
    min_tasks: int = option("API tasks at rest.", default=3, between=(1, 50))
    max_tasks: int = option("API tasks at most.", default=50, between=(1, 50))
    task_cpu: int = option("CPU units of an API task.", default=512, choices=("256", "512", "1024", "2048", "4096"))
    task_memory_mb: int = option("Memory of an API task.", default=1024, between=(512, 16_384))
    requests_per_ip: int = option(
        "HTTP requests an address may make in five minutes; a venue's guests share one.",
        default=10_000,
        between=(10, 2_000_000),
    )
    cloudfront_prefix_list: str = option(
        "CloudFront's origin-facing prefix list, for a Region that stacks/parts/origin_facing.py does not know.",
        default="",
    )
    image: str = option("A ready image of the API; empty builds the Dockerfile.", default="")

    retain: bool = option("Whether data outlives its stack: deletion protection, retained stores.", default=False)
    gradual: bool = option("Whether new code takes over bit by bit, rolled back by alarms.", default=False)

    issuer: str = option("OpenID Connect issuer; empty makes a Cognito user pool.", default="")
    jwks_url: str = option("Where the issuer publishes its keys; needed with an issuer.", default="")
    audience: str = option("The `aud` of that issuer's tokens.", default="carillon")
    sign_in_client: str = option("Client id of the console with that issuer.", default="")
    sign_in_scope: str = option("What the console asks that issuer for.", default="openid profile")
    sign_in_origins: str = option(
        "Origins beside the issuer's own that its token endpoint is on, separated by spaces.", default=""
    )
    subject_claim: str = option("The claim of that issuer's tokens that holds the user id.", default="sub")
    scope_claim: str = option("The claim of that issuer's tokens that holds the scopes.", default="scope")
    domain: str = option("Domain of the console and API; empty takes CloudFront's own.", default="")
    hosted_zone_id: str = option("Route 53 zone of the domain.", default="")
    hosted_zone_name: str = option("That zone's name.", default="")

    alarm_email: str = option("Who gets alarms by mail.", default="")
    budget_usd: int = option(
        "Monthly budget; passing 80 % and 100 % of it raises an alarm.", default=200, between=(1, 10_000_000)
    )
    plan_budget_usd: int = option(
        "What the plan may add in a month to what stands at rest, in dollars and per Region; it is cut before it would "
        "cost more.",
        default=50,
        between=(0, 10_000_000),
    )
    plan_over_budget: bool = option(
        "Whether the plan may cost more than that, for a month in which everything is to be there.", default=False
    )
    season: str = option("Season profile (carillon.policy.profiles).", default=DEFAULT_PROFILE)
    time_zone: str = option(
        "IANA time zone in which the season's hours and Saturdays are meant.", default="America/New_York"
    )
    freeze_weddings: int = option(
        "Weddings on a day from which on nothing is deployed.", default=20, between=(0, 1_000_000)
    )

    database_url: str = option("An existing PostgreSQL to use instead of Aurora's proxy.", default="")
    valkey_url: str = option("An existing Valkey to use instead of ElastiCache.", default="")
    callback_endpoint: str = option("Where @connections is, when not at API Gateway.", default="")
    websocket_url: str = option("Where clients connect, when not at API Gateway.", default="")
    queue_endpoint: str = option("SQS endpoint, when not AWS's own.", default="")

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_together(self)
        _check_quota(self)
        _check_addresses(self)
        season.profile(self.season)
        season.zone(self.time_zone)

    @property
    def primary(self) -> str:
        """The Region with the database's writer."""
        return self.alone or self.regions[0]

    @property
    def working(self) -> tuple[str, ...]:
        """The Regions that are there, the writer's first. Stacks of the others are left as they are."""
        return (self.alone,) if self.alone else self.regions

    def region_domain(self, region: str) -> str:
        """The domain of a Region's console and API: a name leads to one distribution, so the second's is below it."""
        return self.domain if not self.domain or region == self.regions[0] else f"{region}.{self.domain}"

    @property
    def socket_domain(self) -> str:
        """Where clients of both Regions connect; empty where each Region's own address will do."""
        return f"socket.{self.domain}" if self.domain and len(self.regions) == 2 else ""

    @property
    def socket_url(self) -> str:
        """The same as an address; empty likewise."""
        return f"wss://{self.socket_domain}" if self.socket_domain else ""


def _check_numbers(stage: Stage) -> None:
    for spec in dataclasses.fields(stage):
        value, between, choices = getattr(stage, spec.name), spec.metadata["between"], spec.metadata["choices"]
        if choices and str(value) not in choices:
            raise ConfigError(
                f"{spec.name}={value} is not possible: it takes {', '.join(choices)}. {spec.metadata['doc']}"
            )
        if between and not between[0] <= value <= between[1]:
            raise ConfigError(
                f"{spec.name}={value} is out of range: it takes {between[0]} to {between[1]}. {spec.metadata['doc']}"
            )


def _check_together(stage: Stage) -> None:
    if not 1 <= len(stage.regions) <= 2 or len(set(stage.regions)) != len(stage.regions) or not all(stage.regions):
        raise ConfigError(f"regions={','.join(stage.regions)}: one Region, or two different ones")
    if stage.alone and (len(stage.regions) != 2 or stage.alone not in stage.regions):
        raise ConfigError(f"alone={stage.alone}: one of two regions, which are {','.join(stage.regions)}")
    for first, second in (
        ("min_tasks", "max_tasks"),
        ("readers", "max_readers"),
        ("database_min_acu", "database_max_acu"),
    ):
        if getattr(stage, first) > getattr(stage, second):
            raise ConfigError(f"{first}={getattr(stage, first)} is more than {second}={getattr(stage, second)}")


def _check_quota(stage: Stage) -> None:
    for region in stage.regions:
        if region in SMALL_REGIONS and stage.callback_rps > SMALL_QUOTA_RPS and not stage.quota_raised:
            raise ConfigError(
                f"callback_rps={stage.callback_rps} is more than {region} grants: {SMALL_QUOTA_RPS} a second. "
                f"Set -c callback_rps={SMALL_QUOTA_RPS} -c callback_burst={SMALL_QUOTA_RPS // 2}, or ask AWS for more "
                "(docs/runbooks/quota-increase.md) and set -c quota_raised=true"
            )


def _check_addresses(stage: Stage) -> None:
    if bool(stage.issuer) != bool(stage.jwks_url):
        raise ConfigError("issuer and jwks_url belong together: set both, or neither for a Cognito user pool")
    if stage.domain and not (stage.hosted_zone_id and stage.hosted_zone_name):
        raise ConfigError(f"domain={stage.domain} needs hosted_zone_id and hosted_zone_name, for its certificate")
    if stage.domain and not f".{stage.domain}".endswith(f".{stage.hosted_zone_name}"):
        raise ConfigError(f"domain={stage.domain} is not in the zone hosted_zone_name={stage.hosted_zone_name}")
    if stage.alarm_email and "@" not in stage.alarm_email:
        raise ConfigError(f"alarm_email={stage.alarm_email} is no address")


_DEV: Final = Stage(
    name="dev",
    min_tasks=1,
    max_tasks=3,
    reserved_lanes=False,
    log_days=7,
    backup_days=1,
)
_STAGING: Final = Stage(
    name="staging",
    min_tasks=3,
    max_tasks=10,
    database_max_acu=16,
    max_readers=2,
    cache_node="cache.t4g.small",
    cache_shards=3,
    cache_replicas=1,
    gradual=True,
    budget_usd=1_500,
    plan_budget_usd=300,
)
_PROD: Final = Stage(
    name="prod",
    nat_gateways=3,
    interface_endpoints=True,
    log_days=90,
    database_min_acu=2,
    database_max_acu=64,
    readers=2,
    max_readers=5,
    backup_days=35,
    cache_node="cache.m7g.large",
    cache_shards=3,
    cache_replicas=1,
    warm_consumers=True,
    warm_peaks=True,
    task_cpu=1024,
    task_memory_mb=2048,
    retain=True,
    gradual=True,
    budget_usd=10_000,
    plan_budget_usd=3_000,
)
STAGES: Final = {stage.name: stage for stage in (_DEV, _STAGING, _PROD)}
_REGIONS: Final = tuple[str, ...]
_BOOLEANS: Final = {"true": True, "false": False}


def read(context: Callable[[str], Any]) -> Stage:
    """The stage that `-c stage=...` names, with whatever else `-c` overrides.

    Args:
        context: answers a context value by its key, or None (`app.node.try_get_context`).

    Raises:
        ConfigError: the stage is unknown, or a value is not possible; says which and what is.
    """
    name = context("stage")
    if name not in STAGES:
        raise ConfigError(f"stage={name} is not known: it takes {', '.join(STAGES)}, as in -c stage=dev")
    hints = get_type_hints(Stage)
    given = {spec.name: context(spec.name) for spec in dataclasses.fields(Stage) if spec.name != "name"}
    chosen = {key: _parse(key, hints[key], value) for key, value in given.items() if value is not None}
    return dataclasses.replace(STAGES[name], **chosen)


def check_names(given: Iterable[str]) -> None:
    """Refuse what looks like an option of ours and is none, such as a mistyped one.

    Args:
        given: the keys of all context values; those of the CDK and of plug-ins have a `:`, `/`, `@` or `-` in them.

    Raises:
        ConfigError: names it, and what may have been meant.
    """
    known = {"stage", *options()}
    for key in given:
        if key.isidentifier() and key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; {near[0]} is" if near else ", stacks/stage.py says which are"
            raise ConfigError(f"{key} is no option{hint}")


def _parse(key: str, kind: Any, value: Any) -> Any:
    """A context value, which is text from the command line and may be anything from cdk.json."""
    if isinstance(value, list) and kind != _REGIONS:
        raise ConfigError(f"{key} takes one value, not a list")
    try:
        if kind == _REGIONS:
            return tuple(part.strip() for part in (value if isinstance(value, list) else str(value).split(",")))
        if kind is bool:
            return value if isinstance(value, bool) else _BOOLEANS[str(value).lower()]
        return kind(value)
    except (ValueError, KeyError, TypeError) as error:
        word = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
        raise ConfigError(f"{key}={value} is not {word}") from error


def options() -> Mapping[str, dataclasses.Field[Any]]:
    """All that can be overridden, by name, for the deploy guide."""
    return {spec.name: spec for spec in dataclasses.fields(Stage) if spec.name != "name"}
