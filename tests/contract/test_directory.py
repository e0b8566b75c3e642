"""The directory on a real PostgreSQL: what is put in comes out, pages, what a supplier sees, import and erasure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

import pytest

from carillon.adapters.postgres import Database
from carillon.adapters.postgres.directory import Directory
from carillon.adapters.postgres.erasure import erase
from carillon.adapters.postgres.importing import Stored, import_rows
from carillon.directory import Segment, User, Wedding
from carillon.errors import NotFoundError
from carillon.model import Kind, Preferences, QuietHours, Role, Tier, WeddingStatus
from carillon.rows import Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carillon.rows import Row

ANN = User("ann", "Ann Lee", Role.COUPLE, time_zone="Europe/Lisbon")
PHIL = User("phil", "Phil O'Neil", Role.VENDOR, Tier.PAID, "UTC", "flowers-ltd")
W1 = Wedding("W1", "Ann & Bo", datetime(2027, 6, 12, 14, tzinfo=UTC), "Europe/Lisbon", guests=120)
W2 = Wedding("W2", "Cy & Di", datetime(2027, 6, 12, 18, tzinfo=UTC), "America/New_York", WeddingStatus.CONFIRMED)


@pytest.fixture
def database(fresh_postgres: str) -> Iterator[Database]:
    database = Database(fresh_postgres, size=2, timeout_s=10)
    yield database
    database.close()


@pytest.fixture
def directory(database: Database) -> Directory:
    directory = Directory(database)
    for user in (ANN, PHIL, User("zoe", "Zoe 100%_", Role.GUEST)):
        directory.put_user(user)
    for wedding in (W1, W2):
        directory.put_wedding(wedding)
    directory.put_member("W1", "ann", Role.COUPLE)
    directory.put_member("W1", "phil", Role.VENDOR)
    directory.put_member("W2", "zoe", Role.GUEST)
    return directory


def _rows(*columns: dict[str, Any]) -> list[Row]:
    sheet = Sheet()
    return [sheet.add(line, row) for line, row in enumerate(columns, start=2)]


ROW = {
    "wedding_id": "W9",
    "wedding_name": "Ed & Flo",
    "starts_at": "2027-06-12 15:00",
    "wedding_time_zone": "America/Chicago",
    "user_id": "ed",
    "name": "Ed",
    "role": "couple",
}


def test_what_is_put_comes_back(directory: Directory) -> None:
    assert directory.user("phil") == PHIL
    assert directory.wedding("W1") == W1
    member = directory.member("W1", "phil")
    assert (member.name, member.role, member.tier) == ("Phil O'Neil", Role.VENDOR, Tier.PAID)


def test_put_tells_a_new_one_from_a_known_one(directory: Directory) -> None:
    assert directory.put_user(User("new", "New", Role.GUEST)) is True
    assert directory.put_user(User("new", "Newer", Role.GUEST)) is False
    assert directory.user("new").name == "Newer"
    assert directory.put_member("W1", "new", Role.GUEST) is True
    assert directory.put_member("W1", "new", Role.PLANNER) is False
    assert directory.member("W1", "new").role is Role.PLANNER


def test_put_tells_a_wedding_that_changed_from_one_that_did_not(directory: Directory) -> None:
    new = replace(W1, wedding_id="W7")
    assert [directory.put_wedding(one) for one in (new, new, replace(new, guests=new.guests + 1))] == [
        Stored(created=1, updated=0),
        Stored(created=0, updated=0),
        Stored(created=0, updated=1),
    ]


def test_a_tier_and_a_status_are_seen_on_the_team_at_once(directory: Directory, database: Database) -> None:
    directory.put_user(replace(PHIL, tier=Tier.PREMIUM))
    directory.put_wedding(replace(W1, status=WeddingStatus.CANCELED))
    row = database.one("SELECT tier, status FROM wedding_team WHERE user_id = 'phil'")
    assert row == {"tier": Tier.PREMIUM, "status": WeddingStatus.CANCELED}


@pytest.mark.parametrize(
    ("query", "found"),
    [("ph", ["phil"]), ("PHIL", ["phil"]), ("lee", ["ann"]), ("o'n", ["phil"]), ("100%_", ["zoe"]), ("%", []), ("", 3)],
)
def test_people_are_found_by_the_beginning_of_a_name(directory: Directory, query: str, found: list[str] | int) -> None:
    users = [user.user_id for user in directory.users(limit=10, query=query)]
    assert (users if isinstance(found, list) else len(users)) == found


def test_pages_hold_everybody_once(directory: Directory) -> None:
    first = directory.users(limit=2)
    rest = directory.users(limit=2, after=first[-1].user_id)
    assert [user.user_id for user in first + rest] == ["ann", "phil", "zoe"]


def test_a_supplier_sees_only_its_weddings_and_the_people_there(directory: Directory) -> None:
    assert [wedding.wedding_id for wedding in directory.weddings(limit=9, supplier_id="flowers-ltd")] == ["W1"]
    assert [user.user_id for user in directory.users(limit=9, supplier_id="flowers-ltd")] == ["ann", "phil"]
    assert directory.weddings(limit=9, supplier_id="nobody") == []
    for look in (lambda: directory.wedding("W2", supplier_id="flowers-ltd"),
                 lambda: directory.user("zoe", supplier_id="flowers-ltd")):  # fmt: skip
        with pytest.raises(NotFoundError):
            look()


def test_a_person_who_never_chose_has_the_defaults(directory: Directory) -> None:
    assert directory.preferences("ann") == Preferences()


def test_preferences_come_back_as_chosen(directory: Directory) -> None:
    chosen = Preferences(
        kinds=frozenset({Kind.WEDDING, Kind.SYSTEM}),
        critical_only=True,
        realtime=False,
        in_app=False,
        quiet=QuietHours(time(23, 30), time(7), enabled=True),
    )
    directory.put_preferences("ann", Preferences(kinds=frozenset()))
    directory.put_preferences("ann", chosen)
    assert directory.preferences("ann") == chosen


def test_segments_come_back(directory: Directory) -> None:
    paid = Segment("paid", "Paid vendors", frozenset({Role.VENDOR}), frozenset({Tier.PAID, Tier.PREMIUM}))
    assert directory.put_segment(paid) is True
    assert directory.put_segment(paid) is False
    assert directory.segment("paid") == paid
    assert directory.segments(limit=5) == [paid]
    assert directory.segments(limit=5, after="paid") == []


def test_what_is_not_there_is_said_so(directory: Directory) -> None:
    for look in (
        lambda: directory.user("x"),
        lambda: directory.wedding("x"),
        lambda: directory.member("W1", "zoe"),
        lambda: directory.segment("x"),
        lambda: directory.preferences("x"),
        lambda: directory.put_preferences("x", Preferences()),
        lambda: directory.put_member("W1", "x", Role.GUEST),
        lambda: directory.put_member("x", "ann", Role.GUEST),
    ):
        with pytest.raises(NotFoundError, match="there is no"):
            look()
    assert directory.remove_member("W1", "zoe") is False


def test_an_import_makes_everything_and_again_changes_nothing(directory: Directory, database: Database) -> None:
    rows = _rows(ROW, {"wedding_id": "W9", "user_id": "phil", "role": "guest"}, {"user_id": "zoe", "role": "planner"})
    done = import_rows(database, rows, dry_run=False)
    assert (done.weddings, done.users, done.team) == (Stored(1, 0), Stored(1, 1), Stored(2, 0))
    assert directory.wedding("W9").starts_at == datetime(2027, 6, 12, 20, tzinfo=UTC)
    assert directory.user("ed").time_zone == "America/Chicago"
    assert directory.user("zoe").role is Role.PLANNER, "a row without a wedding says what a person is"
    assert directory.user("phil") == PHIL, "what a row leaves out stays, and a role on a wedding is only that"
    before = database.all("SELECT * FROM users") + database.all("SELECT * FROM wedding_team")
    again = import_rows(database, rows, dry_run=False)
    assert (again.weddings, again.users, again.team) == (Stored(0, 0), Stored(0, 0), Stored(0, 0))
    assert database.all("SELECT * FROM users") + database.all("SELECT * FROM wedding_team") == before


def test_a_changed_row_keeps_when_a_person_joined(directory: Directory, database: Database) -> None:
    joined = directory.member("W1", "phil").joined_at
    import_rows(
        database, _rows({"wedding_id": "W1", "user_id": "phil", "role": "guest", "tier": "free"}), dry_run=False
    )
    now = directory.member("W1", "phil")
    assert (now.joined_at, now.role, now.tier) == (joined, Role.GUEST, Tier.FREE)


def test_a_dry_run_says_the_same_and_stores_nothing(directory: Directory, database: Database) -> None:
    rows = _rows(ROW)
    assert import_rows(database, rows, dry_run=True) == import_rows(database, rows, dry_run=False)
    import_rows(database, _rows(ROW | {"user_id": "not-stored"}), dry_run=True)
    with pytest.raises(NotFoundError):
        directory.user("not-stored")


def test_rows_that_lean_on_nobody_are_refused_and_the_rest_is_stored(directory: Directory, database: Database) -> None:
    stray = {"wedding_id": "W404", "user_id": "ann", "role": "guest"}
    done = import_rows(
        database, _rows(stray, {"wedding_id": "W1", "user_id": "x", "role": "guest"}, ROW), dry_run=False
    )
    assert [(row.line, error.column) for row, error in done.refused] == [(2, "wedding_id"), (3, "user_id")]
    assert directory.member("W9", "ed").role is Role.COUPLE


TRACES = """
SELECT format('SELECT %L AS place FROM %I t WHERE t::text ~ ''(^|[^a-z])bob([^a-z]|$)''', relname, relname) AS query
  FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
"""


def _places(database: Database) -> set[str]:
    found = set()
    for row in database.all(TRACES):
        found |= {hit["place"] for hit in database.all(row["query"])}
    return found


def _live(database: Database, directory: Directory) -> None:
    """Give bob a row in every table that can hold a person."""
    directory.put_user(User("bob", "Rob", Role.GUEST))
    directory.put_member("W1", "bob", Role.GUEST)
    directory.put_preferences("bob", Preferences())
    ids = {"id": "01890a5d-ac96-774b-bcce-b302099a8057", "other": "01890a5d-ac96-774b-bcce-b302099a8058"}
    for statement in (
        """INSERT INTO broadcasts (broadcast_id, lane, kind, name, data, audience, created_by, created_at)
           VALUES (%(id)s, 0, 0, 'n', '{}', '{"type": "users", "user_ids": ["ann", "bob"]}', 'bob', now())""",
        """INSERT INTO deliveries (broadcast_id, user_id, lane, stream_offset, status, role)
           VALUES (%(id)s, 'bob', 0, 1, 4, 3)""",
        "INSERT INTO deliveries (broadcast_id, user_id, lane, status, role) VALUES (%(other)s, 'bob', 0, 1, 3)",
        "INSERT INTO inbox_heads (user_id, lane, head) VALUES ('bob', 0, 1)",
        "INSERT INTO delayed_deliveries (broadcast_id, user_id, release_at) VALUES (%(id)s, 'bob', now())",
        "INSERT INTO idempotency VALUES ('bob', 'k', 'h', %(id)s, now())",
        "INSERT INTO connections VALUES ('C1', 'bob', true, now(), now())",
        """INSERT INTO outbox (broadcast_id, lane, group_id, body, due_at) VALUES
           (%(id)s, 0, 'g', '{"type":"deliver","users":["ann","bob","bobby"]}', now()),
           (%(id)s, 0, 'g', '{"type":"expand","after":"bob"}', now())""",
        """INSERT INTO dead_letters VALUES ('m', 0, %(id)s, 'r', 'broken {"users":["bob"]}', now())""",
    ):
        database.all(statement, ids)


def test_an_erased_person_leaves_no_trace_but_their_number(directory: Directory, database: Database) -> None:
    _live(database, directory)
    assert len(_places(database)) >= 11, "the search finds the person everywhere first"
    sockets = erase(database, "bob")
    assert [(socket.connection_id, socket.user_id) for socket in sockets] == [("C1", "bob")]
    assert _places(database) == set()
    kept = database.all("SELECT user_id, status FROM deliveries ORDER BY status")
    assert [row["status"] for row in kept] == [1, 4]
    assert all(row["user_id"].startswith("erased:") for row in kept)
    bodies = [row["body"] for row in database.all("SELECT body FROM outbox ORDER BY outbox_id")]
    assert bodies == ['{"type": "deliver", "users": ["ann", "bobby"]}', '{"type": "expand", "after": "boa~"}']
    assert erase(database, "bob") == [], "again is fine"


def test_other_people_are_left_alone_by_an_erasure(directory: Directory, database: Database) -> None:
    erase(database, "bob")
    assert [user.user_id for user in directory.users(limit=9)] == ["ann", "phil", "zoe"]
