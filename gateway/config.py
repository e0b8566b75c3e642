"""What the gateway is told at its start: addresses, routes, limits. Numbers default to API Gateway's own quotas."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

KIB = 1024


class ConfigError(ValueError):
    """The configuration cannot be used; the text names the field."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas of API Gateway's WebSocket APIs (Developer Guide, "Quotas for configuring and running a WebSocket").

    Attributes:
        frame_bytes: Largest frame, both ways; a larger one closes with 1009.
        message_bytes: Largest message (also one put together from frames), both ways.
        idle_s: A connection without messages either way for this long is closed with 1001.
        life_s: A connection this old is closed with 1001, busy or not.
        connects_per_s: New connections a second; beyond the bucket the upgrade gets 429.
        connects_burst: Size of that bucket.
        requests_per_s: Messages from clients and posts to them together, as the account quota counts them.
        requests_burst: Size of that bucket.
        integration_timeout_s: How long a function may take.
        write_buffer_bytes: What may wait for a slow reader beyond the kernel's buffers; then it is dropped.
        pending_messages: Messages of one connection that may wait for its function; then its socket is not read.
        handshake_s: How long a new socket may take to send its upgrade request.
        header_bytes: Largest upgrade request.
    """

    frame_bytes: int = 32 * KIB
    message_bytes: int = 128 * KIB
    idle_s: float = 600.0
    life_s: float = 7200.0
    connects_per_s: float = 500.0
    connects_burst: float = 500.0
    requests_per_s: float = 10_000.0
    requests_burst: float = 5_000.0
    integration_timeout_s: float = 29.0
    write_buffer_bytes: int = 512 * KIB
    pending_messages: int = 64
    handshake_s: float = 10.0
    header_bytes: int = 16 * KIB


@dataclass(frozen=True, slots=True)
class Route:
    """Where a route key leads: exactly one of the two.

    Attributes:
        function: Dotted path of a handler.
        mock: Text that is sent back without calling a function (a mock integration with a route response).
    """

    function: str | None = None
    mock: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything the gateway is told.

    Attributes:
        host: Where WebSocket clients connect.
        ws_port: Their port; 0 takes a free one.
        callback_host: Where `@connections` is served.
        callback_port: Its port; 0 takes a free one.
        ws_port_variable: Name of the environment variable a user would set to move `ws_port`, for messages.
        callback_port_variable: The same for `callback_port`.
        stage: The stage's name, part of the `@connections` path.
        api_id: What events carry as `apiId`.
        domain_name: What events carry as `domainName`.
        routes: Route key to route; `$connect`, `$disconnect` and `$default` are the reserved ones.
        limits: The quotas.
        workers: Number of worker processes.
        worker_env: Variables for the workers.
        preload: Modules the workers import before their first event.
        faults: Whether `/_faults` is served and faults can be switched on.
        shutdown_s: How long a clean stop waits for `$disconnect` functions.
    """

    host: str = "127.0.0.1"
    ws_port: int = 0
    callback_host: str = "127.0.0.1"
    callback_port: int = 0
    ws_port_variable: str = ""
    callback_port_variable: str = ""
    stage: str = "local"
    api_id: str = "local00000"
    domain_name: str = "localhost"
    routes: Mapping[str, Route] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    workers: int = 2
    worker_env: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    faults: bool = False
    shutdown_s: float = 2.0


def _route_from(key: str, document: Any) -> Route:
    match document:
        case {"function": str(function), **rest} if not rest:
            return Route(function=function)
        case {"mock": {"body": str(body)}, **rest} if not rest:
            return Route(mock=body)
        case {"mock": {"body": body}, **rest} if not rest:
            return Route(mock=orjson.dumps(body).decode())
    raise ConfigError(
        f'routes[{key!r}] must be {{"function": "package.module.handler"}} or {{"mock": {{"body": ...}}}}'
    )


def _is_amount(value: Any, *, whole: bool) -> bool:
    """Tell whether `value` is a number of 0 or more."""
    right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    return right_type and value >= 0


def _known(kind: type, document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return `document` when every key is a field of `kind` and every number is one."""
    fields = {item.name: item for item in dataclasses.fields(kind)}
    for name, value in document.items():
        if name not in fields:
            raise ConfigError(f"{where}{name} is not known; known are {', '.join(sorted(fields))}")
        default = fields[name].default
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            if not _is_amount(value, whole=isinstance(default, int)):
                raise ConfigError(f"{where}{name} must be a number of 0 or more, not {value!r}")
        elif isinstance(default, (str, bool)) and not isinstance(value, type(default)):
            raise ConfigError(f"{where}{name} must be a {type(default).__name__}, not {value!r}")
    return dict(document)


def _texts(values: Any, where: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{where} must hold strings, not {values!r}")
    return tuple(values)


def from_document(document: Any) -> GatewayConfig:
    """Build the configuration from a JSON document whose keys are `GatewayConfig`'s fields.

    Raises:
        ConfigError: When a field is unknown or has the wrong form.
    """
    if not isinstance(document, dict):
        raise ConfigError("the configuration must be a JSON object")
    values = _known(GatewayConfig, document, "")
    for name in ("routes", "limits", "worker_env"):
        if not isinstance(values.get(name, {}), dict):
            raise ConfigError(f"{name} must be a JSON object")
    values["routes"] = {key: _route_from(key, route) for key, route in values.get("routes", {}).items()}
    values["limits"] = Limits(**_known(Limits, values.get("limits", {}), "limits."))
    values["preload"] = _texts(values.get("preload", []), "preload")
    _texts(list(values.get("worker_env", {}).values()), "worker_env")
    config = GatewayConfig(**values)
    if config.workers < 1:
        raise ConfigError("workers must be at least 1")
    return config


def from_file(path: Path) -> GatewayConfig:
    """Read the configuration from a JSON file.

    Raises:
        ConfigError: When the file cannot be read, is not JSON or has a wrong field.
    """
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    return from_document(document)
