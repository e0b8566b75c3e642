"""How the product is wired on this machine: what its doors are told, and which handler is behind which route."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from carillon.config import LaneUrls
from carillon.names import NAMESPACE, SERVICE, lane_dead_letters, lane_queue
from local.emulator import ACCESS_KEY, REGION
from local.issuer import ISSUER
from local.ports import HOST
from local.queues import DEAD_LETTER_VISIBILITY_S, LANES, VISIBILITY_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local.emulator import Emulator
    from local.issuer import Issuer
    from local.postgres import Postgres
    from local.settings import LocalSettings
    from local.valkey import Valkey

STAGE = "local"
STATUS_DIR = "CARILLON_LOCAL_STATUS_DIR"
"""Variable that tells the API where the mappings write how they go."""
DEAD_LETTERS = "dead-letters"
FUNCTION_MODULES = {
    "$connect": "lambdas.connect",
    "$disconnect": "lambdas.disconnect",
    "$default": "lambdas.frame",
}
PONG = '{"type":"pong"}'
"""`ping` is a mock route: the gateway answers it without a function, as API Gateway does."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


def environment(
    *, postgres: Postgres, valkey: Valkey, emulator: Emulator, issuer: Issuer, ws_port: int, callback_port: int
) -> dict[str, str]:
    """The variables that every door of the product is started with."""
    return {
        "CARILLON_DATABASE_URL": postgres.dsn,
        "CARILLON_VALKEY_URL": valkey.url,
        "CARILLON_QUEUE_URLS": LaneUrls.of({lane: emulator.queue_prefix_url + lane_queue(lane) for lane in LANES}),
        "CARILLON_DEAD_LETTER_URLS": LaneUrls.of(
            {lane: emulator.queue_prefix_url + lane_dead_letters(lane) for lane in LANES}
        ),
        "CARILLON_SQS_ENDPOINT": emulator.endpoint,
        "CARILLON_CALLBACK_ENDPOINT": f"http://{HOST}:{callback_port}/{STAGE}",
        "CARILLON_TOKEN_ISSUER": ISSUER,
        "CARILLON_JWKS_URL": issuer.jwks_path.as_uri(),
        "CARILLON_WEBSOCKET_URL": f"ws://{HOST}:{ws_port}/{STAGE}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # Keys of nobody: a real one must never reach the emulator, nor an emulated call reach AWS.
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": SERVICE,
        "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
        "POWERTOOLS_TRACE_DISABLED": "true",
    }


def whole_environment(product: Mapping[str, str], **more: str) -> dict[str, str]:
    """A child's whole environment: the product's variables, those the user set for it, and what any program needs."""
    # The user's own choices win over defaults, but not over where things are on this machine.
    chosen = {name: value for name, value in os.environ.items() if name.startswith("CARILLON_")}
    basic = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return basic | chosen | {"PYTHONUNBUFFERED": "1"} | dict(product) | more


def gateway_document(settings: LocalSettings, *, ws_port: int, callback_port: int) -> dict[str, Any]:
    """The gateway's configuration file."""
    routes: dict[str, Any] = {key: {"function": f"{module}.handler"} for key, module in FUNCTION_MODULES.items()}
    routes["ping"] = {"mock": {"body": PONG}}
    return {
        "host": HOST,
        "ws_port": ws_port,
        "callback_host": HOST,
        "callback_port": callback_port,
        "ws_port_variable": "CARILLON_WS_PORT",
        "callback_port_variable": "CARILLON_CALLBACK_PORT",
        "stage": STAGE,
        "routes": routes,
        "workers": settings.gateway_workers,
        "preload": list(FUNCTION_MODULES.values()),
        "faults": settings.gateway_faults,
    }


def mapping_document(settings: LocalSettings, *, emulator: Emulator, folder: Path) -> dict[str, Any]:
    """The mappings' configuration file: one per lane, and one for all dead letters."""

    def mapping(name: str, queues: list[str], target: str, workers: int) -> dict[str, Any]:
        return {
            "endpoint": emulator.endpoint,
            "queue_urls": [emulator.queue_prefix_url + queue for queue in queues],
            "target": target,
            "workers": workers,
            "status_path": str(status_path(folder, name)),
            # Lambda takes no mapping whose function may run longer than its queue's visibility.
            "timeout_s": VISIBILITY_S.get(name, DEAD_LETTER_VISIBILITY_S),
        }

    lanes = {
        lane: mapping(lane, [lane_queue(lane)], "lambdas.deliver.handler", settings.workers(lane)) for lane in LANES
    }
    dead = [lane_dead_letters(lane) for lane in LANES]
    lanes[DEAD_LETTERS] = mapping(DEAD_LETTERS, dead, "lambdas.dead_letter.handler", 1)
    return {"lanes": lanes}


def status_path(folder: Path, mapping: str) -> Path:
    """Where the mapping called `mapping` tells how it goes."""
    return folder / f"mapping-{mapping}.json"


def api_command(port: int) -> list[str]:
    """The command that serves the HTTP API: the image's own, with the app that knows what is local."""
    return [
        *(sys.executable, "-m", "api", "--app", "local.api:app", "--host", HOST, "--port", str(port)),
        # Whoever presses Ctrl-C does not want to wait for a phone that is slow.
        *("--grace", "2"),
    ]
