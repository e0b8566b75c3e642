"""How the product is wired on this machine: what its doors are told, and which handler is behind which route."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from carillon import config
from carillon.config import LaneUrls
from carillon.names import TOKEN_AUDIENCE, service_name
from local.emulator import ACCESS_KEY, REGION
from local.issuer import ISSUER
from local.ports import HOST
from local.queues import DEAD_LETTERS, LANES, queue_name
from local.settings import CALLBACK_PORT, WS_PORT
from local.wiring import Function, environment, wiring

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
BURIED = "dead-letters"
"""The mapping that takes the dead letters of all lanes: here one process does what is one function on AWS."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


def places(
    *, postgres: Postgres, valkey: Valkey, emulator: Emulator, issuer: Issuer, ws_port: int, callback_port: int
) -> dict[str, str]:
    """The settings that are this machine's own: where everything is, and how to log in there."""
    urls = {lane: emulator.queue_prefix_url + queue_name(lane) for lane in LANES}
    buried = {lane: emulator.queue_prefix_url + queue_name(lane + DEAD_LETTERS) for lane in LANES}
    stores = config.environment(
        config.StoreSettings,
        database_url=postgres.dsn,
        database_read_url="",
        database_auth=config.DatabaseAuth.PASSWORD,
        valkey_url=valkey.url,
        valkey_cluster="false",
        valkey_auth=config.ValkeyAuth.URL,
        valkey_name="",
        queue_urls=LaneUrls.of(urls),
        dead_letter_urls=LaneUrls.of(buried),
    )
    callbacks = config.environment(config.CallbackSettings, endpoint=f"http://{HOST}:{callback_port}/{STAGE}")
    tokens = config.environment(
        config.TokenSettings,
        issuer=ISSUER,
        jwks_url=issuer.jwks_path.as_uri(),
        audience=TOKEN_AUDIENCE,
        subject_claim="sub",
        scope_claim="scope",
    )
    api = config.environment(
        config.ApiSettings,
        websocket_url=f"ws://{HOST}:{ws_port}/{STAGE}",
        sign_in_client="",
        sign_in_origins="",
        calendar_queue="",
    )
    measured = config.environment(config.MetricSettings, service=service_name(STAGE))
    return stores | callbacks | tokens | api | measured


def runtime(emulator: Emulator) -> dict[str, str]:
    """What Lambda and ECS themselves tell a process on AWS, and that SQS is not AWS's own here."""
    return config.environment(config.StoreSettings, queue_endpoint=emulator.endpoint) | {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # Keys of nobody: a real one must never reach the emulator, nor an emulated call reach AWS.
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def sockets_environment(here: Mapping[str, str]) -> dict[str, str]:
    """For the gateway's workers, which run all functions behind the WebSocket API."""
    return environment([function.environment for function in wiring().sockets], here)


def mapping_environment(name: str, here: Mapping[str, str]) -> dict[str, str]:
    """For the mapping called `name`."""
    sources = [source for source in wiring().sources if mapping_of(source.queue) == name]
    return environment([source.function.environment for source in sources], here)


def service_environment(here: Mapping[str, str]) -> dict[str, str]:
    """For the HTTP API."""
    return environment([wiring().service], here)


def mapping_of(queue: str) -> str:
    """The mapping that works a queue off: one per lane, and one for all dead letters."""
    return BURIED if queue.endswith(DEAD_LETTERS) else queue


def whole_environment(told: Mapping[str, str], places: Mapping[str, str], **more: str) -> dict[str, str]:
    """A child's whole environment: what the stacks tell it, what the user chose, and what any program needs.

    Args:
        told: what the stacks tell this door.
        places: this machine's own settings, over which no choice of the user's wins.
        more: variables of this child alone.
    """
    chosen = {name: value for name, value in os.environ.items() if name.startswith("CARILLON_")}
    basic = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    fixed = {name: value for name, value in told.items() if name in places}
    return {**basic, **told, **chosen, "PYTHONUNBUFFERED": "1", **fixed, **more}


def gateway_document(settings: LocalSettings, *, ws_port: int, callback_port: int) -> dict[str, Any]:
    """The gateway's configuration file."""
    routes = {
        key: {"function": route.handler} if isinstance(route, Function) else {"mock": {"body": route}}
        for key, route in wiring().routes.items()
    }
    return {
        "host": HOST,
        "ws_port": ws_port,
        "callback_host": HOST,
        "callback_port": callback_port,
        "ws_port_variable": WS_PORT,
        "callback_port_variable": CALLBACK_PORT,
        "stage": STAGE,
        "routes": routes,
        "workers": settings.gateway_workers,
        "preload": sorted({function.module for function in wiring().sockets}),
        "faults": settings.gateway_faults,
    }


def mapping_document(settings: LocalSettings, *, emulator: Emulator, folder: Path) -> dict[str, Any]:
    """The mappings' configuration file: one per lane, and one for all dead letters."""
    lanes: dict[str, Any] = {}
    for source in wiring().sources:
        name = mapping_of(source.queue)
        lanes.setdefault(
            name,
            {
                "endpoint": emulator.endpoint,
                "queue_urls": [],
                "target": source.function.handler,
                "workers": 1 if name == BURIED else settings.workers(name),
                "status_path": str(status_path(folder, name)),
                "timeout_s": source.function.timeout_s,
                "batch_size": source.batch_size,
                "partial": source.partial,
            },
        )["queue_urls"].append(emulator.queue_prefix_url + queue_name(source.queue))
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
