"""Audiences in PostgreSQL: segments by role, tier and status, suppliers' rights, people with their quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.audiences import PostgresAudiences
from carillon.model import Audience, AudienceType, Kind, QuietHours, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime.now(UTC)
DIRECTORY = f"""
INSERT INTO weddings (wedding_id, name, starts_at, time_zone, status) VALUES
  ('W1', 'one', '{NOW + timedelta(hours=3)}', 'America/New_York', 1),
  ('W2', 'two', '{NOW + timedelta(days=90)}', 'UTC', 0);
INSERT INTO users (user_id, name, role, tier, time_zone, supplier_id) VALUES
  ('anna', 'Anna', 0, 1, 'Europe/Berlin', NULL), ('ben', 'Ben', 1, 2, 'UTC', NULL),
  ('carl', 'Carl', 2, 1, 'UTC', 'flowers'), ('carla', 'Carla', 2, 0, 'UTC', 'flowers'),
  ('dora', 'Dora', 3, 0, 'UTC', NULL);
INSERT INTO wedding_team (wedding_id, user_id, role) VALUES
  ('W1', 'anna', 0), ('W1', 'ben', 1), ('W1', 'carl', 2), ('W2', 'carl', 2), ('W2', 'carla', 2), ('W2', 'dora', 3);
INSERT INTO segments (segment_id, name, roles, tiers, statuses) VALUES
  ('vendors', 'all vendors', '{{2}}', '{{}}', '{{}}'), ('paid', 'paid, confirmed', '{{}}', '{{1,2}}', '{{1}}'),
  ('all', 'everybody on a team', '{{}}', '{{}}', '{{}}');
INSERT INTO preferences (user_id, kinds, quiet_enabled, quiet_start, quiet_end) VALUES
  ('anna', 10, true, '21:00', '07:30');
UPDATE users SET updated_at = now() - interval '1 hour';
UPDATE wedding_team SET updated_at = now() - interval '1 hour';
"""


@pytest.fixture
def database(fresh_postgres: str) -> Iterator[Database]:
    with psycopg.connect(fresh_postgres) as connection:
        connection.execute(DIRECTORY)
    database = Database(fresh_postgres, size=2, timeout_s=5)
    yield database
    database.close()


@pytest.fixture
def audiences(database: Database) -> PostgresAudiences:
    return PostgresAudiences(database)


def segment(name: str) -> Audience:
    return Audience(AudienceType.SEGMENT, segment_id=name)


def pages(audiences: PostgresAudiences, audience: Audience, limit: int = 1) -> list[str]:
    found: list[str] = []
    for role in Role:
        after = ""
        while page := audiences.page(audience, role, after, NOW, limit):
            found += page
            after = page[-1]
    return found


@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("vendors", ["carl", "carla"]),
        ("paid", ["anna", "ben", "carl"]),
        ("all", ["anna", "ben", "carl", "carla", "dora"]),
    ],
)
def test_segments_are_paged_by_role_and_id_each_person_once(
    audiences: PostgresAudiences, name: str, people: list[str]
) -> None:
    assert pages(audiences, segment(name)) == people
    assert pages(audiences, segment(name), limit=100) == people
    assert audiences.count(segment(name)) == len(people)


def test_the_last_pages_hold_who_changed_meanwhile(audiences: PostgresAudiences, database: Database) -> None:
    since = database.all("SELECT clock_timestamp() AS now")[0]["now"]
    changed = len(Role)
    assert audiences.page(segment("paid"), changed, "", since, 10) == []
    database.all("UPDATE weddings SET status = 1 WHERE wedding_id = 'W2'")
    database.all("UPDATE users SET tier = 2, updated_at = now() WHERE user_id = 'dora'")
    assert audiences.page(segment("paid"), changed, "", since, 10) == ["carl", "dora"]
    assert audiences.page(segment("paid"), changed, "carl", since, 10) == ["dora"]
    everyone = Audience(AudienceType.EVERYONE)
    assert audiences.page(everyone, changed, "", since, 10) == ["dora"]


def test_the_team_follows_tier_and_status(audiences: PostgresAudiences, database: Database) -> None:
    database.all("UPDATE users SET tier = 0 WHERE user_id = 'anna'")
    database.all("UPDATE weddings SET status = 3 WHERE wedding_id = 'W1'")
    assert pages(audiences, segment("paid")) == []


def test_holders_are_those_with_a_recorded_delivery(audiences: PostgresAudiences, database: Database) -> None:
    broadcast_id = uuid7()
    database.all(
        "INSERT INTO deliveries (broadcast_id, user_id, lane, stream_offset, status, role) VALUES"
        " (%(id)s, 'anna', 2, 1, 3, 0), (%(id)s, 'dora', 2, 1, 2, 3), (%(id)s, 'ben', 2, NULL, 1, 1)",
        {"id": broadcast_id},
    )
    holders = Audience(AudienceType.HOLDERS, broadcast_id=broadcast_id)
    assert pages(audiences, holders) == ["anna", "dora"]
    assert audiences.page(holders, len(Role), "", NOW, 10) == []
    assert audiences.count(holders) == 2


@pytest.mark.parametrize(
    ("audience", "allowed"),
    [
        (Audience(AudienceType.WEDDING, wedding_id="W1"), True),
        (Audience(AudienceType.ROLE, wedding_id="W2", role=Role.GUEST), True),
        (Audience(AudienceType.WEDDING, wedding_id="W9"), False),
        (Audience(AudienceType.USERS, user_ids=("anna", "dora")), True),
        (Audience(AudienceType.USERS, user_ids=("anna", "nobody")), False),
        (Audience(AudienceType.EVERYONE), False),
        (Audience(AudienceType.SEGMENT, segment_id="all"), False),
    ],
)
def test_a_supplier_addresses_its_weddings_and_their_people(
    audiences: PostgresAudiences, audience: Audience, *, allowed: bool
) -> None:
    assert audiences.addressable(audience, "flowers") is allowed
    assert not audiences.addressable(audience, "nobody")


def test_known_segments_are_found(audiences: PostgresAudiences) -> None:
    assert audiences.unknown(segment("vendors")) == []
    assert audiences.unknown(segment("none")) == ["none"]


def test_a_person_comes_with_preferences_and_the_venues_zone(audiences: PostgresAudiences) -> None:
    anna, ben = sorted(audiences.people(["anna", "ben", "gone"], NOW), key=lambda person: person.user_id)
    assert anna.preferences.quiet == QuietHours(time(21), time(7, 30), enabled=True)
    assert anna.preferences.kinds == frozenset({Kind.BUSINESS, Kind.WEDDING})
    assert [zone for _, zone in anna.venue_zones] == ["America/New_York"]
    assert abs(anna.venue_zones[0][0] - NOW - timedelta(hours=3)) < timedelta(seconds=1)
    assert ben.preferences.kinds == frozenset(Kind)
    assert ben.venue_zones == ()
