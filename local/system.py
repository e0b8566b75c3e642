"""The whole system on one machine: `System.running(folder)` for tests, `python -m local` for people."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from local import ports, product
from local.data_dir import RUN_FILE, DataDir
from local.doors import Doors
from local.issuer import Issuer
from local.processes import wait_until
from local.queues import LANES
from local.settings import API_PORT, CALLBACK_PORT, WS_PORT, LocalSettings, optional_path
from local.stores import Database, Queues
from local.supervisor import State, Supervisor, Unit
from local.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


MAPPINGS = (*LANES, product.BURIED)
READY_TIMEOUT_S = 20.0


class System:
    """Everything, on ports of its own, in one data folder.

    Args:
        settings: Ports, programs, sizes.
        on_change: Told each change of a component's state, see `local.supervisor.Supervisor`.
        fresh: Whether to drop what earlier runs left.

    Raises:
        LocalError: A port is taken, the folder is in use or not ours.
    """

    def __init__(
        self,
        settings: LocalSettings,
        *,
        on_change: Callable[[str, State, str], None] | None = None,
        fresh: bool = False,
    ) -> None:
        self.settings = settings
        self.data_dir = DataDir(settings.folder)
        self._whole = False
        self._writing = threading.Lock()
        try:
            if fresh:
                self.data_dir.wipe()
            self._tell = on_change or (lambda _name, _state, _detail: None)
            self._choose_ports()
            self._make_stores()
            self._doors = Doors(
                settings,
                self.folder,
                api_port=self.api_port,
                ws_port=self.ws_port,
                callback_port=self.callback_port,
                places=lambda: self._places,
                runtime=lambda: product.runtime(self.queues),
            )
            self.supervisor = Supervisor(self._units(), on_change=self._changed)
        except BaseException:
            self.data_dir.release()
            raise

    def _choose_ports(self) -> None:
        chosen = self.settings
        self.api_port = ports.require(chosen.api_port, API_PORT) or ports.any_free()
        self.ws_port = ports.require(chosen.ws_port, WS_PORT) or ports.any_free()
        self.callback_port = ports.require(chosen.callback_port, CALLBACK_PORT) or ports.any_free()
        ports.require(chosen.postgres_port, "CARILLON_POSTGRES_PORT")
        ports.require(chosen.valkey_port, "CARILLON_VALKEY_PORT")
        ports.require(chosen.emulator_port, "CARILLON_EMULATOR_PORT")

    def _make_stores(self) -> None:
        chosen, folder = self.settings, self.folder
        self.postgres = Database(
            folder / "postgres",
            port=chosen.postgres_port,
            bin_dir=optional_path(chosen.postgres_bin),
            durable=chosen.postgres_fsync,
        )
        self.valkey = Valkey(folder / "valkey", port=chosen.valkey_port, binary=optional_path(chosen.valkey_bin))
        self.queues = Queues(
            folder / "emulator", port=chosen.emulator_port, python=optional_path(chosen.emulator_python)
        )
        self.queues.database = self.postgres
        self.issuer = Issuer(folder / "issuer")

    def _units(self) -> list[Unit]:
        doors = self._doors
        # Started last and stopped first is the API: it takes nothing on before, or after, it can be delivered.
        return [
            Unit("postgres", self.postgres, start_group=0, stop_group=0),
            Unit("valkey", self.valkey, start_group=0, stop_group=0),
            Unit("queues", self.queues, start_group=1, stop_group=1),
            Unit("gateway", doors.gateway(), start_group=2, stop_group=2),
            *(Unit(f"lane {name}", doors.mapping(name), start_group=2, stop_group=3) for name in MAPPINGS),
            Unit("api", doors.api(), start_group=2, stop_group=4),
        ]

    def _changed(self, name: str, state: State, detail: str) -> None:
        if state is State.READY and name == "queues":
            self._doors.write_mappings(self.queues)
        if state is State.READY and self._whole:
            self._write_run_file()  # for the new process id
        self._tell(name, state, detail or (self._where(name) if state is State.READY else ""))

    def _where(self, name: str) -> str:
        places = {
            "postgres": f"{ports.HOST}:{self.postgres.port}",
            "valkey": f"{ports.HOST}:{self.valkey.port}",
            "queues": self.queues.endpoint,
            "gateway": self.ws_url,
            "api": self.api_url,
        }
        mapping = name.removeprefix("lane ")
        return places.get(name) or f"{len(self.worker_pids(mapping))} consumers"

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.data_dir.folder

    @property
    def environment(self) -> dict[str, str]:
        """The variables that tell any program of the product where everything is."""
        told = product.service_environment(self._places) | self._places
        return told | product.runtime(self.queues)

    @property
    def _places(self) -> dict[str, str]:
        return product.places(
            postgres=self.postgres,
            valkey=self.valkey,
            emulator=self.queues,
            issuer=self.issuer,
            ws_port=self.ws_port,
            callback_port=self.callback_port,
        )

    @property
    def api_url(self) -> str:
        """Where the HTTP API is, without a slash at its end."""
        return f"http://{ports.HOST}:{self.api_port}"

    @property
    def ws_url(self) -> str:
        """Where clients open their WebSocket."""
        return f"ws://{ports.HOST}:{self.ws_port}/{product.STAGE}"

    @property
    def dsn(self) -> str:
        """The database's connection string."""
        return self.postgres.dsn

    @property
    def valkey_url(self) -> str:
        """Where Valkey is."""
        return self.valkey.url

    @property
    def endpoints(self) -> dict[str, Any]:
        """What `run.json` tells other programs; holds the database's password."""
        return {
            "pid": os.getpid(),
            "api_url": self.api_url,
            "console_url": f"{self.api_url}/console/",
            "docs_url": f"{self.api_url}/openapi.json",
            "ws_url": self.ws_url,
            "callback_url": f"http://{ports.HOST}:{self.callback_port}/{product.STAGE}",
            "database_url": self.dsn,
            "valkey_url": self.valkey_url,
            "sqs_endpoint": self.queues.endpoint,
            "queue_url": self.queues.queue_prefix_url,
            "issuer_key": str(self.issuer.key_path),
            "jwks_url": self.issuer.jwks_path.as_uri(),
            "logs": str(self.folder / "logs"),
            "pids": {name: unit.pid for name, unit in self.supervisor.units.items() if unit.pid},
            "environment": self.environment,
        }

    def _write_run_file(self) -> None:
        path = self.folder / RUN_FILE
        half = self.folder / f"{RUN_FILE}.half"
        with self._writing:
            half.unlink(missing_ok=True)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(self.endpoints, file, indent=2)
            half.replace(path)

    def mapping_status(self, name: str) -> dict[str, Any]:
        """How the mapping of a lane (or of `dead-letters`) goes, see `local.mapping.Status`; empty while it is down."""
        return self._doors.mapping_status(name)

    def worker_pids(self, lane: str) -> list[int]:
        """The process ids of a lane's consumers."""
        return list(self.mapping_status(lane).get("worker_pids", []))

    def kill(self, name: str, *, hold: bool = False) -> None:
        """End a component at once; see `Supervisor.kill`."""
        self.supervisor.kill(name, hold=hold)

    def hold(self, name: str) -> None:
        """Stop a component and leave it down until `restart`."""
        self.supervisor.hold(name)

    def restart(self, name: str) -> None:
        """Start a component (again) and wait until it is ready."""
        self.supervisor.restart(name)

    def start(self) -> None:
        """Start everything and wait until all is ready.

        Raises:
            LocalError: Something did not start; all is stopped again.
        """
        try:
            self.supervisor.start()
            what = f"a broadcast to be deliverable; {self.api_url}/readyz tells what is missing"
            wait_until(lambda: self._doors.api_answers("/readyz"), timeout_s=READY_TIMEOUT_S, what=what)
        except BaseException:
            self.stop()
            raise
        self._whole = True
        self._write_run_file()

    def stop(self) -> None:
        """Stop everything."""
        try:
            self.supervisor.stop()
        finally:
            self._end()

    def _end(self) -> None:
        (self.folder / RUN_FILE).unlink(missing_ok=True)
        self.data_dir.release()

    @classmethod
    @contextlib.contextmanager
    def running(cls, data_dir: Path, **overrides: Any) -> Iterator[System]:
        """A system on free ports in `data_dir`, stopped at the end.

        Args:
            data_dir: Its data folder.
            overrides: Fields of `LocalSettings`; ports are free ones and commits do not wait for the disk unless told.
        """
        defaults: dict[str, Any] = {"api_port": 0, "ws_port": 0, "callback_port": 0, "postgres_fsync": False}
        settings = dataclasses.replace(LocalSettings(), data_dir=str(data_dir), **(defaults | overrides))
        system = cls(settings)
        system.start()
        try:
            yield system
        finally:
            system.stop()
