"""A promoted database: a new epoch, the lost Region's sockets forgotten, what its lanes held sent again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from api import failover as command
from carillon import testing, wiring
from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.adapters.postgres.connections import PostgresConnections, PostgresInbox
from carillon.adapters.postgres.failover import fail_over
from carillon.config import StoreSettings
from carillon.errors import OutageError
from carillon.flow import resume
from carillon.model import Audience, AudienceType, Broadcast, Connection, Kind, Lane
from carillon.policy import messages
from carillon.ports import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator

LOST, LEFT = "us-east-1", "eu-west-1"


@pytest.fixture
def database(fresh_postgres: str) -> Iterator[Database]:
    database = Database(fresh_postgres, size=2, timeout_s=5)
    database.all("INSERT INTO users (user_id, name, role) VALUES ('anna', 'Anna', 0)")
    yield database
    database.close()


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def test_a_phone_that_saw_what_was_lost_starts_over_from_what_it_acked(database: Database) -> None:
    """It has seen offset 5; the copy knows 4. Without a new epoch the next event, offset 5 again, would be dropped."""
    inbox = PostgresInbox(database)
    database.all("INSERT INTO inbox_heads (user_id, lane, head, acked) VALUES ('anna', 2, 4, 3)")
    seen = inbox.epoch()
    done = fail_over(database, LOST, datetime.now(UTC) - timedelta(hours=1))
    ports = replace(testing.ports(testing.World()), inbox=inbox)
    page = resume.page("anna", seen, {Lane.NORMAL: 5}, ports, datetime.now(UTC))
    assert page.epoch == done["epoch"] != seen
    assert not page.recovered
    assert page.offsets[Lane.NORMAL] <= 4


def test_the_lost_regions_sockets_are_forgotten_and_the_others_kept(database: Database) -> None:
    for region, socket in ((LOST, "l"), (LEFT, "r")):
        sockets = PostgresConnections(database, region=region, peer="")
        sockets.pend(Connection(socket, "anna"), datetime.now(UTC), later())
        sockets.activate(socket)
    assert fail_over(database, LOST, datetime.now(UTC))["sockets"] == 1
    assert PostgresConnections(database).active(["anna"]) == [Connection("r", "anna")]


def test_what_the_lost_lanes_held_is_sent_again_at_home(database: Database) -> None:
    broadcasts, now = PostgresBroadcasts(database), datetime.now(UTC)
    made = Broadcast(
        uuid7(), Lane.HIGH, Kind.WEDDING, "moved", {}, Audience(AudienceType.USERS, user_ids=("anna",)), "ben", now
    )
    message = Outgoing(Lane.HIGH, "g", made.broadcast_id, messages.encode(messages.Deliver(made.broadcast_id)))
    broadcasts.create(made, message, now, None)
    broadcasts.drain("g", Lane.HIGH, now, lambda _sent: None)
    broadcasts.put_off(replace(message, group_id="handover:1", region=LOST), now)
    assert fail_over(database, LOST, now - timedelta(minutes=1))["again"] == 1
    sent: list[Outgoing] = []
    for group, lane in broadcasts.waiting(later(), 10):
        broadcasts.drain(group, lane, later(), sent.extend)
    assert [(one.group_id, one.region) for one in sent] == [("g", ""), ("handover:1", "")]


def test_a_database_that_was_not_promoted_is_left_alone(fresh_postgres: str) -> None:
    with psycopg.connect(fresh_postgres, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    following = Database(fresh_postgres, size=1, timeout_s=5)
    with pytest.raises(OutageError, match="read-only"):
        fail_over(following, LOST, datetime.now(UTC))
    following.close()


def test_the_command_says_what_it_did(
    database: Database, fresh_postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = StoreSettings(database_url=fresh_postgres, valkey_url="", region=LEFT)
    monkeypatch.setattr(wiring, "stores", lambda: settings)
    monkeypatch.setattr(wiring, "database", lambda: database)
    assert command.main([LOST]) == 0
    said = json.loads(capsys.readouterr().out)
    with psycopg.connect(fresh_postgres) as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'inbox_epoch'").fetchone()
    assert row == (said["epoch"],)
    with pytest.raises(SystemExit):
        command.main([LEFT])
