"""The product's doors as programs of this machine: gateway, lane consumers, HTTP API."""

from __future__ import annotations

import http.client
import json
import os
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from carillon.protocol.web import API_POOL
from local import product
from local.ports import HOST
from local.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from local.emulator import Emulator
    from local.processes import Child
    from local.settings import LocalSettings

DATABASE_POOL = "CARILLON_DATABASE_POOL"


@dataclass(frozen=True)
class Doors:
    """Makes the doors' programs.

    Args:
        settings: How many workers each has.
        folder: The data folder, for configuration files and logs.
        api_port: The HTTP API's.
        ws_port: The gateway's for clients.
        callback_port: The gateway's for posts to them.
        places: Answers this machine's own settings, asked at each start of a door.
        runtime: Answers what AWS itself would tell a process.
    """

    settings: LocalSettings
    folder: Path
    api_port: int
    ws_port: int
    callback_port: int
    places: Callable[[], Mapping[str, str]]
    runtime: Callable[[], Mapping[str, str]]

    def gateway(self) -> Program:
        """The WebSocket gateway; ready when it says so."""
        path = self.folder / "gateway.json"
        document = product.gateway_document(self.settings, ws_port=self.ws_port, callback_port=self.callback_port)
        path.write_text(json.dumps(document, indent=2))
        argv: list[str | Path] = [sys.executable, "-m", "gateway", "--config", path]
        ready: Callable[[Child], bool] = lambda child: '"ready": true' in child.output()  # noqa: E731
        # Its workers run functions: the variable makes them open their stores before the first event.
        return self._program(
            "gateway", argv, ready, product.sockets_environment, AWS_LAMBDA_FUNCTION_NAME="carillon-sockets"
        )

    def mapping(self, name: str) -> Program:
        """The consumers of one lane, or of the dead letters; ready when they are warm and poll."""

        def ready(child: Child) -> bool:
            status = self.mapping_status(name)
            return bool(status.get("ready")) and status.get("pid") == child.pid

        argv: list[str | Path] = [sys.executable, "-m", "local.mapping", "--lane", name]
        argv += ["--config", self._mappings_path]
        told = partial(product.mapping_environment, name)
        return self._program(f"lane {name}", argv, ready, told, AWS_LAMBDA_FUNCTION_NAME=f"carillon-{name}")

    def api(self) -> Program:
        """The HTTP API; ready when it answers, whatever it can do by then."""
        argv: list[str | Path] = [*product.api_command(self.api_port)]
        # Forty threads answer requests; the default of four connections is right for a function, which has one.
        pool = os.environ.get(DATABASE_POOL, str(API_POOL))
        more = {product.STATUS_DIR: str(self.folder), DATABASE_POOL: pool}
        return self._program(
            "api", argv, lambda _child: self.api_answers("/healthz"), product.service_environment, **more
        )

    def _program(
        self,
        name: str,
        argv: list[str | Path],
        ready: Callable[[Child], bool],
        told: Callable[[Mapping[str, str]], dict[str, str]],
        **more: str,
    ) -> Program:
        log_path = self.folder / "logs" / f"{name.replace(' ', '-')}.log"

        def environment() -> dict[str, str]:
            places = self.places()
            return product.whole_environment(told(places), places, **{**self.runtime(), **more})

        return Program(name, argv, env=environment, log_path=log_path, ready=ready)

    @property
    def _mappings_path(self) -> Path:
        return self.folder / "mappings.json"

    def write_mappings(self, emulator: Emulator) -> None:
        """Write the mappings' configuration, once it is known where the queues are."""
        document = product.mapping_document(self.settings, emulator=emulator, folder=self.folder)
        self._mappings_path.write_text(json.dumps(document, indent=2))

    def mapping_status(self, name: str) -> dict[str, Any]:
        """How a mapping goes, see `local.mapping.Status`; empty while it is down."""
        try:
            status: dict[str, Any] = json.loads(product.status_path(self.folder, name).read_text())
        except FileNotFoundError:
            return {}
        return status

    def api_answers(self, path: str) -> bool:
        """Whether the API answers `path` with 200 now."""
        connection = http.client.HTTPConnection(HOST, self.api_port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
