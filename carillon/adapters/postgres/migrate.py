"""Runs the migrations forward: each in its own transaction, one runner at a time, safe to run again."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from carillon import sql
from carillon.errors import ConfigError

_LOCK: Final = 4_220_041
"""Advisory lock number of the migration runner; a direct connection, never through a proxy."""
_WEEKS_AHEAD: Final = 5


def migrate(url: str, *, until: str | None = None, now: datetime | None = None) -> list[str]:
    """Bring the database at `url` to the newest version and return the names of the migrations that ran.

    Args:
        url: libpq URL of the writer itself (session locks do not survive a proxy).
        until: stop after this file name; for tests of an upgrade from an earlier release.
        now: from when on partitions are needed.

    Raises:
        ConfigError: a migration that ran before has been edited since.
    """
    ran = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for name, text in sql.migrations():
            if _apply(connection, name, text):
                ran.append(name)
            if name == until:
                break
        ensure_partitions(connection, now or datetime.now(UTC))
    return ran


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
            made.append(name)
    return made


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond: the border between two partitions."""
    return UUID(int=round(moment.timestamp() * 1000) << 80)
