"""The planner's questions to a real PostgreSQL: how many weddings a day has, and where its decisions are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carillon.adapters.postgres import Database
from carillon.adapters.postgres.calendar import PostgresCalendar, PostgresScalingLog
from carillon.adapters.postgres.upkeep import PostgresUpkeep
from carillon.errors import OutageError
from carillon.policy.retention import RETENTION
from carillon.ports.scaling import ScalingEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2027, 6, 5, 4, tzinfo=UTC)
END = START + timedelta(days=1)
EVENT = ScalingEvent(
    decided_at=START,
    scaling_group="tasks",
    action="raise",
    previous_size=None,
    new_size=30,
    new_maximum=None,
    trigger_metric="season",
    trigger_value=10.0,
    threshold=None,
    reason="peak of June, 10x: 3 at rest x 10 = 30",
    failure='it\'s "away"',
)


@pytest.fixture
def database(fresh_postgres: str) -> Iterator[Database]:
    database = Database(fresh_postgres, size=2, timeout_s=5)
    yield database
    database.close()


def wedding(database: Database, wedding_id: str, starts_at: datetime, status: int = 0) -> None:
    database.all(
        "INSERT INTO weddings (wedding_id, name, starts_at, time_zone, status)"
        " VALUES (%(id)s, %(id)s, %(at)s, 'America/New_York', %(status)s)",
        {"id": wedding_id, "at": starts_at, "status": status},
    )


def test_a_days_weddings_are_those_that_begin_in_it_and_are_not_canceled(database: Database) -> None:
    second = timedelta(seconds=1)
    for name, at in {"before": START - second, "first": START, "last": END - second, "after": END}.items():
        wedding(database, name, at)
    for status in (1, 2, 3):
        wedding(database, f"status{status}", START + timedelta(hours=10), status)
    assert PostgresCalendar(database).weddings(START, END) == 4
    assert PostgresCalendar(database).weddings(END, END + timedelta(days=1)) == 1


def test_a_day_without_weddings_has_none(database: Database) -> None:
    assert PostgresCalendar(database).weddings(START, END) == 0


def test_decisions_are_kept_as_they_were_made(database: Database) -> None:
    PostgresScalingLog(database, region="us-east-1").record([EVENT, EVENT])
    rows = database.all("SELECT * FROM auto_scaling_events ORDER BY event_id")
    assert len(rows) == 2
    kept = {name: rows[0][name] for name in ScalingEvent.__dataclass_fields__}
    assert ScalingEvent(**kept) == EVENT
    assert rows[0]["region"] == "us-east-1"


def test_old_decisions_go(database: Database) -> None:
    PostgresScalingLog(database, region="us-east-1").record([EVENT])
    upkeep = PostgresUpkeep(database)
    assert upkeep.purge(START + RETENTION["auto_scaling_events"])["auto_scaling_events"] == 0
    later = START + RETENTION["auto_scaling_events"] + timedelta(seconds=1)
    assert upkeep.purge(later)["auto_scaling_events"] == 1


def test_a_database_that_is_away_is_an_outage() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none", size=1, timeout_s=0.2)
    with pytest.raises(OutageError):
        PostgresCalendar(away).weddings(START, END)
    with pytest.raises(OutageError):
        PostgresScalingLog(away, region="us-east-1").record([EVENT])
    away.close()
