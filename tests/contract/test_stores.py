"""The flow's stores keep one contract, in memory and in PostgreSQL."""

from __future__ import annotations

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
from carillon.errors import IdempotencyConflictError, NotFoundError
from carillon.model import (
    Audience,
    AudienceType,
    Broadcast,
    BroadcastState,
    Connection,
    Kind,
    Lane,
    Recipient,
    Role,
    Status,
)
from carillon.policy import messages
from carillon.ports import Idempotency, Message, Outgoing, Ports, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime.now(UTC).replace(microsecond=0)
PEOPLE = {"anna": Role.COUPLE, "ben": Role.PLANNER, "carl": Role.VENDOR, "dora": Role.GUEST}


@dataclass
class Stage:
    """Ports on one kind of store, with wedding W1 and its four people."""

    ports: Ports
    kind: str

    def broadcast(self, *, lane: Lane = Lane.NORMAL, **changes: object) -> Broadcast:
        made = Broadcast(
            broadcast_id=uuid7(),
            lane=lane,
            kind=Kind.WEDDING,
            name="timeline.shifted",
            data={"ceremony": "15:30"},
            audience=Audience(AudienceType.WEDDING, wedding_id="W1"),
            created_by="ben",
            created_at=NOW,
        )
        return replace(made, **changes)  # type: ignore[arg-type]

    def accept(self, broadcast: Broadcast, *, due_at: datetime = NOW, key: Idempotency | None = None) -> Broadcast:
        return self.ports.broadcasts.create(broadcast, message_of(broadcast), due_at, key)

    def record(self, broadcast: Broadcast, **statuses: Status) -> dict[str, tuple[int | None, Status]]:
        wanted = [Wanted(user, PEOPLE[user], status) for user, status in statuses.items()]
        recorded = self.ports.deliveries.record(broadcast.broadcast_id, broadcast.lane, wanted, NOW)
        return {row.user_id: (row.offset, row.status) for row in recorded.rows}


def message_of(broadcast: Broadcast) -> Outgoing:
    body = messages.encode(messages.first_message(broadcast.broadcast_id, broadcast.audience))
    group = messages.group_id(broadcast.broadcast_id, broadcast.audience)
    return Outgoing(broadcast.lane, group, broadcast.broadcast_id, body)


@pytest.fixture(params=["memory", "postgres"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "memory":
        world = testing.World(now=NOW)
        world.people = {user: Recipient(user, role, "UTC") for user, role in PEOPLE.items()}
        world.teams = {"W1": dict(PEOPLE)}
        yield Stage(testing.ports(world), "memory")
        return
    url = request.getfixturevalue("fresh_postgres")
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO weddings VALUES ('W1', 'Anna and Aron', now(), 'Europe/Berlin')")
        for user, role in PEOPLE.items():
            connection.execute("INSERT INTO users (user_id, name, role) VALUES (%s, %s, %s)", [user, user, role])
            connection.execute(
                "INSERT INTO wedding_team (wedding_id, user_id, role) VALUES ('W1', %s, %s)", [user, role]
            )
    database = Database(url, size=4, timeout_s=5)
    memory = testing.ports(testing.World(now=NOW))
    yield Stage(
        replace(
            memory,
            broadcasts=PostgresBroadcasts(database),
            audiences=PostgresAudiences(database),
            deliveries=PostgresDeliveries(database),
            connections=PostgresConnections(database),
            inbox=PostgresInbox(database),
        ),
        "postgres",
    )
    database.close()


def test_a_broadcast_comes_back_as_it_was_stored(stage: Stage) -> None:
    broadcast = stage.broadcast(
        lane=Lane.CRITICAL, expires_at=NOW + timedelta(hours=1), escalate_after_s=30, supplier_id="S1"
    )
    stage.accept(broadcast)
    assert stage.ports.broadcasts.get(broadcast.broadcast_id) == broadcast


def test_the_outbox_tells_for_how_long_its_oldest_row_has_been_due(stage: Stage) -> None:
    broadcasts = stage.ports.broadcasts
    assert broadcasts.overdue_s(NOW) == 0
    late = stage.broadcast()
    stage.accept(late, due_at=NOW - timedelta(seconds=40))
    stage.accept(stage.broadcast(), due_at=NOW - timedelta(seconds=10))
    stage.accept(stage.broadcast(), due_at=NOW + timedelta(hours=1))
    assert broadcasts.overdue_s(NOW) == 40
    broadcasts.drain(message_of(late).group_id, late.lane, NOW, lambda _: None)
    assert broadcasts.overdue_s(NOW) == 0


def test_an_unknown_broadcast_is_none(stage: Stage) -> None:
    assert stage.ports.broadcasts.get(uuid7()) is None


def test_a_key_answers_with_the_first_broadcast_and_refuses_another_request(stage: Stage) -> None:
    first, second = stage.broadcast(), stage.broadcast()
    stage.accept(first, key=Idempotency("ben", "k1", "hash"))
    assert stage.accept(second, key=Idempotency("ben", "k1", "hash")).broadcast_id == first.broadcast_id
    assert stage.ports.broadcasts.get(second.broadcast_id) is None
    with pytest.raises(IdempotencyConflictError):
        stage.accept(second, key=Idempotency("ben", "k1", "other"))
    assert stage.accept(second, key=Idempotency("carl", "k1", "other")) == second


def drained(stage: Stage, now: datetime = NOW) -> list[str]:
    sent: list[Outgoing] = []
    for group, lane in stage.ports.broadcasts.waiting(now, 100):
        while stage.ports.broadcasts.drain(group, lane, now, sent.extend):
            pass
    return [message.broadcast_id for message in sent]


def test_the_outbox_is_drained_in_order_once_and_when_due(stage: Stage) -> None:
    first, second, later = (stage.broadcast() for _ in range(3))
    stage.accept(first)
    stage.accept(second)
    stage.accept(later, due_at=NOW + timedelta(minutes=5))
    assert drained(stage) == [first.broadcast_id, second.broadcast_id]
    assert drained(stage) == []
    assert drained(stage, NOW + timedelta(minutes=5)) == [later.broadcast_id]


def test_a_failed_send_leaves_the_outbox_as_it_was(stage: Stage) -> None:
    broadcast = stage.broadcast()
    stage.accept(broadcast)

    def fail(_messages: object) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        stage.ports.broadcasts.drain("wedding:W1", Lane.NORMAL, NOW, fail)
    assert drained(stage) == [broadcast.broadcast_id]


def test_critical_groups_are_drained_first(stage: Stage) -> None:
    low, critical = stage.broadcast(lane=Lane.LOW), stage.broadcast(lane=Lane.CRITICAL)
    stage.accept(low)
    stage.accept(critical)
    assert drained(stage) == [critical.broadcast_id, low.broadcast_id]


def test_a_lost_queue_is_sent_again_until_the_broadcast_is_seen_through(stage: Stage) -> None:
    broadcast = stage.broadcast()
    stage.accept(broadcast)
    drained(stage)
    assert stage.ports.broadcasts.requeue(NOW - timedelta(hours=1)) == 1
    assert drained(stage) == [broadcast.broadcast_id]
    stage.record(broadcast, anna=Status.QUEUED)
    stage.ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.PROCESSED, expected=1)
    assert stage.ports.broadcasts.requeue(NOW - timedelta(hours=1)) == 0


def test_what_was_sent_long_ago_and_never_worked_on_is_sent_again(stage: Stage) -> None:
    stuck, done = stage.broadcast(), stage.broadcast()
    stage.accept(stuck)
    stage.accept(done)
    drained(stage)
    stage.ports.broadcasts.finish(done.broadcast_id, BroadcastState.PROCESSED, expected=0)
    assert stage.ports.broadcasts.revive(NOW) == 0
    assert stage.ports.broadcasts.revive(NOW + timedelta(minutes=30)) == 1
    assert drained(stage, NOW + timedelta(minutes=30)) == [stuck.broadcast_id]


def test_offsets_count_per_person_and_lane_without_gaps(stage: Stage) -> None:
    first, second, other = stage.broadcast(), stage.broadcast(), stage.broadcast(lane=Lane.LOW)
    for broadcast in (first, second, other):
        stage.accept(broadcast)
    assert stage.record(first, anna=Status.QUEUED, ben=Status.QUEUED) == {
        "anna": (1, Status.QUEUED),
        "ben": (1, Status.QUEUED),
    }
    assert stage.record(second, ben=Status.QUEUED, carl=Status.QUEUED) == {
        "ben": (2, Status.QUEUED),
        "carl": (1, Status.QUEUED),
    }
    assert stage.record(other, ben=Status.QUEUED) == {"ben": (1, Status.QUEUED)}


def test_recording_again_changes_nothing(stage: Stage) -> None:
    broadcast = stage.broadcast()
    stage.accept(broadcast)
    once = stage.record(broadcast, anna=Status.QUEUED, ben=Status.FILTERED)
    again = stage.record(broadcast, anna=Status.FILTERED, ben=Status.QUEUED, carl=Status.QUEUED)
    assert once == {"anna": (1, Status.QUEUED), "ben": (None, Status.FILTERED)}
    assert again == once | {"carl": (1, Status.QUEUED)}
    _, heads = stage.ports.inbox.heads("ben")
    assert heads[Lane.NORMAL].head == 0


def test_recording_for_an_unknown_broadcast_is_refused(stage: Stage) -> None:
    with pytest.raises(NotFoundError):
        stage.record(stage.broadcast(), anna=Status.QUEUED)


def test_a_canceled_or_expired_broadcast_gives_out_no_offsets(stage: Stage) -> None:
    canceled = stage.broadcast()
    expired = stage.broadcast(expires_at=NOW - timedelta(seconds=1))
    stage.accept(canceled)
    stage.accept(expired)
    retraction = stage.broadcast()
    stage.ports.broadcasts.cancel(canceled.broadcast_id, retraction, message_of(retraction), NOW)
    assert stage.record(canceled, anna=Status.QUEUED) == {"anna": (None, Status.CANCELED)}
    assert stage.record(expired, anna=Status.QUEUED) == {"anna": (None, Status.EXPIRED)}
    assert stage.ports.broadcasts.get(retraction.broadcast_id) is None


def test_cancel_stops_what_waits_and_stores_a_retraction_for_what_was_recorded(stage: Stage) -> None:
    broadcast, retraction = stage.broadcast(), stage.broadcast()
    stage.accept(broadcast)
    stage.record(broadcast, anna=Status.QUEUED, ben=Status.QUEUED)
    stage.ports.deliveries.settle(broadcast.broadcast_id, sent=["anna"], tried=[], most=3, now=NOW)
    stage.ports.broadcasts.cancel(broadcast.broadcast_id, retraction, message_of(retraction), NOW)
    assert stage.record(broadcast, anna=Status.QUEUED, ben=Status.QUEUED) == {
        "anna": (1, Status.SENT),
        "ben": (1, Status.CANCELED),
    }
    assert stage.ports.broadcasts.get(retraction.broadcast_id) == retraction
    twice = stage.broadcast()
    stage.ports.broadcasts.cancel(broadcast.broadcast_id, twice, message_of(twice), NOW)
    assert stage.ports.broadcasts.get(twice.broadcast_id) is None


def test_settle_never_goes_back_and_counts_attempts(stage: Stage) -> None:
    broadcast = stage.broadcast()
    stage.accept(broadcast)
    stage.record(broadcast, anna=Status.QUEUED, ben=Status.QUEUED)
    stage.ports.connections.pend(Connection("c1", "anna"), NOW, NOW + timedelta(hours=1))
    stage.ports.inbox.ack("c1", stage.ports.inbox.epoch(), {Lane.NORMAL: 1}, NOW)
    settle = stage.ports.deliveries.settle
    assert settle(broadcast.broadcast_id, sent=["anna"], tried=["ben"], most=2, now=NOW) == 1
    assert settle(broadcast.broadcast_id, sent=[], tried=["ben"], most=2, now=NOW) == 0
    assert stage.record(broadcast, anna=Status.QUEUED, ben=Status.QUEUED) == {
        "anna": (1, Status.DELIVERED),
        "ben": (1, Status.FAILED),
    }


def test_acks_are_cumulative_clamped_and_never_go_back(stage: Stage) -> None:
    broadcasts = [stage.broadcast() for _ in range(3)]
    for broadcast in broadcasts:
        stage.accept(broadcast)
        stage.record(broadcast, anna=Status.QUEUED)
    stage.ports.connections.pend(Connection("c1", "anna"), NOW, NOW + timedelta(hours=1))
    epoch = stage.ports.inbox.epoch()
    assert stage.ports.inbox.ack("c1", epoch, {Lane.NORMAL: 2}, NOW) == {Lane.NORMAL: 2}
    assert stage.ports.inbox.ack("c1", epoch, {Lane.NORMAL: 1}, NOW) == {Lane.NORMAL: 2}
    assert stage.ports.inbox.ack("c1", "another", {Lane.NORMAL: 3}, NOW) == {}
    assert stage.ports.inbox.ack("c1", epoch, {Lane.NORMAL: 99}, NOW) == {Lane.NORMAL: 3}
    assert stage.ports.inbox.ack("nobody", epoch, {Lane.NORMAL: 1}, NOW) is None
    assert stage.ports.deliveries.unacked(broadcasts[0].broadcast_id, "", 10) == []


def test_events_come_lane_by_lane_in_order_with_tombstones(stage: Stage) -> None:
    kept = stage.broadcast()
    over = stage.broadcast(expires_at=NOW + timedelta(seconds=5))
    urgent = stage.broadcast(lane=Lane.CRITICAL)
    for broadcast in (kept, over, urgent):
        stage.accept(broadcast)
        stage.record(broadcast, anna=Status.QUEUED)
    later = NOW + timedelta(seconds=6)
    events = stage.ports.inbox.events("anna", {Lane.CRITICAL: 0, Lane.NORMAL: 0}, 10, later)
    assert [(event.event_id, event.offset, event.tombstone) for event in events] == [
        (urgent.broadcast_id, 1, None),
        (kept.broadcast_id, 1, None),
        (over.broadcast_id, 2, "expired"),
    ]
    assert [event.offset for event in stage.ports.inbox.events("anna", {Lane.NORMAL: 1}, 10, later)] == [2]


def test_a_delayed_delivery_is_released_once_and_ends_in_one_place(stage: Stage) -> None:
    broadcast = stage.broadcast()
    stage.accept(broadcast)
    drained(stage)
    until = NOW + timedelta(hours=2)
    wanted = [Wanted("anna", Role.COUPLE, Status.DELAYED, release_at=until)]
    stage.ports.deliveries.record(broadcast.broadcast_id, Lane.NORMAL, wanted, NOW)
    assert stage.ports.broadcasts.release_delayed(NOW, 10) == 0
    assert stage.ports.broadcasts.release_delayed(until, 10) == 1
    assert stage.ports.broadcasts.release_delayed(until, 10) == 0
    assert drained(stage, until) == [broadcast.broadcast_id]
    assert stage.record(broadcast, anna=Status.QUEUED) == {"anna": (1, Status.QUEUED)}
    stage.ports.deliveries.record(broadcast.broadcast_id, Lane.NORMAL, wanted, NOW)
    assert stage.ports.broadcasts.release_delayed(until + timedelta(days=1), 10) == 0


def test_expiry_ends_what_waits(stage: Stage) -> None:
    broadcast = stage.broadcast(expires_at=NOW + timedelta(minutes=1))
    stage.accept(broadcast)
    stage.record(broadcast, anna=Status.QUEUED)
    wanted = [Wanted("ben", Role.PLANNER, Status.DELAYED, release_at=NOW + timedelta(hours=9))]
    stage.ports.deliveries.record(broadcast.broadcast_id, Lane.NORMAL, wanted, NOW)
    stage.ports.broadcasts.expire(NOW + timedelta(minutes=2), 10)
    assert stage.record(broadcast, anna=Status.QUEUED, ben=Status.QUEUED) == {
        "anna": (1, Status.EXPIRED),
        "ben": (None, Status.EXPIRED),
    }


def test_escalations_repeat_until_everybody_acked_or_enough(stage: Stage) -> None:
    broadcast = stage.broadcast(lane=Lane.CRITICAL, escalate_after_s=30)
    stage.accept(broadcast)
    drained(stage)
    stage.record(broadcast, anna=Status.QUEUED)
    stage.ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.PROCESSED, expected=1)
    release: Callable[[int], int] = lambda after_s: stage.ports.broadcasts.release_escalations(  # noqa: E731
        NOW + timedelta(seconds=after_s), 10, 3
    )
    assert [release(29), release(30), release(31), release(60)] == [0, 1, 0, 1]
    known = stage.ports.broadcasts.get(broadcast.broadcast_id)
    assert known is not None
    assert known.escalations == 3
    assert [release(90), release(120)] == [0, 0]


def test_escalation_ends_when_all_have_acked(stage: Stage) -> None:
    broadcast = stage.broadcast(lane=Lane.CRITICAL, escalate_after_s=30)
    stage.accept(broadcast)
    stage.record(broadcast, anna=Status.QUEUED)
    stage.ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.PROCESSED, expected=1)
    stage.ports.connections.pend(Connection("c1", "anna"), NOW, NOW + timedelta(hours=1))
    stage.ports.inbox.ack("c1", stage.ports.inbox.epoch(), {Lane.CRITICAL: 1}, NOW)
    assert stage.ports.broadcasts.release_escalations(NOW + timedelta(seconds=31), 10, 3) == 0


def test_only_active_sockets_are_found_and_removed_ones_are_forgotten(stage: Stage) -> None:
    connections = stage.ports.connections
    connections.pend(Connection("c1", "anna"), NOW, NOW + timedelta(hours=1))
    assert connections.active(["anna"]) == []
    assert connections.activate("c1") == "anna"
    assert connections.activate("unknown") is None
    assert connections.active(["anna", "ben"]) == [Connection("c1", "anna")]
    assert connections.remove(["c1", "unknown"]) == [Connection("c1", "anna")]
    assert connections.active(["anna"]) == []


def test_sockets_are_stale_when_their_token_or_their_time_is_over(stage: Stage) -> None:
    connections = stage.ports.connections
    connections.pend(Connection("old", "anna"), NOW - timedelta(hours=2), NOW + timedelta(hours=1))
    connections.pend(Connection("expired", "anna"), NOW, NOW - timedelta(seconds=1))
    connections.pend(Connection("fresh", "anna"), NOW, NOW + timedelta(hours=1))
    connections.pend(Connection("refreshed", "anna"), NOW, NOW - timedelta(seconds=1))
    connections.extend("refreshed", NOW + timedelta(hours=1))
    assert connections.count() == 0, "none of them has subscribed"
    assert connections.activate("fresh") is not None
    assert connections.count() == 1
    stale = connections.stale(NOW, NOW - timedelta(minutes=118), 10)
    assert sorted(connection.connection_id for connection in stale) == ["expired", "old"]


def test_a_team_is_read_with_roles(stage: Stage) -> None:
    whole = stage.ports.audiences.whole(Audience(AudienceType.WEDDING, wedding_id="W1"), NOW)
    assert {person.user_id: person.role for person in whole} == PEOPLE
    vendors = stage.ports.audiences.whole(Audience(AudienceType.ROLE, wedding_id="W1", role=Role.VENDOR), NOW)
    assert [person.user_id for person in vendors] == ["carl"]


def test_everyone_is_paged_by_role_then_by_change(stage: Stage) -> None:
    everyone = Audience(AudienceType.EVERYONE)
    page = stage.ports.audiences.page
    assert [page(everyone, role, "", NOW, 10) for role in range(4)] == [["anna"], ["ben"], ["carl"], ["dora"]]
    assert page(everyone, 0, "anna", NOW, 10) == []
    assert page(everyone, 4, "", NOW + timedelta(days=1), 10) == []
    assert stage.ports.audiences.count(everyone) == 4


def test_what_is_unknown_of_an_audience_is_named(stage: Stage) -> None:
    unknown = stage.ports.audiences.unknown
    assert unknown(Audience(AudienceType.WEDDING, wedding_id="W1")) == []
    assert unknown(Audience(AudienceType.WEDDING, wedding_id="W2")) == ["W2"]
    assert unknown(Audience(AudienceType.USERS, user_ids=("anna", "ben"))) == []
    assert unknown(Audience(AudienceType.USERS, user_ids=("zoe", "anna", "nobody"))) == ["zoe", "nobody"]
    assert unknown(Audience(AudienceType.SEGMENT, segment_id="nothing")) == ["nothing"]
    assert unknown(Audience(AudienceType.EVERYONE)) == []


def test_a_socket_of_nobody_is_not_noted(stage: Stage) -> None:
    assert stage.ports.connections.pend(Connection("c1", "anna"), NOW, NOW)
    assert not stage.ports.connections.pend(Connection("c2", "nobody"), NOW, NOW)
    assert stage.ports.connections.owner("c2") is None


def test_a_dead_letter_is_kept_once(stage: Stage) -> None:
    letter = Message("m1", "r1", Lane.LOW, "g", "not json \0", 1, NOW, None)
    stage.ports.deliveries.dead_letter(letter, "poison", NOW)
    stage.ports.deliveries.dead_letter(letter, "poison", NOW)


def test_failing_a_broadcast_marks_what_is_queued(stage: Stage) -> None:
    broadcast = stage.broadcast()
    stage.accept(broadcast)
    stage.record(broadcast, anna=Status.QUEUED, ben=Status.FILTERED)
    assert stage.ports.deliveries.fail(broadcast.broadcast_id, "poison", NOW) == 1
    stage.ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.FAILED, failure="poison")
    known = stage.ports.broadcasts.get(broadcast.broadcast_id)
    assert known is not None
    assert (known.state, known.failure) == (BroadcastState.FAILED, "poison")


def test_a_failure_stays_on_record(stage: Stage) -> None:
    broadcast = stage.broadcast()
    stage.accept(broadcast)
    stage.ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.FAILED, failure="poison")
    stage.ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.PROCESSED, expected=4)
    known = stage.ports.broadcasts.get(broadcast.broadcast_id)
    assert known is not None
    assert (known.state, known.failure, known.expected) == (BroadcastState.FAILED, "poison", 4)


def test_an_ended_delay_is_not_released(stage: Stage) -> None:
    broadcast = stage.broadcast()
    stage.accept(broadcast)
    wanted = [Wanted(user, PEOPLE[user], Status.DELAYED, release_at=NOW) for user in ("anna", "ben")]
    stage.ports.deliveries.record(broadcast.broadcast_id, Lane.NORMAL, wanted, NOW)
    stage.ports.deliveries.end_delay(broadcast.broadcast_id, ["anna"])
    assert stage.ports.broadcasts.release_delayed(NOW, 10) == 1
