"""Migrations and retention on a real PostgreSQL."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from carillon import sql
from carillon.adapters.postgres import Database, migrate
from carillon.adapters.postgres.migrate import ensure_partitions, uuid7_floor
from carillon.adapters.postgres.upkeep import PostgresUpkeep
from carillon.errors import ConfigError, OutageError
from carillon.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime.now(UTC)
OLD = NOW - timedelta(weeks=8)


@pytest.fixture
def database(fresh_postgres: str) -> Iterator[Database]:
    database = Database(fresh_postgres, size=2, timeout_s=5)
    yield database
    database.close()


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


def empty(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


def test_migrations_run_from_empty_once_and_again(fresh_postgres: str) -> None:
    url = empty(fresh_postgres)
    assert migrate(url) == [name for name, _ in sql.migrations()]
    assert {"users", "broadcasts", "deliveries", "inbox_heads", "connections"} <= tables(url)
    assert migrate(url) == []


def test_every_migration_may_run_twice(fresh_postgres: str) -> None:
    with psycopg.connect(fresh_postgres) as connection:
        for _, text in sql.migrations():
            connection.execute(text)  # type: ignore[arg-type]


def test_an_upgrade_from_each_earlier_version_keeps_the_data(fresh_postgres: str) -> None:
    for name, _ in sql.migrations():
        url = empty(fresh_postgres)
        migrate(url, until=name)
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO users (user_id, name, role) VALUES ('anna', 'Anna', 0)")
        migrate(url)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT name FROM users").fetchall() == [("Anna",)]


def test_a_migration_edited_after_it_ran_is_refused(fresh_postgres: str) -> None:
    with psycopg.connect(fresh_postgres) as connection:
        connection.execute("UPDATE schema_migrations SET checksum = 'another'")
    with pytest.raises(ConfigError, match="write a new one"):
        migrate(fresh_postgres)


def test_partitions_reach_five_weeks_ahead_and_meet_without_a_gap(fresh_postgres: str) -> None:
    with psycopg.connect(fresh_postgres) as connection:
        ensure_partitions(connection, NOW)
        assert ensure_partitions(connection, NOW) == []
        bounds = connection.execute(
            "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'deliveries'::regclass AND c.relname <> 'deliveries_other' ORDER BY c.relname"
        ).fetchall()
    edges = [row[0].split("'")[1::2] for row in bounds]
    assert all(one[1] == following[0] for one, following in itertools.pairwise(edges))
    assert edges[-1][1] > str(uuid7_floor(NOW + timedelta(weeks=5)))


def old_delivery(database: Database, status: Status) -> None:
    with database.transaction() as connection:
        ensure_partitions(connection, OLD)
        key = {"id": uuid7_floor(OLD), "status": status, "at": OLD}
        connection.execute(
            "INSERT INTO broadcasts (broadcast_id, lane, kind, name, data, audience, created_by, created_at)"
            " VALUES (%(id)s, 2, 3, 'moved', '{}', '{\"type\":\"everyone\"}', 'ben', %(at)s)",
            key,
        )
        connection.execute(
            "INSERT INTO deliveries (broadcast_id, user_id, lane, stream_offset, status, role)"
            " VALUES (%(id)s, 'anna', 2, 7, %(status)s, 0)",
            key,
        )
        connection.execute("INSERT INTO inbox_heads (user_id, lane, head) VALUES ('anna', 2, 9) ON CONFLICT DO NOTHING")


def count(database: Database, table: str) -> int:
    return int(database.all(f"SELECT count(*) AS n FROM {table}")[0]["n"])


def test_old_weeks_go_whole_and_leave_a_floor(database: Database) -> None:
    old_delivery(database, Status.DELIVERED)
    done = PostgresUpkeep(database).purge(NOW)
    assert done["deliveries"] >= 1
    assert done["broadcasts"] == 1
    assert (count(database, "deliveries"), count(database, "broadcasts")) == (0, 0)
    assert database.all("SELECT head, floor FROM inbox_heads") == [{"head": 9, "floor": 7}]


def test_a_week_in_which_something_waits_stays(database: Database) -> None:
    old_delivery(database, Status.QUEUED)
    done = PostgresUpkeep(database).purge(NOW)
    assert done["broadcasts"] == 0
    assert count(database, "deliveries") == 1


def test_small_tables_keep_what_is_young_and_lose_what_is_old(database: Database) -> None:
    for at in (NOW, NOW - timedelta(days=100)):
        values = {"at": at, "id": str(uuid7_floor(at))}
        for text in (
            "INSERT INTO idempotency VALUES ('ben', %(id)s::text, 'h', %(id)s::uuid, %(at)s)",
            (
                "INSERT INTO outbox (broadcast_id, lane, group_id, body, due_at, sent_at)"
                " VALUES (%(id)s::uuid, 2, %(id)s::text, '', %(at)s, %(at)s)"
            ),
            "INSERT INTO outbox_groups VALUES (%(id)s, 2)",
            "INSERT INTO connections VALUES (%(id)s, 'anna', true, %(at)s, %(at)s)",
            "INSERT INTO dead_letters VALUES (%(id)s, 2, NULL, 'poison', '', %(at)s)",
        ):
            database.all(text, values)
    done = PostgresUpkeep(database).purge(NOW)
    small = ("idempotency", "outbox", "connections", "dead_letters", "outbox_groups")
    assert {table: done[table] for table in small} == dict.fromkeys(small, 1)
    assert {table: count(database, table) for table in small} == dict.fromkeys(small, 1)


def test_a_database_that_is_away_is_an_outage() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", size=1, timeout_s=0.3)
    with pytest.raises(OutageError) as outage:
        database.one("SELECT 1")
    database.close()
    assert outage.value.retry_after_s


def test_a_connection_that_the_server_ended_is_replaced(database: Database, fresh_postgres: str) -> None:
    database.one("SELECT 1")
    with psycopg.connect(fresh_postgres, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(OutageError):
        database.one("SELECT 1")
    assert database.one("SELECT 1 AS one") == {"one": 1}
