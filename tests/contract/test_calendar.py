"""The calendar and the log of decisions, asked alike in memory and on a real PostgreSQL."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from carillon.adapters.postgres import Database
from carillon.adapters.postgres import calendar as adapter
from carillon.adapters.postgres.calendar import PostgresCalendar, PostgresScalingLog
from carillon.adapters.postgres.migrate import migrate
from carillon.adapters.postgres.upkeep import PostgresUpkeep
from carillon.errors import OutageError
from carillon.model import Role, WeddingStatus
from carillon.policy.demand import Wedding
from carillon.policy.retention import RETENTION
from carillon.ports.scaling import ScalingEvent
from carillon.testing.scaling import MemoryCalendar, MemoryScalingLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carillon.ports.scaling import Calendar, ScalingLog

START = datetime(2027, 6, 5, 4, tzinfo=UTC)
DAY = timedelta(days=1)
END = START + DAY
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
REGION = "us-east-1"
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
    failure="",
)
REACTED = replace(EVENT, scaling_group="provisioned.low", action="scale_up", trigger_metric="queued", threshold=1000)


@pytest.fixture
def database(fresh_postgres: str) -> Iterator[Database]:
    database = Database(fresh_postgres, size=2, timeout_s=5)
    yield database
    database.close()


def insert(database: Database, one: Wedding, *, guests: int | None = None) -> None:
    """A wedding with a team: a couple, a planner, then vendors. `guests` is what the row says, if they are members."""
    status = WeddingStatus.CANCELED if one.canceled else WeddingStatus.CONFIRMED
    database.all(
        "INSERT INTO weddings (wedding_id, name, starts_at, time_zone, status, guests)"
        " VALUES (%(id)s, %(id)s, %(at)s, %(zone)s, %(status)s, %(guests)s)",
        {
            "id": one.wedding_id,
            "at": one.starts_at,
            "zone": one.time_zone,
            "status": status,
            "guests": one.guests if guests is None else guests,
        },
    )
    roles = [Role.COUPLE, Role.COUPLE, Role.PLANNER, *itertools.repeat(Role.VENDOR, max(0, one.team - 3))][: one.team]
    join(database, one.wedding_id, roles)


def join(database: Database, wedding_id: str, roles: list[Role]) -> None:
    for number, role in enumerate(roles):
        given = {"user": f"{wedding_id}-{role.word}-{number}", "role": role, "wedding": wedding_id}
        database.all("INSERT INTO users (user_id, name, role) VALUES (%(user)s, %(user)s, %(role)s)", given)
        database.all(
            "INSERT INTO wedding_team (wedding_id, user_id, role) VALUES (%(wedding)s, %(user)s, %(role)s)", given
        )


class Hold(Protocol):
    def __call__(self, *weddings: Wedding) -> None: ...


@dataclass
class Kept:
    """A calendar, and how weddings come into it."""

    calendar: Calendar
    hold: Hold


@pytest.fixture(params=["memory", "postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "memory":
        memory = MemoryCalendar()
        return Kept(memory, lambda *weddings: memory.held.extend(weddings))
    database: Database = request.getfixturevalue("database")

    def hold(*weddings: Wedding) -> None:
        for one in weddings:
            insert(database, one)

    return Kept(PostgresCalendar(database), hold)


def wedding(wedding_id: str, starts_at: datetime = START, *, canceled: bool = False) -> Wedding:
    return Wedding(wedding_id, starts_at, "America/New_York", team=4, guests=120, canceled=canceled)


def test_a_days_weddings_are_those_that_begin_in_it_and_are_not_canceled(kept: Kept) -> None:
    first, last = wedding("first"), wedding("last", END - SECOND)
    kept.hold(wedding("before", START - SECOND), last, first, wedding("off", canceled=True), wedding("after", END))
    assert kept.calendar.weddings(START, END) == 2
    assert kept.calendar.between(START, END) == [first, last]
    assert kept.calendar.weddings(END, END + DAY) == 1


def test_weddings_of_one_moment_come_by_their_names(kept: Kept) -> None:
    kept.hold(*(wedding(name) for name in ("c", "a", "b")))
    assert [one.wedding_id for one in kept.calendar.between(START, END)] == ["a", "b", "c"]


def test_a_day_without_weddings_has_none(kept: Kept) -> None:
    assert kept.calendar.weddings(START, END) == 0
    assert list(kept.calendar.between(START, END)) == []


def test_one_wedding_is_found_by_its_name_canceled_or_not(kept: Kept) -> None:
    off = wedding("off", canceled=True)
    kept.hold(wedding("on"), off)
    assert kept.calendar.wedding("on") == wedding("on")
    assert kept.calendar.wedding("off") == off
    assert kept.calendar.wedding("never heard of") is None


def test_a_wedding_without_anybody_asks_for_nothing(kept: Kept) -> None:
    alone = replace(wedding("alone"), team=0, guests=0)
    kept.hold(alone)
    assert kept.calendar.between(START, END) == [alone]
    assert alone.connections() == 0


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_no_border_of_a_page_loses_or_repeats_a_wedding(
    database: Database, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven weddings, five of them at one moment, and pages that end before, within and after it."""
    monkeypatch.setattr(adapter, "_PAGE", size)
    moments = [START, *[START + MINUTE] * 5, END - SECOND]
    held = [wedding(f"W{number}", at) for number, at in enumerate(moments)]
    for one in reversed(held):
        insert(database, one)
    insert(database, wedding("off", START + MINUTE, canceled=True))
    assert PostgresCalendar(database).between(START, END) == held


def test_a_wedding_that_is_moved_while_the_pages_are_read_counts_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_PAGE", 2)
    for number in range(4):
        insert(database, wedding(f"W{number}", START + number * MINUTE))
    calendar, moved = PostgresCalendar(database), START + timedelta(hours=5)
    read = calendar._page

    def read_and_move(start: datetime, end: datetime, after: str) -> list[dict[str, object]]:
        rows = read(start, end, after)
        database.all("UPDATE weddings SET starts_at = %(at)s WHERE wedding_id = 'W0'", {"at": moved})
        return rows

    monkeypatch.setattr(calendar, "_page", read_and_move)
    found = calendar.between(START, END)
    assert [(one.wedding_id, one.starts_at) for one in found] == [
        *((f"W{number}", START + number * MINUTE) for number in (1, 2, 3)),
        ("W0", moved),
    ]


def test_guests_are_whoever_is_more_those_expected_or_those_who_joined(database: Database) -> None:
    """The team are all others: the couple, planners and vendors."""
    for name, expected in {"many expected": 9, "many joined": 1}.items():
        insert(database, replace(wedding(name), team=5), guests=expected)
        join(database, name, [Role.GUEST] * 3)
    found = {one.wedding_id: (one.team, one.guests) for one in PostgresCalendar(database).between(START, END)}
    assert found == {"many expected": (5, 9), "many joined": (5, 3)}


def test_an_unknown_time_zone_is_told_and_stops_no_other_wedding(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("odd", "other"):
        insert(database, wedding(name))
    database.all("UPDATE weddings SET time_zone = 'Mars/Olympus' WHERE wedding_id = 'odd'")
    calendar = PostgresCalendar(database)
    with caplog.at_level(logging.WARNING):
        assert calendar.between(START, END) == [replace(wedding("odd"), time_zone="UTC"), wedding("other")]
    assert calendar.wedding("odd") == replace(wedding("odd"), time_zone="UTC")
    assert "Mars/Olympus" in caplog.text


@pytest.fixture(params=["memory", "postgres"])
def log(request: pytest.FixtureRequest) -> ScalingLog:
    if request.param == "memory":
        return MemoryScalingLog(now=datetime.now(UTC))
    return PostgresScalingLog(request.getfixturevalue("database"), region=REGION)


def test_decisions_are_kept_as_they_were_made_halves_and_refusals_too(log: ScalingLog) -> None:
    half = replace(EVENT, scaling_group="database.least_acu", previous_size=0.5, new_size=2.5, new_maximum=64.5)
    refused = replace(EVENT, decided_at=END, failure='it\'s "away"')
    log.record([EVENT, half])
    log.record([refused])
    log.record([])
    assert list(log.latest(10)) == [refused, half, EVENT]
    assert list(log.latest(1)) == [refused]


def test_what_the_plan_did_is_what_was_carried_out_the_earliest_first(log: ScalingLog) -> None:
    planned = replace(EVENT, trigger_metric="plan", trigger_value=13_740.0)
    later = replace(EVENT, decided_at=START + MINUTE)
    log.record(
        [later, replace(later, failure="ThrottlingException"), REACTED, replace(EVENT, decided_at=START - SECOND)]
    )
    log.record([planned])
    assert list(log.made(START)) == [planned, later]
    assert list(log.made(END)) == []


def test_a_group_changed_when_it_last_did_within_the_hour_in_reaction_to_load(log: ScalingLog) -> None:
    now = datetime.now(UTC)
    ago = [replace(REACTED, decided_at=now - minutes * MINUTE) for minutes in (50, 20, 30)]
    high = replace(REACTED, scaling_group="provisioned.high", decided_at=now - 5 * MINUTE)
    log.record(
        [
            *ago,
            high,
            replace(REACTED, decided_at=now - MINUTE, failure="ThrottlingException"),
            replace(REACTED, decided_at=now - MINUTE, trigger_metric="plan"),
            replace(REACTED, decided_at=now - 70 * MINUTE, scaling_group="provisioned.normal"),
        ]
    )
    assert log.reacted() == {"provisioned.low": ago[1].decided_at, "provisioned.high": high.decided_at}


def test_before_anything_was_decided_there_is_nothing(log: ScalingLog) -> None:
    assert (list(log.made(START)), list(log.latest(5)), dict(log.reacted())) == ([], [], {})


def test_each_region_knows_its_own_decisions(database: Database) -> None:
    here, there = (PostgresScalingLog(database, region=region) for region in (REGION, "us-west-2"))
    recent = replace(REACTED, decided_at=datetime.now(UTC))
    here.record([EVENT, recent])
    assert (there.made(START), there.latest(5), there.reacted()) == ([], [], {})
    assert [row["region"] for row in database.all("SELECT region FROM auto_scaling_events")] == [REGION, REGION]


def test_the_release_before_still_writes_its_decisions(empty_postgres: Callable[[str], str]) -> None:
    """Tasks of both releases run side by side during a deployment; its statement is the one that 0004 came with."""
    url = empty_postgres("scaling_before")
    migrate(url, until="0004.pre.scaling.sql")
    database = Database(url, size=1, timeout_s=5)
    whole = (
        "INSERT INTO auto_scaling_events (decided_at, region, scaling_group, action, previous_size, new_size,"
        " new_maximum, trigger_metric, trigger_value, reason) SELECT * FROM jsonb_to_recordset(%(events)s::jsonb) AS e"
        " (decided_at timestamptz, region text, scaling_group text, action text, previous_size integer,"
        " new_size integer, new_maximum integer, trigger_metric text, trigger_value double precision, reason text)"
    )
    event = (
        '[{"decided_at": "2027-06-05T04:00:00Z", "region": "us-east-1", "scaling_group": "tasks", "action": "raise",'
    )
    event += ' "new_size": 30, "trigger_metric": "season", "trigger_value": 10, "reason": "%s"}]'
    database.all(whole, {"events": event % "before"})
    assert "0005.pre.capacity.sql" in migrate(url)
    database.all(whole, {"events": event % "after"})
    found = PostgresScalingLog(database, region=REGION).made(START)
    assert found == [replace(EVENT, reason=reason) for reason in ("before", "after")]
    database.close()


def test_old_decisions_go(database: Database) -> None:
    PostgresScalingLog(database, region=REGION).record([EVENT])
    upkeep = PostgresUpkeep(database)
    assert upkeep.purge(START + RETENTION["auto_scaling_events"])["auto_scaling_events"] == 0
    later = START + RETENTION["auto_scaling_events"] + SECOND
    assert upkeep.purge(later)["auto_scaling_events"] == 1


def test_a_database_that_is_away_is_an_outage() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none", size=1, timeout_s=0.2)
    log = PostgresScalingLog(away, region=REGION)
    check_outage(PostgresCalendar(away), log)
    away.close()


def test_a_calendar_in_memory_can_be_away_as_well() -> None:
    check_outage(MemoryCalendar([wedding("on")], away=True), MemoryScalingLog([EVENT], away=True))


def check_outage(calendar: Calendar, log: ScalingLog) -> None:
    asked: list[Callable[[], object]] = [
        lambda: calendar.weddings(START, END),
        lambda: calendar.between(START, END),
        lambda: calendar.wedding("on"),
        lambda: log.record([EVENT]),
        lambda: log.made(START),
        lambda: log.latest(1),
        log.reacted,
    ]
    for ask in asked:
        with pytest.raises(OutageError):
            ask()
