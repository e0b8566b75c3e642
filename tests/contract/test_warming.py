"""Warming on real stores: after it, a wedding's first broadcast fetches nothing from the disk any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from valkey import Valkey

from carillon import sql
from carillon.adapters.connection_index import ValkeyConnectionIndex
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.connections import PostgresConnections
from carillon.adapters.postgres.migrate import migrate
from carillon.adapters.warming import StoreWarming
from carillon.errors import OutageError
from carillon.model import Connection
from carillon.testing.scaling import MemoryWarming
from local.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from carillon.ports.scaling import Warming

WEDDINGS, TEAM = 400, 10
PEOPLE = WEDDINGS * TEAM
FILL = f"""
INSERT INTO users (user_id, name, role)
SELECT 'u' || n, repeat('x', 60), 2 FROM generate_series(0, {PEOPLE - 1}) n ORDER BY md5('u' || n);
INSERT INTO preferences (user_id, quiet_enabled)
SELECT user_id, right(user_id, 1) = '0' FROM users ORDER BY md5('p' || user_id);
INSERT INTO inbox_heads (user_id, lane) SELECT user_id, lane FROM users, generate_series(0, 3) lane
 ORDER BY md5('h' || user_id), lane;
INSERT INTO connections (connection_id, user_id, active, connected_at, expires_at)
SELECT 'c' || user_id, user_id, true, now(), now() + interval '1 hour' FROM users ORDER BY md5('c' || user_id);
INSERT INTO weddings (wedding_id, name, starts_at, time_zone)
SELECT 'w' || n, repeat('x', 200), now(), 'Europe/Rome' FROM generate_series(0, {WEDDINGS - 1}) n;
INSERT INTO wedding_team (wedding_id, user_id, role)
SELECT 'w' || n / {TEAM}, 'u' || n, 2 FROM generate_series(0, {PEOPLE - 1}) n ORDER BY md5('t' || n);
VACUUM ANALYZE;
"""
"""Ten people a wedding; the rows of each table lie in an order of their own, as they do after a year."""


@dataclass
class Index:
    """Notes whom it was asked for. Valkey is away for it."""

    asked: list[list[str]] = field(default_factory=list)

    def lookup(self, user_ids: Sequence[str]) -> list[Connection] | None:
        self.asked.append(list(user_ids))
        return None

    def add(self, connection: Connection) -> None:
        raise NotImplementedError

    def remove(self, connections: Sequence[Connection]) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def filled(store_folder: Path) -> Iterator[Postgres]:
    """A server that a test may start anew, with more than one wedding's pages in every table."""
    server = Postgres(store_folder / "warming", durable=False)
    server.start()
    migrate(server.dsn)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for statement in FILL.strip().rstrip(";").split(";\n"):
            connection.execute(statement)
    yield server
    server.stop("immediate")


@pytest.fixture
def database(filled: Postgres) -> Iterator[Database]:
    """After a start: nothing of the tables is in the server's memory."""
    filled.stop("fast")
    filled.start()
    database = Database(filled.dsn, size=2, timeout_s=5)
    yield database
    database.close()


def fetched(database: Database, wedding_id: str) -> dict[str, int]:
    """The blocks that are not in memory when the first broadcast asks, by question. Asking brings them there."""
    number = int(wedding_id.removeprefix("w"))
    users = [f"u{number * TEAM + one}" for one in range(TEAM)]
    heads = "SELECT user_id, head FROM inbox_heads WHERE lane = %(lane)s AND user_id = ANY(%(users)s) ORDER BY user_id"
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "team": (
            sql.queries("audiences")["team"],
            {"wedding_id": wedding_id, "role": None, "now": datetime.now(UTC)},
        ),
        "heads": (f"{heads} FOR UPDATE", {"lane": 0, "users": users}),
        "sockets": (sql.queries("connections")["active"], {"users": users, "here": None}),
    }
    found = {}
    for name, (query, given) in asked.items():
        row = database.one(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", given)
        assert row is not None
        (plan,) = row["QUERY PLAN"]
        assert plan["Plan"]["Actual Rows"] == TEAM
        found[name] = plan["Plan"]["Shared Read Blocks"]
    # The first lock in a table's 256 MB reads the one block that notes what everybody can see there.
    found["heads"] -= min(found["heads"], 1)
    return found


def test_after_a_start_a_weddings_first_broadcast_waits_for_the_disk(database: Database) -> None:
    """What the next test is held against: about a block for each row and index entry."""
    cold = fetched(database, "w7")
    assert cold["team"] > 2 * TEAM
    assert min(cold["heads"], cold["sockets"]) > TEAM
    assert fetched(database, "w7") == {"team": 0, "heads": 0, "sockets": 0}


def test_a_wedding_that_was_warmed_does_not_and_others_still_do(database: Database) -> None:
    assert StoreWarming(database, Index()).warm(["w7"]) == TEAM
    assert fetched(database, "w7") == {"team": 0, "heads": 0, "sockets": 0}
    other = fetched(database, "w300")
    assert other["team"] > TEAM


def test_many_weddings_are_warmed_in_parts_that_the_database_and_the_index_take(database: Database) -> None:
    index = Index()
    names = [f"w{number}" for number in range(WEDDINGS)]
    assert StoreWarming(database, index).warm(names) == PEOPLE
    assert max(map(len, index.asked)) <= 500
    asked = [user_id for part in index.asked for user_id in part]
    assert sorted(asked) == sorted(f"u{number}" for number in range(PEOPLE))
    assert sum(fetched(database, "w399").values()) == 0


def test_whoever_is_on_several_weddings_is_read_once(database: Database) -> None:
    index = Index()
    with database.transaction() as connection:
        connection.execute("INSERT INTO wedding_team (wedding_id, user_id, role) VALUES ('w1', 'u0', 2)")
    try:
        assert StoreWarming(database, index).warm(["w0", "w1"]) == 2 * TEAM
    finally:
        database.all("DELETE FROM wedding_team WHERE wedding_id = 'w1' AND user_id = 'u0'")
    assert len(index.asked[0]) == 2 * TEAM


def test_warming_builds_a_wiped_index_anew(database: Database, valkey: str) -> None:
    with Valkey.from_url(valkey) as client:
        index = ValkeyConnectionIndex(client, PostgresConnections(database).everybody)
        StoreWarming(database, index).warm(["w7"])
        assert index.lookup(["u70"]) == [Connection("cu70", "u70")]


def test_a_cache_that_is_away_keeps_nothing_from_being_warmed(database: Database) -> None:
    with Valkey(host="127.0.0.1", port=1, socket_connect_timeout=0.2) as client:
        index = ValkeyConnectionIndex(client, PostgresConnections(database).everybody)
        assert StoreWarming(database, index).warm(["w9"]) == TEAM
    assert sum(fetched(database, "w9").values()) == 0


@pytest.fixture(params=["memory", "postgres"])
def warming(request: pytest.FixtureRequest) -> Warming:
    if request.param == "memory":
        return MemoryWarming({"w1": TEAM, "w2": TEAM})
    return StoreWarming(request.getfixturevalue("database"), Index())


def test_it_answers_how_many_people_were_warmed(warming: Warming) -> None:
    assert warming.warm(["w1", "w2"]) == 2 * TEAM
    assert warming.warm(["never heard of"]) == 0
    assert warming.warm([]) == 0


@pytest.fixture(params=["memory", "postgres"])
def away(request: pytest.FixtureRequest) -> Iterator[Warming]:
    if request.param == "memory":
        yield MemoryWarming(away=True)
        return
    database = Database("postgresql://nobody@127.0.0.1:1/none", size=1, timeout_s=0.2)
    yield StoreWarming(database, Index())
    database.close()


def test_a_database_that_is_away_is_an_outage(away: Warming) -> None:
    with pytest.raises(OutageError):
        away.warm(["w1"])
