"""Two Regions on one real PostgreSQL: each has a queue, a consumer, an index and a gateway of its own."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from carillon import testing
from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.audiences import PostgresAudiences
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.adapters.postgres.connections import PostgresConnections, PostgresInbox
from carillon.adapters.postgres.deliveries import PostgresDeliveries
from carillon.adapters.postgres.reports import Reports
from carillon.flow import resume
from carillon.flow.consume import consume
from carillon.flow.create import create
from carillon.flow.relay import relay
from carillon.model import Audience, AudienceType, Connection, Draft, Kind, Lane, Principal, Status
from carillon.names import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carillon.ports import Message, Ports

HERE, THERE = "us-east-1", "eu-west-1"
PLANNER = Principal("ben", frozenset(Scope), 2_000_000_000)
PEOPLE = [f"u{number:03}" for number in range(60)]


@dataclass
class Region:
    """One Region: its doors to the shared store, and what its clients were answered when they came."""

    ports: Ports
    world: testing.World
    answered: dict[str, set[str]] = field(default_factory=dict)

    def come(self, socket: str, user: str) -> None:
        """A client opens a socket here and subscribes."""
        now = datetime.now(UTC)
        assert self.ports.connections.pend(Connection(socket, user), now, now + timedelta(hours=1))
        page = resume.subscribe(socket, None, None, self.ports, now)
        assert page is not None
        self.answered[socket] = {event.event_id for event in page.events}

    def has(self, socket: str) -> set[str]:
        """The events of a socket: what it was answered and what was posted to it."""
        posted = {json.loads(body)["event_id"] for one, body in self.world.received if one == socket}
        return posted | self.answered[socket]


@dataclass
class Two:
    """Both Regions, and the queues between them. What begins waits in `world.queue`, what was handed over in `far`."""

    url: str
    world: testing.World
    here: Region
    there: Region
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self) -> str:
        broadcast_id = uuid7()
        draft = Draft(Audience(AudienceType.WEDDING, wedding_id="W1"), Lane.NORMAL, Kind.WEDDING, "moved", {})
        create(draft, PLANNER, self.here.ports, broadcast_id=broadcast_id, now=datetime.now(UTC))
        return broadcast_id

    def take(self) -> tuple[list[Message], list[Message]]:
        with self.lock:
            begun, self.world.queue = self.world.queue, []
            return begun, self.world.far.pop(THERE, [])

    def work(self) -> list[str]:
        """Both Regions' consumers side by side, until their queues are empty."""
        back: list[str] = []
        with ThreadPoolExecutor(2) as consumers:
            for _ in range(50):
                begun, handed = self.take()
                if not begun and not handed:
                    break
                jobs = [consumers.submit(consume, [one], self.here.ports) for one in begun]
                jobs += [consumers.submit(consume, [one], self.there.ports) for one in handed]
                back += [message_id for job in jobs for message_id in job.result()]
        return back

    def statuses(self) -> set[Status]:
        with psycopg.connect(self.url) as connection:
            return {Status(status) for (status,) in connection.execute("SELECT DISTINCT status FROM deliveries")}


@pytest.fixture
def two(fresh_postgres: str) -> Iterator[Two]:
    with psycopg.connect(fresh_postgres) as connection:
        connection.execute("INSERT INTO weddings VALUES ('W1', 'A wedding', now(), 'UTC')")
        for table in (
            "users (user_id, name, role) SELECT u, u, 3",
            "wedding_team (wedding_id, user_id, role) SELECT 'W1', u, 3",
        ):
            connection.execute(f"INSERT INTO {table} FROM unnest(%s::text[]) u", [PEOPLE])
    database, world = Database(fresh_postgres, size=8, timeout_s=20), testing.World()

    def region(name: str, peer: str) -> Region:
        ports = replace(
            testing.ports(world, region=name, peer=peer),
            broadcasts=PostgresBroadcasts(database),
            audiences=PostgresAudiences(database),
            deliveries=PostgresDeliveries(database),
            connections=_Noting(database, world, name, peer),
            inbox=PostgresInbox(database),
            clock=lambda: datetime.now(UTC),
        )
        return Region(ports, world)

    yield Two(fresh_postgres, world, region(HERE, THERE), region(THERE, HERE))
    database.close()


class _Noting(PostgresConnections):
    """Tells the gateways in memory which of them a socket was opened at: the other one answers 410 for it."""

    def __init__(self, database: Database, world: testing.World, region: str, peer: str) -> None:
        super().__init__(database, region=region, peer=peer)
        self._world, self._at = world, region

    def pend(self, connection: Connection, now: datetime, expires_at: datetime) -> bool:
        self._world.regions[connection.connection_id] = self._at
        return super().pend(connection, now, expires_at)


def test_whoever_comes_to_either_region_while_broadcasts_are_under_way_misses_none(two: Two) -> None:
    """A third of the people are here, a third there, a third in both; half of them come while the work goes on."""
    doors = {
        f"{where}-{user}": (region, user)
        for number, user in enumerate(PEOPLE)
        for where, region in (("h", two.here), ("t", two.there))
        if number % 3 != (1 if where == "h" else 0)
    }
    early = {socket: door for number, (socket, door) in enumerate(doors.items()) if number % 2}
    for socket, (region, user) in early.items():
        region.come(socket, user)
    sent = [two.send() for _ in range(6)]
    with ThreadPoolExecutor(4) as threads:
        coming = [
            threads.submit(region.come, socket, user) for socket, (region, user) in doors.items() if socket not in early
        ]
        assert two.work() == []
        for one in coming:
            one.result()
    assert two.work() == []
    missed = {socket for socket, (region, _) in doors.items() if region.has(socket) != set(sent)}
    assert missed == set()
    verdict = Reports(Database(two.url, size=1, timeout_s=5)).verify(
        datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)
    )
    assert verdict.clean
    assert verdict.totals["recipients"] == len(PEOPLE) * len(sent)


def test_everybody_connected_anywhere_is_sent_and_no_socket_is_taken_for_dead(two: Two) -> None:
    for number, user in enumerate(PEOPLE):
        (two.here if number % 2 else two.there).come(f"s-{user}", user)
    two.send()
    assert two.work() == []
    assert two.statuses() == {Status.SENT}
    assert len(two.world.received) == len(PEOPLE), "each device once: nobody was posted to from both sides"
    with psycopg.connect(two.url) as connection:
        found = connection.execute("SELECT region, count(*) FROM connections WHERE active GROUP BY 1 ORDER BY 1")
        assert found.fetchall() == [(THERE, 30), (HERE, 30)]


def test_while_the_other_region_is_away_its_people_wait_in_the_outbox(two: Two) -> None:
    two.here.come("h", PEOPLE[0])
    two.there.come("t", PEOPLE[1])
    two.world.away = {THERE}
    first, second = two.send(), two.send()
    assert two.work() == []
    assert two.here.has("h") == {first, second}
    relay(two.here.ports, datetime.now(UTC))
    assert two.there.has("t") == set()
    two.world.away = set()
    relay(two.there.ports, datetime.now(UTC))
    assert two.work() == []
    assert two.there.has("t") == {first, second}
