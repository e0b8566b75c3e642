"""Sockets and the outbox where there are two Regions: one contract, in memory and in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from carillon import testing
from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.adapters.postgres.connections import PostgresConnections
from carillon.adapters.postgres.migrate import migrate
from carillon.model import Connection, Lane, Recipient, Role
from carillon.ports import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carillon.ports import Ports

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(hours=1)
HERE, THERE = "us-east-1", "eu-west-1"


@dataclass
class Two:
    """The ports of two Regions on one store in which Anna and Ben are known, and those of a Region without another."""

    here: Ports
    there: Ports
    alone: Ports


@pytest.fixture(params=["memory", "postgres"])
def two(request: pytest.FixtureRequest) -> Iterator[Two]:
    world = testing.World(now=NOW)
    world.people = {user: Recipient(user, Role.COUPLE, "UTC") for user in ("anna", "ben")}
    here, there = testing.ports(world, region=HERE, peer=THERE), testing.ports(world, region=THERE, peer=HERE)
    alone = testing.ports(world, region=HERE)
    if request.param == "memory":
        yield Two(here, there, alone)
        return
    url = request.getfixturevalue("fresh_postgres")
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO users (user_id, name, role) VALUES ('anna', 'Anna', 0), ('ben', 'Ben', 1)")
    database = Database(url, size=2, timeout_s=5)

    def on_postgres(ports: Ports, region: str, peer: str) -> Ports:
        sockets = PostgresConnections(database, region=region, peer=peer)
        return replace(ports, connections=sockets, broadcasts=PostgresBroadcasts(database))

    yield Two(on_postgres(here, HERE, THERE), on_postgres(there, THERE, HERE), on_postgres(alone, HERE, ""))
    database.close()


def open_socket(ports: Ports, connection_id: str, user_id: str, *, active: bool = True, at: datetime = NOW) -> None:
    assert ports.connections.pend(Connection(connection_id, user_id), at, LATER)
    if active:
        ports.connections.activate(connection_id)


def test_a_region_sees_its_own_sockets_and_who_has_one_in_the_other(two: Two) -> None:
    open_socket(two.here, "h-anna", "anna")
    open_socket(two.there, "t-anna", "anna")
    open_socket(two.there, "t2-anna", "anna")
    open_socket(two.there, "t-ben", "ben", active=False)
    people = ["anna", "ben"]
    assert two.here.connections.active(people) == [Connection("h-anna", "anna")]
    assert two.here.connections.elsewhere(people) == ["anna"]
    assert {one.connection_id for one in two.there.connections.active(people)} == {"t-anna", "t2-anna"}
    assert two.there.connections.elsewhere(people) == ["anna"]
    two.there.connections.activate("t-ben")
    assert sorted(two.here.connections.elsewhere(people)) == people
    two.there.connections.remove(["t-anna", "t2-anna"])
    assert two.here.connections.elsewhere(people) == ["ben"]


def test_a_region_without_another_sees_all_sockets(two: Two) -> None:
    open_socket(two.here, "h-anna", "anna")
    open_socket(two.there, "t-anna", "anna")
    assert {one.connection_id for one in two.alone.connections.active(["anna"])} == {"h-anna", "t-anna"}
    assert two.alone.connections.elsewhere(["anna"]) == []


def test_each_region_reaps_its_own(two: Two) -> None:
    open_socket(two.here, "h-anna", "anna", at=NOW - timedelta(hours=3))
    open_socket(two.there, "t-anna", "anna", at=NOW - timedelta(hours=3))
    before = NOW - timedelta(hours=2)
    assert two.here.connections.stale(NOW, before, 10) == [Connection("h-anna", "anna")]
    assert two.there.connections.stale(LATER, NOW - timedelta(days=1), 10) == [Connection("t-anna", "anna")]


def test_what_was_put_off_is_due_for_its_region(two: Two) -> None:
    message = Outgoing(Lane.HIGH, "handover:3", uuid7(), "{}", region=THERE)
    two.here.broadcasts.put_off(message, NOW)
    assert two.there.broadcasts.waiting(NOW, 10) == [("handover:3", Lane.HIGH)]
    sent: list[Outgoing] = []
    assert two.there.broadcasts.drain("handover:3", Lane.HIGH, NOW, sent.extend) == 1
    assert sent == [message]
    assert two.here.broadcasts.waiting(NOW, 10) == []


def test_the_index_is_built_of_the_regions_own_sockets(fresh_postgres: str) -> None:
    with psycopg.connect(fresh_postgres) as connection:
        connection.execute(
            "INSERT INTO connections (connection_id, user_id, active, connected_at, expires_at, region)"
            " VALUES ('h', 'anna', true, now(), now(), %s), ('t', 'anna', true, now(), now(), %s)",
            [HERE, THERE],
        )
    database = Database(fresh_postgres, size=1, timeout_s=5)
    everybody = PostgresConnections(database, region=HERE, peer=THERE).everybody()
    both = PostgresConnections(database, region=HERE).everybody()
    database.close()
    assert everybody == [Connection("h", "anna")]
    assert len(both) == 2


def test_sockets_from_before_the_migration_stay_reachable(empty_postgres: Callable[[str], str]) -> None:
    """The release before has no Regions and goes on writing while this one's migration has run."""
    url = empty_postgres("before_regions")
    migrate(url, until="0002.pre.ack.sql")
    insert = (
        "INSERT INTO connections (connection_id, user_id, active, connected_at, expires_at)"
        " VALUES (%s, 'anna', true, now(), now() + interval '1 hour')"
    )
    with psycopg.connect(url) as connection:
        connection.execute(insert, ["before"])
    assert "0003.pre.region.sql" in migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute(insert, ["during"])
    database = Database(url, size=1, timeout_s=5)
    found = PostgresConnections(database, region=HERE).active(["anna"])
    database.close()
    assert {one.connection_id for one in found} == {"before", "during"}
