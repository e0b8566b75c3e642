"""Settings: one frozen dataclass per room, read once from the environment at start and validated there.

A field is declared with `setting`, which is also the source of `docs/CONFIG.md`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from carillon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MASK: Final = "********"
T = TypeVar("T")


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
        raise ConfigError(
            f"{env}={text!r} is not {_TYPE_WORDS.get(kind, kind.__name__)}; {spec.metadata['doc']}"
        ) from error
    if between and not between[0] <= value <= between[1]:
        raise ConfigError(f"{env}={text} is out of range: it takes {between[0]} to {between[1]}")
    return value


_BOOLEANS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_TYPE_WORDS: Final = {int: "a whole number", float: "a number", bool: "true or false"}


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
    queue_prefix_url: str = setting(
        "CARILLON_QUEUE_URL",
        "URL of the queues up to their name, e.g. https://sqs.REGION.amazonaws.com/ACCOUNT/",
        default="",
    )
    queue_endpoint: str = setting("CARILLON_SQS_ENDPOINT", "SQS endpoint when it is not AWS's own.", default="")
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
    """Whose tokens are trusted."""

    issuer: str = setting("CARILLON_TOKEN_ISSUER", "The `iss` that tokens must carry.")
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
    cors_origins: str = setting(
        "CARILLON_CORS_ORIGINS", "Origins allowed to call the API from a page, comma separated.", default=""
    )


ROOMS: Final = (StoreSettings, CallbackSettings, SocketSettings, TokenSettings, ApiSettings)
"""All settings dataclasses of the product, for `docs/CONFIG.md`."""
