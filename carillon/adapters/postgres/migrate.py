"""Runs the migrations forward: each in its own transaction, one runner at a time, safe to run again.

A file is `NNNN.pre.what.sql` or `NNNN.post.what.sql`. `pre` runs while the old code still works, and must not disturb
it; `post` runs when only the new code is left. A `pre` never counts on an earlier `post` having run.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import psycopg

from carillon import sql
from carillon.adapters.postgres.roles import ensure_login, own_as
from carillon.errors import ConfigError

_LOCK: Final = 4_220_041
"""Advisory lock number of the migration runner; a direct connection, never through a proxy."""
_LOCK_TIMEOUT: Final = "10s"
_WEEKS_AHEAD: Final = 5


class Phase(StrEnum):
    """When a migration runs."""

    PRE = "pre"
    POST = "post"


def migrate(
    url: str,
    *,
    phase: Phase | None = None,
    until: str | None = None,
    now: datetime | None = None,
    patience_s: float | None = None,
) -> list[str]:
    """Bring the database at `url` to the newest version and return the names of the migrations that ran.

    Where PostgreSQL knows log-ins by IAM, the product's own is made and given its rights, too.

    Args:
        url: libpq URL of the writer itself (session locks do not survive a proxy).
        phase: only these migrations; None runs both, in the order of their names.
        until: stop after this file name; for tests of an upgrade from an earlier release.
        now: from when on partitions are needed.
        patience_s: longest statement; and no wait for a lock over 10 s, behind which all traffic would queue.

    Raises:
        ConfigError: a migration that ran before has been edited since.
    """
    ran = []
    with psycopg.connect(url, autocommit=True) as connection:
        if patience_s is not None:
            _limit(connection, patience_s)
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for name, text in sql.migrations():
            if phase in (None, phase_of(name)) and _apply(connection, name, text):
                ran.append(name)
            if name == until:
                break
        ensure_partitions(connection, now or datetime.now(UTC))
        ensure_login(connection)
    return ran


def _limit(connection: psycopg.Connection[Any], patience_s: float) -> None:
    for name, value in {"statement_timeout": f"{round(patience_s * 1000)}", "lock_timeout": _LOCK_TIMEOUT}.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])


def phase_of(name: str) -> Phase:
    """The phase in a migration's file name.

    Raises:
        ConfigError: it names none.
    """
    word = name.split(".")[1] if name.count(".") >= 2 else ""
    if word not in set(Phase):
        raise ConfigError(f"migration {name} must be called NNNN.pre.what.sql or NNNN.post.what.sql")
    return Phase(word)


def _apply(connection: psycopg.Connection[Any], name: str, text: str) -> bool:
    checksum = hashlib.sha256(text.encode()).hexdigest()
    known = connection.execute("SELECT checksum FROM schema_migrations WHERE name = %s", [name]).fetchone()
    if known is not None:
        if known[0] != checksum:
            raise ConfigError(f"migration {name} was edited after it ran; write a new one instead")
        return False
    with connection.transaction():
        connection.execute(text)
        connection.execute("INSERT INTO schema_migrations (name, checksum) VALUES (%s, %s)", [name, checksum])
    return True


def ensure_partitions(connection: psycopg.Connection[Any], now: datetime) -> list[str]:
    """Create the weekly partitions of `deliveries` from this week to five weeks ahead; returns the new ones' names."""
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    made = []
    for week in range(-1, _WEEKS_AHEAD + 1):
        start = monday + timedelta(weeks=week)
        name = f"deliveries_{start:%Y_%m_%d}"
        exists = connection.execute("SELECT to_regclass(%s)", [name]).fetchone()
        if exists is None or next(iter(exists.values()) if isinstance(exists, dict) else iter(exists)) is None:
            first, after = uuid7_floor(start), uuid7_floor(start + timedelta(weeks=1))
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF deliveries FOR VALUES FROM ('{first}') TO ('{after}')"
            )
            own_as(connection, name, like="deliveries")
            made.append(name)
    return made


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond: the border between two partitions."""
    return UUID(int=round(moment.timestamp() * 1000) << 80)
