"""The product's role in a database that knows log-ins by IAM, made by an owner who is no superuser, as on Aurora."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from carillon import sql as files
from carillon.adapters.apigateway.credentials import Credentials
from carillon.adapters.iam_tokens import DatabaseLogin
from carillon.adapters.postgres import Database, Phase, migrate
from carillon.adapters.postgres.upkeep import PostgresUpkeep
from carillon.errors import ConfigError, OutageError
from carillon.names import DATABASE_LOGIN, DATABASE_OWNER, DATABASE_TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.postgres import Postgres

ROLES = (DATABASE_LOGIN, DATABASE_TABLES, DATABASE_OWNER, "rds_iam")
NOW = datetime.now(UTC)


def run(url: str, *statements: str) -> list[Any]:
    rows: list[Any] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            rows = cursor.fetchall() if cursor.description else []
    return rows


@pytest.fixture(scope="module")
def admin(postgres_server: Postgres, empty_postgres: Callable[[str], str]) -> Iterator[str]:
    """The superuser's DSN of a database whose owner is as Aurora makes one; roles are the server's, so they go."""
    url = empty_postgres("iam")
    run(
        url,
        f"CREATE ROLE {DATABASE_OWNER} LOGIN CREATEROLE PASSWORD 'owner'",
        "CREATE ROLE rds_iam NOLOGIN",
        f"GRANT rds_iam TO {DATABASE_OWNER} WITH ADMIN OPTION, INHERIT FALSE",
        f"ALTER DATABASE iam OWNER TO {DATABASE_OWNER}",
        f"ALTER SCHEMA public OWNER TO {DATABASE_OWNER}",
    )
    yield url
    run(postgres_server.dsn, "DROP DATABASE iam WITH (FORCE)")
    run(
        postgres_server.dsn,
        *(f"DROP ROLE {role}" for role in (DATABASE_LOGIN, DATABASE_TABLES, DATABASE_OWNER, "rds_iam")),
    )


@pytest.fixture(scope="module")
def owner(admin: str) -> str:
    """The owner's DSN, after a deploy."""
    url = make_conninfo(admin, user=DATABASE_OWNER, password="owner")
    migrate(url, phase=Phase.PRE)
    return url


class Clock:
    """Stands still, so that the database can be told which token is right."""

    now = 1_780_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def product(admin: str, owner: str, clock: Clock) -> Iterator[Database]:
    """The product's pool: it knows no password, and logs in with tokens that are right when `admit` says so."""
    database = Database(url_of(owner), size=1, timeout_s=5, login=login_of(owner, clock))
    admit(admin, owner, clock)
    yield database
    database.close()


def url_of(owner: str) -> str:
    parts = conninfo_to_dict(owner)
    return f"postgresql://{DATABASE_LOGIN}@{parts['host']}:{parts['port']}/{parts['dbname']}?sslmode=disable"


def login_of(owner: str, clock: Clock) -> DatabaseLogin:
    credentials = Credentials("AKIDEXAMPLE", "secret", "session" * 100)
    return DatabaseLogin(url_of(owner), region="eu-west-1", credentials=lambda: credentials, clock=clock)


def admit(admin: str, owner: str, clock: Clock) -> None:
    """Do what Aurora does with IAM: from now on the token of this moment is right, and no other."""
    run(admin, f"ALTER ROLE {DATABASE_LOGIN} PASSWORD '{login_of(owner, clock)()['password']}'")


def test_each_new_connection_brings_the_token_of_its_own_time(
    product: Database, admin: str, owner: str, clock: Clock
) -> None:
    assert product.one("SELECT current_user AS me") == {"me": DATABASE_LOGIN}
    clock.now += 1_000
    admit(admin, owner, clock)
    run(admin, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{DATABASE_LOGIN}'")
    with pytest.raises(OutageError):
        product.one("SELECT 1")
    assert product.one("SELECT current_user AS me") == {"me": DATABASE_LOGIN}


def test_the_product_reads_and_writes_rows(product: Database) -> None:
    assert product.one("SELECT current_user AS me") == {"me": DATABASE_LOGIN}
    product.all("INSERT INTO users (user_id, name, role) VALUES ('anna', 'Anna', 0)")
    product.all(
        "INSERT INTO outbox (broadcast_id, lane, group_id, body, due_at) VALUES (gen_random_uuid(), 0, 'g', '', now())"
    )
    assert product.all("DELETE FROM users RETURNING name") == [{"name": "Anna"}]


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE users",
        "ALTER TABLE broadcasts ADD COLUMN x int",
        "DELETE FROM schema_migrations",
        "CREATE ROLE intruder",
        f"SET ROLE {DATABASE_OWNER}",
    ],
)
def test_the_product_cannot_change_the_schema_or_rise(product: Database, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, OutageError)):
        product.all(statement)


def test_time_outs_are_the_roles_since_a_proxy_takes_no_options(product: Database) -> None:
    assert product.one("SHOW statement_timeout") == {"statement_timeout": "5s"}
    assert product.one("SHOW lock_timeout") == {"lock_timeout": "5s"}


def test_partitions_come_and_go_while_the_product_runs(product: Database, owner: str) -> None:
    later = NOW + timedelta(weeks=30)
    PostgresUpkeep(product).purge(later)
    owners = run(owner, "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'deliveries%'")
    assert owners == [(DATABASE_TABLES,)]
    names = {name for (name,) in run(owner, "SELECT tablename FROM pg_tables WHERE tablename LIKE 'deliveries_2%'")}
    assert f"deliveries_{later + timedelta(weeks=5) - timedelta(days=later.weekday()):%Y_%m_%d}" in names
    assert f"deliveries_{NOW - timedelta(days=NOW.weekday()):%Y_%m_%d}" not in names


def test_the_owner_still_alters_what_the_product_made(owner: str) -> None:
    run(owner, "ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS later int", "ALTER TABLE deliveries DROP COLUMN later")


def test_the_owner_is_no_member_of_the_products_role(owner: str) -> None:
    """Aurora knows members of `rds_iam`, and members of members, by token alone: the owner would lose its password."""
    assert run(owner, f"SELECT pg_has_role('{DATABASE_OWNER}', '{DATABASE_LOGIN}', 'MEMBER')") == [(False,)]
    assert run(owner, f"SELECT pg_has_role('{DATABASE_LOGIN}', 'rds_iam', 'MEMBER')") == [(True,)]
    assert run(owner, "SELECT count(*) FROM pg_roles WHERE rolname = 'carillon_maker'") == [(0,)]


def test_a_table_of_the_next_release_is_the_products_to_use(owner: str, product: Database) -> None:
    run(owner, "CREATE TABLE next_release (id bigint GENERATED ALWAYS AS IDENTITY, what text)")
    product.all("INSERT INTO next_release (what) VALUES ('new')")
    run(owner, "DROP TABLE next_release")


def test_phases_run_apart_and_only_once(owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = files.migrations()
    more = [("9001.post.drop.sql", "CREATE TABLE seen_post ()"), ("9002.pre.add.sql", "CREATE TABLE seen_pre ()")]
    monkeypatch.setattr(files, "migrations", lambda: [*known, *more])
    assert migrate(owner, phase=Phase.PRE, patience_s=60) == ["9002.pre.add.sql"]
    assert migrate(owner, phase=Phase.PRE) == []
    assert migrate(owner, phase=Phase.POST) == ["9001.post.drop.sql"]
    assert migrate(owner) == []


def test_a_migration_that_names_no_phase_is_refused(owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "migrations", lambda: [("0009.sometime.sql", "SELECT 1")])
    with pytest.raises(ConfigError, match=r"NNNN\.pre\.what\.sql"):
        migrate(owner, phase=Phase.PRE)


def test_a_migration_does_not_wait_for_a_lock_behind_which_all_traffic_would_queue(
    owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "migrations", lambda: [("9003.pre.lock.sql", "ALTER TABLE users ADD COLUMN late int")])
    runner = importlib.import_module("carillon.adapters.postgres.migrate")
    monkeypatch.setattr(runner, "_LOCK_TIMEOUT", "50ms")
    with psycopg.connect(owner) as busy:
        busy.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(owner, phase=Phase.PRE, patience_s=60)
