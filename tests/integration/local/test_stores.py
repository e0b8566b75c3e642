"""The real PostgreSQL and Valkey that the local system and the tests stand on."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
from valkey import Valkey as ValkeyClient

from local.errors import MissingBinaryError
from local.postgres import Postgres
from local.processes import wait_until
from local.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def closed_folder(tmp_path: Path) -> Path:
    """A folder whose path has spaces, inside one that is closed to every other user."""
    closed = tmp_path / "a closed place"
    closed.mkdir(mode=0o700)
    return closed / "my data"


@pytest.fixture
def server(closed_folder: Path) -> Iterator[Postgres]:
    server = Postgres(closed_folder / "postgres")
    server.start()
    yield server
    server.stop("immediate")


def one(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_postgres_works_in_a_closed_folder_with_spaces(server: Postgres) -> None:
    assert one(server.dsn, "SELECT current_database()") == "carillon"
    assert one(server.dsn, "SHOW server_encoding") == "UTF8"
    assert one(server.dsn, "SHOW timezone") == "UTC"
    assert one(server.dsn, "SHOW fsync") == "on"


def test_postgres_asks_for_the_password_that_only_its_user_can_read(server: Postgres) -> None:
    password = server.folder / "password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    wrong = server.dsn.replace(password.read_text(), "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        one(wrong, "SELECT 1")


def test_postgres_keeps_data_and_port_over_a_stop_and_a_kill(server: Postgres) -> None:
    port = server.port
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE guests (name text)")
        connection.execute("INSERT INTO guests VALUES ('Zoë')")
    server.stop()
    server.start()
    assert one(server.dsn, "SELECT name FROM guests") == "Zoë"
    server.kill()
    server.start()
    assert one(server.dsn, "SELECT name FROM guests") == "Zoë"
    assert server.port == port


def test_a_killed_postgres_with_busy_sessions_starts_again(server: Postgres) -> None:
    busy = psycopg.connect(server.dsn)
    busy.execute("SELECT 1")
    server.kill()
    server.start()
    assert one(server.dsn, "SELECT 1") == 1
    busy.close()


def test_missing_postgres_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(MissingBinaryError, match="CARILLON_POSTGRES_BIN"):
        Postgres(tmp_path, bin_dir=tmp_path / "nowhere").start()


def test_missing_valkey_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(MissingBinaryError, match="CARILLON_VALKEY_BIN"):
        Valkey(tmp_path, binary=tmp_path / "nowhere").start()


def test_valkey_starts_empty_on_its_port_again(closed_folder: Path) -> None:
    server = Valkey(closed_folder / "valkey", password="let me/in")
    try:
        server.start()
        port = server.port
        with ValkeyClient.from_url(server.url) as client:
            client.set("k", "v")
        server.kill()
        server.start()
        assert server.port == port
        with ValkeyClient.from_url(server.url) as client:
            assert client.get("k") is None
    finally:
        server.stop()


SUPERVISOR = """
    import sys, time
    from pathlib import Path
    from local.postgres import Postgres
    from local.valkey import Valkey
    folder = Path(sys.argv[1])
    stores = [Postgres(folder / "postgres", durable=False), Valkey(folder / "valkey")]
    for store in stores:
        store.start()
    print(*[store.child.pid for store in stores], flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_children_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(SUPERVISOR), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert len(pids) == 2
        os.kill(supervisor.pid, signal.SIGKILL)
    for pid in pids:
        wait_until(partial(ended, pid), timeout_s=10, what=f"the end of {pid}")


def ended(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has reaped it yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_databases_of_the_fixture_are_apart(postgres: str, fresh_postgres: str) -> None:
    assert postgres != fresh_postgres
    assert one(fresh_postgres, "SELECT 1") == 1


def test_the_valkey_fixture_is_empty_and_can_be_written(valkey: str) -> None:
    with ValkeyClient.from_url(valkey) as client:
        assert client.dbsize() == 0
        client.set("left", "over")


def test_the_valkey_fixture_is_empty_again(valkey: str) -> None:
    with ValkeyClient.from_url(valkey) as client:
        assert client.dbsize() == 0
