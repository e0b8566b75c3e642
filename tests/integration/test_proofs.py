"""The second proof of `carillon.flow.record`, on the real store: offsets have no gaps and no duplicates.

Several consumers record overlapping chunks at the same time, as redeliveries and re-cut pages make them do. The first
proof (nobody misses a broadcast) is in tests/unit/flow/test_interleavings.py, and here on PostgreSQL under threads.
"""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from carillon import testing
from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.audiences import PostgresAudiences
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.adapters.postgres.connections import PostgresConnections, PostgresInbox
from carillon.adapters.postgres.deliveries import PostgresDeliveries
from carillon.adapters.postgres.reports import Reports
from carillon.flow import resume
from carillon.flow.consume import consume
from carillon.model import Audience, AudienceType, Broadcast, BroadcastState, Connection, Kind, Lane, Role, Status
from carillon.policy import messages
from carillon.ports import Message, Outgoing, Ports, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS = 6
BROADCASTS = 12
WEDDING = Audience(AudienceType.WEDDING, wedding_id="W1")


@dataclass
class Store:
    """PostgreSQL with a wedding of some people, and ports on it; sockets and queue are in memory."""

    url: str
    ports: Ports
    world: testing.World

    def people(self, count: int) -> list[str]:
        users = [f"u{number:04}" for number in range(count)]
        with psycopg.connect(self.url) as connection:
            connection.execute("INSERT INTO weddings VALUES ('W1', 'A wedding', now(), 'UTC')")
            connection.execute(
                "INSERT INTO users (user_id, name, role) SELECT u, u, 3 FROM unnest(%s::text[]) u", [users]
            )
            connection.execute(
                "INSERT INTO wedding_team (wedding_id, user_id, role) SELECT 'W1', u, 3 FROM unnest(%s::text[]) u",
                [users],
            )
        return users

    def accept(self, audience: Audience = WEDDING) -> Broadcast:
        made = Broadcast(uuid7(), Lane.NORMAL, Kind.WEDDING, "moved", {}, audience, "ben", datetime.now(UTC))
        body = messages.encode(messages.first_message(made.broadcast_id, audience))
        outgoing = Outgoing(made.lane, messages.group_id(made.broadcast_id, audience), made.broadcast_id, body)
        self.ports.broadcasts.create(made, outgoing, made.created_at, None)
        return made

    def deadlocks(self) -> int:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            row = connection.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def store(fresh_postgres: str) -> Iterator[Store]:
    database = Database(fresh_postgres, size=THREADS + 1, timeout_s=20)
    world = testing.World()
    ports = replace(
        testing.ports(world),
        broadcasts=PostgresBroadcasts(database),
        audiences=PostgresAudiences(database),
        deliveries=PostgresDeliveries(database),
        connections=PostgresConnections(database),
        inbox=PostgresInbox(database),
        clock=lambda: datetime.now(UTC),
    )
    yield Store(fresh_postgres, ports, world)
    database.close()


@pytest.mark.parametrize(
    ("people", "rounds"), [(300, 3), pytest.param(800, 20, marks=[pytest.mark.faults, pytest.mark.timeout(600)])]
)
def test_offsets_have_no_gaps_no_duplicates_and_no_deadlocks(store: Store, people: int, rounds: int) -> None:
    """Six consumers, each with chunks of its own cut of the same people, in its own order, several times over."""
    users = store.people(people)
    broadcasts = [store.accept() for _ in range(BROADCASTS)]

    def consumer(seed: int) -> int:
        chance = random.Random(seed)
        created = 0
        for _ in range(rounds):
            for broadcast in chance.sample(broadcasts, BROADCASTS):
                first = chance.randrange(people // 2)
                chunk = users[first : first + chance.randrange(50, people)]
                chance.shuffle(chunk)
                created += record(store, broadcast, chunk)
        return created

    with ThreadPoolExecutor(THREADS) as threads:
        created = sum(threads.map(consumer, range(THREADS)))
    with ThreadPoolExecutor(THREADS) as threads:  # and at last everybody, by all of them
        created += sum(threads.map(lambda n: record(store, broadcasts[n % BROADCASTS], users), range(2 * BROADCASTS)))

    assert created == people * BROADCASTS, "each delivery was made once"
    assert store.deadlocks() == 0
    with psycopg.connect(store.url) as connection:
        streams = connection.execute(
            "SELECT user_id, array_agg(stream_offset ORDER BY stream_offset) FROM deliveries GROUP BY user_id"
        ).fetchall()
        heads = connection.execute("SELECT user_id, head FROM inbox_heads").fetchall()
    assert {tuple(offsets) for _, offsets in streams} == {tuple(range(1, BROADCASTS + 1))}
    assert sorted(heads) == [(user, BROADCASTS) for user in users]


def record(store: Store, broadcast: Broadcast, users: list[str]) -> int:
    """One consumer's record step; how many rows it made."""
    wanted = [Wanted(user, Role.GUEST, Status.QUEUED) for user in users]
    return store.ports.deliveries.record(broadcast.broadcast_id, broadcast.lane, wanted, datetime.now(UTC)).created


def message_of(broadcast: Broadcast, receives: int = 1) -> Message:
    """The message of a broadcast as its queue hands it out for the n-th time."""
    return Message(
        message_id=f"m-{broadcast.broadcast_id}",
        receipt="r",
        lane=broadcast.lane,
        group_id="wedding:W1",
        body=messages.encode(messages.Deliver(broadcast.broadcast_id)),
        receive_count=receives,
        sent_at=datetime.now(UTC),
        broadcast_id=broadcast.broadcast_id,
    )


def test_a_message_handed_out_to_two_consumers_at_once_changes_nothing(store: Store) -> None:
    """Its visibility ended while the first still worked on it: both go through the whole line, and later a third."""
    users = store.people(300)
    for user in users[:40]:
        store.ports.connections.pend(Connection(f"c-{user}", user), datetime.now(UTC), in_an_hour())
        store.ports.connections.activate(f"c-{user}")
    broadcasts = [store.accept() for _ in range(6)]
    both = threading.Barrier(2)

    def work(_number: int) -> list[str]:
        kept = []
        for broadcast in broadcasts:
            both.wait(20)
            kept += consume([message_of(broadcast)], store.ports)
        return kept

    with ThreadPoolExecutor(2) as consumers:
        kept = [message_id for ids in consumers.map(work, range(2)) for message_id in ids]
    assert kept == []
    rows = facts(store)
    assert consume([message_of(broadcast, 2) for broadcast in broadcasts], store.ports) == []
    assert facts(store) == rows
    assert {row[2] for row in rows} == set(range(1, 7))
    assert len(rows) == 300 * 6
    verdict = Reports(Database(store.url, size=1, timeout_s=5)).verify(hour_ago(), datetime.now(UTC))
    assert verdict.clean
    assert verdict.totals["recipients"] == 300 * 6


def facts(store: Store) -> list[tuple[str, str, int, int, int]]:
    """Everything that is stored about deliveries."""
    query = "SELECT broadcast_id::text, user_id, stream_offset, status, attempts FROM deliveries ORDER BY 1, 2"
    with psycopg.connect(store.url) as connection:
        found: list[tuple[str, str, int, int, int]] = connection.execute(query).fetchall()
    return found


def test_whoever_comes_while_a_broadcast_is_under_way_gets_it_posted_or_answered(store: Store) -> None:
    """Devices subscribe in threads while the consumer works: each has every event, from one side or from both."""
    users = store.people(60)
    broadcasts = [store.accept() for _ in range(8)]
    answered: dict[str, set[str]] = {}

    def come(user: str) -> None:
        store.ports.connections.pend(Connection(f"c-{user}", user), datetime.now(UTC), in_an_hour())
        page = resume.subscribe(f"c-{user}", None, None, store.ports, datetime.now(UTC))
        assert page is not None
        answered[user] = {event.event_id for event in page.events}

    with ThreadPoolExecutor(THREADS) as threads:
        coming = [threads.submit(come, user) for user in users]
        working = [threads.submit(consume, [message_of(broadcast)], store.ports) for broadcast in broadcasts]
        assert [work.result() for work in working] == [[]] * len(broadcasts)
        for one in coming:
            one.result()
    posted: dict[str, set[str]] = {}
    for connection_id, body in store.world.received:
        event_id = next(one.broadcast_id for one in broadcasts if one.broadcast_id.encode() in body)
        posted.setdefault(connection_id.removeprefix("c-"), set()).add(event_id)
    everything = {broadcast.broadcast_id for broadcast in broadcasts}
    missed = {user for user in users if answered[user] | posted.get(user, set()) != everything}
    assert missed == set()


def test_a_cancel_waits_for_a_record_or_stops_it(store: Store) -> None:
    """Whoever was given the event is told that it is taken back; whoever was not, never gets it."""
    users = store.people(200)
    for _ in range(10):
        broadcast = store.accept()
        retraction = store.accept(Audience(AudienceType.HOLDERS, broadcast_id=broadcast.broadcast_id))
        body = messages.encode(messages.Expand(retraction.broadcast_id))
        outgoing = Outgoing(Lane.NORMAL, "g", retraction.broadcast_id, body)
        again = replace(retraction, broadcast_id=uuid7())
        with ThreadPoolExecutor(2) as threads:
            recorded = threads.submit(record, store, broadcast, users)
            canceled = threads.submit(
                store.ports.broadcasts.cancel,
                broadcast.broadcast_id,
                again,
                replace(outgoing, broadcast_id=again.broadcast_id),
                datetime.now(UTC),
            )
            recorded.result()
            canceled.result()
        known = store.ports.broadcasts.get(broadcast.broadcast_id)
        assert known is not None
        assert known.state is BroadcastState.CANCELED
        with psycopg.connect(store.url) as connection:
            found = connection.execute(
                "SELECT DISTINCT status, stream_offset IS NOT NULL FROM deliveries WHERE broadcast_id = %s",
                [broadcast.broadcast_id],
            ).fetchall()
        ((status, has_offset),) = found
        assert status == Status.CANCELED
        assert has_offset == (store.ports.broadcasts.get(again.broadcast_id) is not None)


def in_an_hour() -> datetime:
    """A token's end."""
    return datetime.now(UTC) + timedelta(hours=1)


def hour_ago() -> datetime:
    """Before any test here."""
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=[pytest.mark.faults, pytest.mark.timeout(300)])])
def test_settling_acking_and_canceling_side_by_side_meet_no_deadlock(store: Store, rounds: int) -> None:
    """Consumers settle chunks cut in any way, people ack over several broadcasts, and senders change their minds."""
    users = store.people(200)
    for user in users:
        store.ports.connections.pend(Connection(f"c-{user}", user), datetime.now(UTC), in_an_hour())
    epoch = store.ports.inbox.epoch()
    for _ in range(rounds):
        broadcasts = [store.accept() for _ in range(4)]
        for broadcast in broadcasts:
            record(store, broadcast, users)
        with ThreadPoolExecutor(THREADS) as threads:
            jobs = [
                threads.submit(settle, store, broadcast, users, seed) for broadcast in broadcasts for seed in (1, 2)
            ]
            jobs += [
                threads.submit(store.ports.inbox.ack, f"c-{user}", epoch, {Lane.NORMAL: 10**6}, datetime.now(UTC))
                for user in random.Random(3).sample(users, len(users))
            ]
            jobs.insert(4, threads.submit(cancel, store, broadcasts[0]))
            jobs.insert(
                6, threads.submit(store.ports.deliveries.fail, broadcasts[1].broadcast_id, "x", datetime.now(UTC))
            )
            for job in jobs:
                job.result()
    assert store.deadlocks() == 0
    with psycopg.connect(store.url) as connection:
        found = connection.execute("SELECT count(*) FROM deliveries WHERE status = 4").fetchone()
    assert found is not None
    assert found[0] >= 200 * 2 * rounds


def settle(store: Store, broadcast: Broadcast, users: list[str], seed: int) -> None:
    """A consumer notes whom it reached, and whom it tried in vain, in an order of its own."""
    mixed = random.Random(seed).sample(users, len(users))
    for start in range(0, len(mixed), 50):
        sent, tried = mixed[start : start + 40], mixed[start + 40 : start + 50]
        store.ports.deliveries.settle(broadcast.broadcast_id, sent=sent, tried=tried, most=3, now=datetime.now(UTC))


def cancel(store: Store, broadcast: Broadcast) -> None:
    """The sender changes their mind."""
    taken_back = replace(broadcast, broadcast_id=uuid7())
    message = Outgoing(Lane.NORMAL, "g", taken_back.broadcast_id, "{}")
    store.ports.broadcasts.cancel(broadcast.broadcast_id, taken_back, message, datetime.now(UTC))
