"""The API on a real PostgreSQL with the queue and the sockets in memory, and tokens for anybody who asks."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from api.app import create_app
from api.services import Services
from carillon import testing
from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.audiences import PostgresAudiences
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.adapters.postgres.calendar import PostgresCalendar, PostgresScalingLog
from carillon.adapters.postgres.connections import PostgresConnections, PostgresInbox
from carillon.adapters.postgres.deliveries import PostgresDeliveries
from carillon.adapters.postgres.directory import Directory
from carillon.adapters.postgres.reports import Reports
from carillon.adapters.postgres.upkeep import PostgresUpkeep
from carillon.config import ApiSettings, CapacitySettings
from carillon.errors import OutageError, UnauthenticatedError
from carillon.flow.consume import consume
from carillon.model import Principal
from carillon.names import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastapi import APIRouter, FastAPI

    from carillon.ports import Ports

ALL = " ".join(Scope)
_CAPACITY = CapacitySettings()


class PlainTokens:
    """Believes whatever it is told: `sub|scope scope|supplier`. The real verifier has tests of its own."""

    def __init__(self) -> None:
        self.away = False

    def verify(self, token: str) -> Principal:
        if self.away:
            raise OutageError("the issuer's keys cannot be fetched", retry_after_s=5)
        parts = token.split("|")
        if len(parts) != 3:
            raise UnauthenticatedError("the token is not a signed JWT")
        return Principal(parts[0], frozenset(parts[1].split()), 2**31, parts[2] or None)


@dataclass
class Served:
    """A running API and what is behind it."""

    client: httpx.Client
    url: str
    ports: Ports
    world: testing.World
    database: Database
    directory: Directory
    tokens: PlainTokens
    log: PostgresScalingLog
    causes: list[str] = field(default_factory=list)
    """What the planner was told."""
    answers: list[httpx.Response] = field(default_factory=list)

    def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        sub: str = "ops",
        scope: str = ALL,
        supplier: str = "",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {sub}|{scope}|{supplier}"}
        if json is not None:
            more["json"] = json
        answer = self.client.request(method, path, headers=bearer | (headers or {}), **more)
        self.answers.append(answer)
        return answer

    def get(self, path: str, **more: Any) -> Any:
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def empty(self) -> None:
        """Forget everything that a test did, without the 300 ms of a new server and database."""
        kept = "('meta', 'schema_migrations')"
        tables = self.database.all(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            f" AND relnamespace = 'public'::regnamespace AND relname NOT IN {kept}"
        )
        self.database.all(f"TRUNCATE {', '.join(row['relname'] for row in tables)} RESTART IDENTITY")
        vars(self.world).update(vars(testing.World(now=datetime.now(UTC))))
        self.tokens.away = False
        self.causes.clear()

    def consume(self) -> None:
        """Do the consumers' work, until the queue is empty."""
        for _ in range(1_000):
            if not self.world.queue:
                return
            self.world.now = datetime.now(UTC)
            batch, self.world.queue[:] = self.world.queue[:10], self.world.queue[10:]
            assert consume(batch, self.ports) == []


@contextmanager
def serve(
    url: str,
    *,
    relay: bool = False,
    routers: Sequence[APIRouter] = (),
    timeout_s: float = 5,
    capacity: CapacitySettings = _CAPACITY,
    **settings: Any,
) -> Iterator[Served]:
    """Serve the API on the database at `url`."""
    database = Database(url, size=4, timeout_s=timeout_s)
    world = testing.World(now=datetime.now(UTC))
    ports = replace(
        testing.ports(world),
        broadcasts=PostgresBroadcasts(database),
        audiences=PostgresAudiences(database),
        deliveries=PostgresDeliveries(database),
        connections=PostgresConnections(database),
        inbox=PostgresInbox(database),
        upkeep=PostgresUpkeep(database),
        clock=lambda: datetime.now(UTC),
        new_id=uuid7,
    )
    directory, tokens = Directory(database), PlainTokens()
    app_settings = ApiSettings(relay=relay, relay_interval_s=0.05, **settings)
    log, causes = PostgresScalingLog(database, region="here"), list[str]()
    services = Services(
        ports=ports,
        directory=directory,
        reports=Reports(database),
        tokens=tokens,
        settings=app_settings,
        calendar=PostgresCalendar(database),
        scaling_log=log,
        capacity=capacity,
        replan=causes.append,
    )
    app = create_app(services, routers=routers)
    with running(app) as base, httpx.Client(base_url=base, timeout=30) as client:
        yield Served(client, base, ports, world, database, directory, tokens, log, causes)
    database.close()


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The app on a real server, at the URL given."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive(), "the server did not stop"
