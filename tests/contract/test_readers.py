"""Which reads go to the readers, shown with two databases that hold different things."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from carillon import wiring
from carillon.adapters.ids import uuid7
from carillon.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carillon.adapters.postgres.reports import Reports

CACHED = (wiring.stores, wiring.database, wiring.readers, wiring.reports)
NOW = datetime.now(UTC)


@pytest.fixture
def places(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """A writer and a reader, in the environment of the process."""
    writer, reader = new_database(), new_database()
    monkeypatch.setenv("CARILLON_DATABASE_URL", writer)
    monkeypatch.setenv("CARILLON_DATABASE_READ_URL", reader)
    monkeypatch.setenv("CARILLON_VALKEY_URL", "valkey://unused")
    for one in CACHED:
        one.cache_clear()
    yield writer, reader
    wiring.readers().close()
    wiring.database().close()
    for one in CACHED:
        one.cache_clear()


@pytest.fixture
def reports(places: tuple[str, str]) -> Reports:
    return wiring.reports()


def broadcast_in(url: str) -> str:
    broadcast_id = uuid7()
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO broadcasts (broadcast_id, lane, kind, name, data, audience, created_by, created_at, state)"
            """ VALUES (%s, 1, 0, 'x', '{}', '{"type": "users", "user_ids": ["anna"]}', 'me', %s, 1)""",
            [broadcast_id, NOW],
        )
        connection.execute(
            "INSERT INTO deliveries (broadcast_id, user_id, lane, status, role) VALUES (%s, 'anna', 1, 3, 0)",
            [broadcast_id],
        )
    return broadcast_id


def test_large_reads_go_to_the_reader(places: tuple[str, str], reports: Reports) -> None:
    shown = broadcast_in(places[1])
    assert sum(reports.counts(shown).by_status.values()) == 1
    assert [one.user_id for one in reports.deliveries(shown, limit=10)] == ["anna"]
    assert reports.verify(NOW - timedelta(hours=1), NOW).totals["accepted"] == 1


def test_what_follows_ones_own_write_comes_from_the_writer(places: tuple[str, str], reports: Reports) -> None:
    written, elsewhere = broadcast_in(places[0]), broadcast_in(places[1])
    assert reports.broadcast(written).name == "x"
    assert [one.broadcast_id for one in reports.broadcasts(limit=10)] == [written]
    with pytest.raises(NotFoundError):
        reports.broadcast(elsewhere)


def test_the_proof_needs_no_right_to_write(places: tuple[str, str], reports: Reports) -> None:
    """As on a reader, which would refuse."""
    with psycopg.connect(places[1], autocommit=True) as connection:
        connection.execute(
            "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',"
            " current_database()); END$$"
        )
    with psycopg.connect(places[1]) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("INSERT INTO users (user_id, name, role) VALUES ('anna', 'Anna', 0)")
    assert reports.verify(NOW - timedelta(hours=1), NOW).totals["accepted"] == 0
    assert sum(reports.counts(uuid7()).by_status.values()) == 0
