"""Two Regions: whoever has a socket in the other one is handed over, gets it there, and nobody waits for them here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from carillon import testing
from carillon.errors import OutageError, PoisonError
from carillon.flow.cancel import cancel
from carillon.flow.consume import consume
from carillon.model import Audience, AudienceType, Connection, Lane, Recipient, Status
from carillon.names import Metric
from carillon.policy import messages
from tests.unit.flow.conftest import PLANNER, TEAM, Wedding

if TYPE_CHECKING:
    from carillon.ports import Message

HERE, THERE = "us-east-1", "eu-west-1"


class Regions:
    """One wedding and two Regions that see the same database: `here` broadcasts begin, `there` Anna's phone is."""

    def __init__(self) -> None:
        world = testing.World()
        world.people = {user: Recipient(user, role, "Europe/Berlin") for user, role in TEAM.items()}
        world.teams = {"W1": dict(TEAM)}
        self.world = world
        self.here = Wedding(world, testing.ports(world, region=HERE, peer=THERE))
        self.there = Wedding(world, testing.ports(world, region=THERE, peer=HERE))

    def handed(self) -> list[Message]:
        """What waits in the other Region's lanes."""
        return self.world.far.get(THERE, [])

    def work_there(self, *, receives: int = 1) -> list[str]:
        waiting = self.world.far.pop(THERE, [])
        return consume([replace(message, receive_count=receives) for message in waiting], self.there.ports)


@pytest.fixture
def regions() -> Regions:
    return Regions()


def test_who_is_there_is_handed_over_and_gets_it_there(regions: Regions) -> None:
    regions.there.connect("t-anna", "anna")
    regions.here.connect("h-ben", "ben")
    broadcast_id = regions.here.send(Lane.CRITICAL)
    assert regions.here.work() == []
    assert [one for one, _ in regions.world.received] == ["h-ben"]
    assert regions.here.statuses(broadcast_id)["anna"] is Status.QUEUED
    (message,) = regions.handed()
    assert messages.decode(message.body) == messages.Deliver(broadcast_id, ("anna",), relayed=True)
    assert (message.lane, message.group_id) == (Lane.CRITICAL, "wedding:W1")
    assert regions.work_there() == []
    assert [event["offset"] for event in regions.there.shown("t-anna")] == [1]
    assert regions.here.statuses(broadcast_id)["anna"] is Status.SENT
    assert regions.world.counted[Metric.HANDED_OVER] == 1


def test_nobody_there_nothing_handed_over(regions: Regions) -> None:
    regions.here.connect("h-anna", "anna")
    regions.there.ports.connections.pend(Connection("t-ben", "ben"), regions.world.now, regions.world.now)
    regions.here.send()
    assert regions.here.work() == []
    assert regions.handed() == []


def test_a_second_device_there_gets_it_though_the_person_is_sent_or_has_acked_here(regions: Regions) -> None:
    regions.here.connect("h-anna", "anna")
    regions.there.connect("t-anna", "anna")
    regions.here.connect("h-ben", "ben")
    regions.there.connect("t-ben", "ben")
    broadcast_id = regions.here.send()
    regions.here.work()
    regions.here.say("h-anna", {"action": "ack", "channel": "inbox", "epoch": "e1", "offsets": {"normal": 1}})
    assert regions.work_there() == []
    assert len(regions.there.shown("t-anna")) == len(regions.there.shown("t-ben")) == 1
    statuses = regions.here.statuses(broadcast_id)
    assert (statuses["anna"], statuses["ben"]) == (Status.DELIVERED, Status.SENT)


def test_what_was_handed_over_is_never_handed_back(regions: Regions) -> None:
    regions.here.connect("h-anna", "anna")
    regions.there.connect("t-anna", "anna")
    regions.here.send()
    regions.here.work()
    regions.work_there()
    assert regions.world.far == {}
    assert len(regions.here.shown("h-anna")) == 1


def test_sockets_of_the_other_region_are_not_mistaken_for_ghosts(regions: Regions) -> None:
    regions.there.connect("t-anna", "anna")
    for wiped in (False, True):
        regions.world.index = None if wiped else {"t-anna": "anna"}
        regions.here.send()
        regions.here.work()
    assert regions.world.active == {"t-anna": "anna"}
    assert regions.world.counted.get(Metric.GONE, 0) == 0


def test_a_region_that_is_away_holds_up_nobody_here_and_gets_it_later(regions: Regions) -> None:
    regions.there.connect("t-anna", "anna")
    regions.here.connect("h-ben", "ben")
    regions.world.away = {THERE}
    first, second = regions.here.send(), regions.here.send()
    assert regions.here.work() == []
    assert [event["event_id"] for event in regions.here.shown("h-ben")] == [first, second]
    third = regions.here.send(audience=Audience(AudienceType.USERS, user_ids=("ben",)))
    regions.here.relay()
    regions.here.work()
    assert regions.here.shown("h-ben")[-1]["event_id"] == third, "a relay round is not held up either"
    regions.world.away = set()
    assert regions.there.relay()["handed_over"] == 2, "either Region's relay loop brings it"
    assert regions.work_there() == []
    assert {event["event_id"] for event in regions.there.shown("t-anna")} == {first, second}


def test_with_the_database_away_too_the_message_comes_back(regions: Regions) -> None:
    regions.there.connect("t-anna", "anna")
    regions.here.send()
    message = regions.world.queue[0]
    regions.world.away = {THERE}
    whole = regions.here.ports

    def lost(*_arguments: object) -> None:
        raise OutageError("database is away")

    regions.here.ports = replace(whole, broadcasts=_Without(whole.broadcasts, put_off=lost))
    assert regions.here.work() == [message.message_id]
    regions.here.ports, regions.world.away = whole, set()
    assert regions.here.redeliver(message) == []
    regions.work_there()
    assert len(regions.there.shown("t-anna")) == 1


def test_a_crash_before_the_handover_makes_up_for_it_on_redelivery(regions: Regions) -> None:
    """Anna has acked on her phone here when the consumer dies; her tablet there still gets the event."""
    regions.here.connect("h-anna", "anna")
    regions.there.connect("t-anna", "anna")
    regions.here.send()
    message = regions.world.queue[0]

    class DeadError(BaseException):
        pass

    def die(_messages: object) -> None:
        raise DeadError

    alive = regions.here.ports
    regions.here.ports = replace(alive, queue=_Without(alive.queue, send=die))
    with pytest.raises(DeadError):
        regions.here.work()
    regions.here.ports = alive
    regions.here.say("h-anna", {"action": "ack", "channel": "inbox", "epoch": "e1", "offsets": {"normal": 1}})
    assert regions.here.redeliver(message) == []
    regions.work_there()
    assert len(regions.there.shown("t-anna")) == 1


def test_a_device_that_failed_there_is_tried_again_though_another_got_it_here(regions: Regions) -> None:
    regions.here.connect("h-anna", "anna")
    regions.there.connect("t-anna", "anna")
    regions.world.refusing = {"t-anna": "throttled"}
    broadcast_id = regions.here.send()
    regions.here.work()
    (message,) = regions.handed()
    assert regions.work_there() == [message.message_id]
    regions.world.refusing = {}
    assert regions.there.redeliver(message) == []
    assert len(regions.there.shown("t-anna")) == 1
    assert regions.here.statuses(broadcast_id)["anna"] is Status.SENT


def test_a_device_that_failed_here_is_tried_again_though_another_got_it_there(regions: Regions) -> None:
    regions.here.connect("h-anna", "anna")
    regions.there.connect("t-anna", "anna")
    regions.world.refusing = {"h-anna": "throttled"}
    broadcast_id = regions.here.send()
    message = regions.world.queue[0]
    assert regions.here.work() == [message.message_id]
    regions.work_there()
    regions.world.refusing = {}
    assert regions.here.statuses(broadcast_id)["anna"] is Status.SENT
    assert regions.here.redeliver(message) == []
    assert len(regions.here.shown("h-anna")) == 1


def test_a_device_that_always_fails_there_does_not_spin(regions: Regions) -> None:
    regions.here.connect("h-anna", "anna")
    regions.there.connect("t-anna", "anna")
    regions.world.refusing = {"t-anna": "server"}
    regions.here.send()
    regions.here.work()
    (message,) = regions.handed()
    rounds = 0
    regions.work_there()
    for receives in range(1, 10):
        rounds += 1
        if regions.there.redeliver(replace(message, receive_count=receives)) == []:
            break
    assert rounds < 5


def test_who_is_only_there_does_not_bring_the_message_back_here(regions: Regions) -> None:
    regions.there.connect("t-anna", "anna")
    broadcast_id = regions.here.send()
    message = regions.world.queue[0]
    assert regions.here.work() == []
    assert regions.here.redeliver(message) == []
    assert len(regions.handed()) == 1, "the same people again are the same message, which the queue drops"
    assert regions.world.deliveries[broadcast_id, "anna"].attempts == 0


def test_canceled_while_handed_over_is_not_posted_and_a_retraction_follows_there(regions: Regions) -> None:
    regions.there.connect("t-anna", "anna")
    shown = regions.here.send()
    regions.here.work()
    regions.work_there()
    stopped = regions.here.send()
    regions.here.work()
    cancel(stopped, PLANNER, regions.here.ports, regions.world.now)
    cancel(shown, PLANNER, regions.here.ports, regions.world.now)
    regions.work_there()
    regions.here.work()
    regions.work_there()
    events = regions.there.shown("t-anna")
    assert [(event["name"], event["data"].get("event_id")) for event in events if event["event_id"] != stopped] == [
        ("timeline.shifted", None),
        ("retracted", stopped),
        ("retracted", shown),
    ]
    assert stopped not in {event["event_id"] for event in events}


def test_expired_while_handed_over_is_not_posted(regions: Regions) -> None:
    regions.there.connect("t-anna", "anna")
    regions.here.send(expires_at=regions.world.now.replace(minute=1))
    regions.here.work()
    regions.world.now = regions.world.now.replace(minute=2)
    assert regions.work_there() == []
    assert regions.there.shown("t-anna") == []


def test_an_escalation_reaches_the_devices_of_both_regions(regions: Regions) -> None:
    regions.here.connect("h-ben", "ben")
    regions.there.connect("t-anna", "anna")
    regions.here.send(Lane.CRITICAL, escalate_after_s=30)
    regions.here.work()
    regions.work_there()
    regions.world.now = regions.world.now.replace(second=30)
    regions.here.relay()
    regions.here.work()
    assert regions.work_there() == []
    assert regions.world.far == {}
    for wedding, socket in ((regions.here, "h-ben"), (regions.there, "t-anna")):
        assert [event.get("attempt", 1) for event in wedding.shown(socket)] == [1, 2]


def test_sockets_are_reaped_by_their_own_region(regions: Regions) -> None:
    regions.there.connect("t-anna", "anna")
    regions.here.connect("h-ben", "ben")
    regions.world.now = regions.world.now.replace(year=2031)
    assert regions.here.relay()["reaped"] == 1
    assert set(regions.world.active) == {"t-anna"}


@pytest.mark.parametrize("more", ['"relayed":1', '"relayed":"true"', '"relayed":true'])
def test_what_is_handed_over_without_people_or_with_a_doubtful_mark_is_poison(more: str) -> None:
    with pytest.raises(PoisonError):
        messages.decode(f'{{"type":"deliver","broadcast_id":"018f0000-0000-7000-8000-000000000000",{more}}}')


def test_the_mark_changes_no_other_message() -> None:
    """Deduplication hashes the text: what is not handed over reads as it did before there were two Regions."""
    broadcast_id = "018f0000-0000-7000-8000-000000000000"
    assert messages.encode(messages.Expand(broadcast_id)) == (
        f'{{"broadcast_id":"{broadcast_id}","number":0,"stage":0,"type":"expand"}}'
    )
    assert "relayed" not in messages.encode(messages.Escalate(broadcast_id, 2))


class _Without:
    """A port, but for some methods."""

    def __init__(self, port: object, **others: object) -> None:
        self._port = port
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)
