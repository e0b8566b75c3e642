"""Real stores for any test that asks: `postgres` (a database of its own per module) and `valkey` (empty per test)."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from valkey import Valkey as ValkeyClient

from carillon.adapters.postgres.migrate import migrate
from local.postgres import Postgres
from local.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEMPLATE = "carillon_template"


@pytest.fixture(scope="session")
def store_folder() -> Iterator[Path]:
    """A short folder: the operating system's limits on paths are none of our tests' business."""
    with tempfile.TemporaryDirectory(prefix="carillon-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(store_folder: Path) -> Iterator[Postgres]:
    """One PostgreSQL for the session, which does not wait for the disk."""
    server = Postgres(store_folder / "postgres", durable=False)
    server.start()
    yield server
    server.stop("immediate")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres) -> str:
    """The name of a database with the whole schema and no rows."""
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate(postgres_server.dsn_of(TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def new_database(postgres_server: Postgres, postgres_template: str) -> Callable[[], str]:
    """A function that makes a database with the schema and answers its DSN (20 ms)."""
    numbers = itertools.count(1)

    def create() -> str:
        name = f"test_{next(numbers)}"
        with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(postgres_template)
                )
            )
        return postgres_server.dsn_of(name)

    return create


@pytest.fixture(scope="module")
def postgres(new_database: Callable[[], str]) -> str:
    """The DSN of a database with the schema, for this test module alone."""
    return new_database()


@pytest.fixture
def fresh_postgres(new_database: Callable[[], str]) -> str:
    """The DSN of a database with the schema, for this test alone."""
    return new_database()


@pytest.fixture(scope="session")
def empty_postgres(postgres_server: Postgres) -> Callable[[str], str]:
    """A function that makes a database without any schema, of the given name, and answers its DSN."""

    def create(name: str) -> str:
        with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return postgres_server.dsn_of(name)

    return create


@pytest.fixture(scope="session")
def valkey_server(store_folder: Path) -> Iterator[Valkey]:
    """One Valkey for the session."""
    server = Valkey(store_folder / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(valkey_server: Valkey) -> str:
    """The URL of a Valkey that holds nothing yet."""
    with ValkeyClient.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url
