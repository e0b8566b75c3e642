"""Reports on a real PostgreSQL: `verify` finds what was taken away, doubled or never finished, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from carillon import testing
from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.audiences import PostgresAudiences
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.adapters.postgres.connections import PostgresConnections, PostgresInbox
from carillon.adapters.postgres.deliveries import PostgresDeliveries
from carillon.adapters.postgres.directory import Directory
from carillon.adapters.postgres.erasure import erase
from carillon.adapters.postgres.reports import Reports
from carillon.directory import Segment, User, Wedding
from carillon.errors import NotFoundError
from carillon.flow.cancel import cancel
from carillon.flow.consume import consume
from carillon.flow.create import create
from carillon.flow.relay import relay
from carillon.model import (
    Audience,
    AudienceType,
    Draft,
    Kind,
    Lane,
    Preferences,
    Principal,
    QuietHours,
    Role,
    Status,
    Tier,
)
from carillon.names import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carillon.ports import Ports
    from carillon.reports import Verdict

PEOPLE = {"ann": Role.COUPLE, "gus": Role.GUEST, "hal": Role.GUEST, "pia": Role.PLANNER}
W1 = Audience(AudienceType.WEDDING, wedding_id="W1")
OPS = Principal("ops", frozenset(Scope), 2**31)


class Day:
    """A day's work on one wedding, with the queue in memory."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.reports = Reports(database)
        self.world = testing.World(now=datetime.now(UTC))
        self.ports: Ports = replace(
            testing.ports(self.world),
            broadcasts=PostgresBroadcasts(database),
            audiences=PostgresAudiences(database),
            deliveries=PostgresDeliveries(database),
            connections=PostgresConnections(database),
            inbox=PostgresInbox(database),
            clock=lambda: datetime.now(UTC),
            new_id=uuid7,
        )
        self.directory = Directory(database)
        self.directory.put_wedding(Wedding("W1", "Ann & Bo", datetime.now(UTC), "UTC"))
        for user_id, role in PEOPLE.items():
            self.directory.put_user(User(user_id, user_id.title(), role, Tier.PAID))
            self.directory.put_member("W1", user_id, role)

    def send(self, audience: Audience = W1, *, lane: Lane = Lane.NORMAL, **more: Any) -> str:
        draft = Draft(audience, lane, Kind.WEDDING, "timeline.shifted", {}, **more)
        broadcast_id = uuid7()
        create(draft, OPS, self.ports, broadcast_id=broadcast_id, now=datetime.now(UTC))
        return broadcast_id

    def consume(self) -> None:
        while self.world.queue:
            self.world.now = datetime.now(UTC)
            batch, self.world.queue[:] = self.world.queue[:10], self.world.queue[10:]
            assert consume(batch, self.ports) == []

    def verify(self, *, later: timedelta = timedelta()) -> Verdict:
        now = datetime.now(UTC) + later
        return self.reports.verify(now - timedelta(hours=24), now)

    def found(self) -> list[tuple[str, int]]:
        return [(problem.kind, problem.count) for problem in self.verify().problems]


@pytest.fixture
def day(fresh_postgres: str) -> Iterator[Day]:
    database = Database(fresh_postgres, size=2, timeout_s=10)
    yield Day(database)
    database.close()


AUDIENCES = {
    "wedding": W1,
    "role": Audience(AudienceType.ROLE, wedding_id="W1", role=Role.GUEST),
    "users": Audience(AudienceType.USERS, user_ids=("gus", "ann")),
    "everyone": Audience(AudienceType.EVERYONE),
    "segment": Audience(AudienceType.SEGMENT, segment_id="paid"),
}


@pytest.mark.parametrize("kind", AUDIENCES)
def test_whoever_was_meant_and_has_nothing_is_lost(day: Day, kind: str) -> None:
    day.directory.put_segment(Segment("paid", "Paid", tiers=frozenset({Tier.PAID})))
    broadcast_id = day.send(AUDIENCES[kind])
    day.consume()
    assert day.verify().clean
    assert day.verify().problems == ()
    day.database.all("DELETE FROM deliveries WHERE user_id = 'gus'")
    day.database.all("DELETE FROM inbox_heads WHERE user_id = 'gus'")
    verdict = day.verify(later=timedelta(minutes=2))
    assert not verdict.clean
    assert [(one.kind, one.broadcast_id, one.user_ids) for one in verdict.problems] == [
        ("lost", broadcast_id, ("gus",))
    ]


def test_what_is_under_way_is_pending_and_not_lost(day: Day) -> None:
    day.send()
    verdict = day.verify()
    assert (verdict.clean, verdict.totals["pending"], verdict.totals["lost"]) == (True, 1, 0)
    assert [problem.kind for problem in verdict.problems] == ["pending"]
    day.consume()
    assert day.verify().totals["pending"] == 0


def test_the_pieces_of_a_large_audience_are_pending_until_their_time_is_over(day: Day) -> None:
    """The page was cut, so the broadcast is processed; its pieces wait in the queue."""
    day.send(Audience(AudienceType.EVERYONE))
    first = [day.world.queue.pop(0)]
    assert consume(first, day.ports) == []
    verdict = day.verify()
    assert (verdict.clean, verdict.totals["pending"]) == (True, 1)
    day.world.queue.clear()
    assert day.verify(later=timedelta(minutes=5)).totals["lost"] == len(PEOPLE)


def test_who_came_or_changed_later_was_not_meant(day: Day) -> None:
    day.send(AUDIENCES["role"])
    day.send(AUDIENCES["everyone"])
    day.consume()
    day.directory.put_user(User("new", "New", Role.GUEST))
    day.directory.put_member("W1", "new", Role.GUEST)
    day.directory.put_member("W1", "pia", Role.GUEST)
    assert day.found() == []


def test_who_left_is_not_missed(day: Day) -> None:
    day.send()
    day.directory.remove_member("W1", "gus")
    day.consume()
    assert day.found() == []


def test_an_erased_person_leaves_the_counts_and_no_problem(day: Day) -> None:
    day.send()
    day.consume()
    erase(day.database, "gus")
    assert day.found() == []
    assert day.verify().totals["recipients"] == len(PEOPLE)


def test_quiet_opted_out_and_delivered_people_are_accounted_for(day: Day) -> None:
    now = datetime.now(UTC)
    quiet = QuietHours((now - timedelta(hours=1)).time(), (now + timedelta(hours=1)).time(), enabled=True)
    day.directory.put_preferences("gus", Preferences(quiet=quiet))
    day.directory.put_preferences("hal", Preferences(critical_only=True))
    day.send()
    day.consume()
    totals = day.verify().totals
    assert (totals["recipients"], totals["delayed"], totals["filtered"], totals["queued"]) == (4, 1, 1, 2)
    day.database.all("DELETE FROM delayed_deliveries")
    assert day.found() == [("lost", 1)]


def test_a_release_that_nobody_recorded_is_pending(day: Day) -> None:
    now = datetime.now(UTC)
    quiet = QuietHours((now - timedelta(hours=1)).time(), (now + timedelta(hours=1)).time(), enabled=True)
    day.directory.put_preferences("gus", Preferences(quiet=quiet))
    day.send()
    day.consume()
    relay(day.ports, now + timedelta(hours=2))
    assert day.found() == [("pending", 1)]


def test_a_scheduled_broadcast_is_neither_pending_nor_lost(day: Day) -> None:
    day.send(send_at=datetime.now(UTC) + timedelta(hours=1))
    verdict = day.verify()
    assert (verdict.problems, verdict.totals["scheduled"], verdict.totals["pending"]) == ((), 1, 0)


def test_a_canceled_broadcast_owes_nothing(day: Day) -> None:
    before = day.send()
    cancel(before, OPS, day.ports, datetime.now(UTC))
    after = day.send()
    day.consume()
    cancel(after, OPS, day.ports, datetime.now(UTC))
    day.consume()
    assert day.found() == []


def test_an_expired_broadcast_owes_nothing(day: Day) -> None:
    day.send(expires_at=datetime.now(UTC) + timedelta(milliseconds=1))
    day.world.now = datetime.now(UTC) + timedelta(seconds=1)
    day.consume()
    assert not day.verify(later=timedelta(seconds=1)).totals["lost"]


def test_a_failed_broadcast_is_told_with_its_reason(day: Day) -> None:
    broadcast_id = day.send()
    day.consume()
    day.database.all("UPDATE broadcasts SET state = 3, failure = 'poison'")
    assert [(one.kind, one.broadcast_id) for one in day.verify().problems] == [("failed", broadcast_id)]


def test_holes_doubles_and_overruns_of_a_stream_are_found(day: Day) -> None:
    for _ in range(3):
        day.send()
    day.consume()
    damage = "UPDATE deliveries SET stream_offset = %(to)s WHERE user_id = %(user)s AND stream_offset = %(at)s"
    day.database.all(damage, {"to": 2, "user": "ann", "at": 3})
    assert day.found() == [("duplicate", 1), ("gap", 1)]
    day.database.all(damage, {"to": 9, "user": "gus", "at": 3})
    day.database.all("UPDATE inbox_heads SET acked = 7 WHERE user_id = 'hal'")
    day.database.all("UPDATE inbox_heads SET head = 4 WHERE user_id = 'pia'")
    verdict = day.verify()
    assert {(one.kind, *one.user_ids) for one in verdict.problems} == {
        ("duplicate", "ann"),
        ("gap", "ann"),
        ("gap", "gus"),
        ("beyond_head", "gus"),
        ("beyond_head", "hal"),
        ("gap", "pia"),
    }
    assert not verdict.clean


def test_a_report_never_looks_further_back_than_it_is_asked(day: Day) -> None:
    day.send()
    day.consume()
    now = datetime.now(UTC) + timedelta(seconds=1)
    assert day.reports.verify(now, now).totals["accepted"] == 0


def test_counts_and_pages_of_deliveries(day: Day) -> None:
    day.directory.put_preferences("hal", Preferences(critical_only=True))
    broadcast_id = day.send()
    day.consume()
    day.database.all("UPDATE deliveries SET status = 4 WHERE user_id = 'ann'")
    counts = day.reports.counts(broadcast_id)
    assert {status: people for status, people in counts.by_status.items() if people} == {
        Status.DELIVERED: 1,
        Status.FILTERED: 1,
        Status.QUEUED: 2,
    }
    assert counts.unacked == 2
    first = day.reports.deliveries(broadcast_id, limit=3)
    rest = day.reports.deliveries(broadcast_id, limit=3, after=first[-1].user_id)
    assert [(row.user_id, row.status.word) for row in first + rest] == [
        ("ann", "delivered"),
        ("gus", "queued"),
        ("hal", "filtered"),
        ("pia", "queued"),
    ]
    assert [row.user_id for row in day.reports.deliveries(broadcast_id, limit=9, unacked=True)] == ["gus", "pia"]
    assert [row.name for row in day.reports.deliveries(broadcast_id, limit=9, status=Status.FILTERED)] == ["Hal"]


def test_a_supplier_sees_the_broadcasts_of_its_weddings(day: Day) -> None:
    broadcast_id = day.send()
    day.send(AUDIENCES["everyone"])
    day.directory.put_user(User("phil", "Phil", Role.VENDOR, supplier_id="flowers"))
    assert day.reports.broadcasts(limit=9, supplier_id="flowers") == []
    with pytest.raises(NotFoundError):
        day.reports.broadcast(broadcast_id, supplier_id="flowers")
    day.directory.put_member("W1", "phil", Role.VENDOR)
    assert [one.broadcast_id for one in day.reports.broadcasts(limit=9, supplier_id="flowers")] == [broadcast_id]
    assert day.reports.broadcast(broadcast_id, supplier_id="flowers").broadcast_id == broadcast_id
    assert day.reports.writable()
