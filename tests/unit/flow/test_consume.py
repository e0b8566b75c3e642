"""What people of a wedding notice of a broadcast, on good days and on bad ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from carillon.flow.cancel import cancel
from carillon.flow.dead_letter import dead_letter
from carillon.model import (
    Audience,
    AudienceType,
    BroadcastState,
    Kind,
    Lane,
    Preferences,
    QuietHours,
    Recipient,
    Role,
    Status,
)
from carillon.names import Metric
from carillon.policy import batching
from tests.unit.flow.conftest import PLANNER, TEAM, Wedding


def test_everybody_connected_gets_it_couple_first(wedding: Wedding) -> None:
    for user in ("dora", "carl", "ben", "anna"):
        wedding.connect(f"c-{user}", user)
    broadcast_id = wedding.send(Lane.CRITICAL)
    assert wedding.work() == []
    assert [one for one, _ in wedding.world.received] == ["c-anna", "c-ben", "c-carl", "c-dora"]
    assert wedding.shown("c-anna")[0] | {"ts": 0} == {
        "type": "event",
        "channel": "inbox",
        "lane": "critical",
        "epoch": "e1",
        "offset": 1,
        "event_id": broadcast_id,
        "name": "timeline.shifted",
        "kind": "wedding",
        "ts": 0,
        "expires_at": None,
        "wedding_id": "W1",
        "data": {"to": "15:30"},
    }
    assert set(wedding.statuses(broadcast_id).values()) == {Status.SENT}
    known = wedding.world.broadcasts[broadcast_id]
    assert (known.state, known.expected) == (BroadcastState.PROCESSED, 4)


def test_who_is_away_has_it_in_the_inbox(wedding: Wedding) -> None:
    broadcast_id = wedding.send()
    wedding.work()
    assert wedding.statuses(broadcast_id)["anna"] is Status.QUEUED
    told = wedding.connect("c1", "anna")
    assert [event["event_id"] for event in told["events"]] == [broadcast_id]
    assert told["offsets"]["normal"] == 1
    assert not told["more"]
    wedding.say("c1", {"action": "ack", "channel": "inbox", "epoch": "e1", "offsets": {"normal": 1}})
    assert wedding.statuses(broadcast_id)["anna"] is Status.DELIVERED


def test_two_broadcasts_of_a_lane_have_offsets_in_the_order_of_acceptance(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    ids = [wedding.send() for _ in range(5)]
    wedding.work()
    assert [(event["event_id"], event["offset"]) for event in wedding.shown("c1")] == [
        (broadcast_id, offset) for offset, broadcast_id in enumerate(ids, start=1)
    ]


def test_a_redelivered_message_changes_nothing(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    broadcast_id = wedding.send()
    message = wedding.world.queue[0]
    wedding.work()
    before = dict(wedding.world.deliveries), dict(wedding.world.heads), len(wedding.world.received)
    assert wedding.redeliver(message) == []
    assert (dict(wedding.world.deliveries), dict(wedding.world.heads), len(wedding.world.received)) == before
    assert wedding.statuses(broadcast_id)["anna"] is Status.SENT


def test_opt_outs_channels_and_quiet_hours(wedding: Wedding) -> None:
    people = wedding.world.people
    night = QuietHours(time(22), time(8), enabled=True)
    people["anna"] = replace(people["anna"], preferences=Preferences(kinds=frozenset({Kind.SYSTEM})))
    people["ben"] = replace(people["ben"], preferences=Preferences(realtime=False))
    people["carl"] = replace(people["carl"], preferences=Preferences(quiet=night))
    people["dora"] = replace(people["dora"], preferences=Preferences(critical_only=True))
    for user in TEAM:
        wedding.connect(f"c-{user}", user)
    wedding.world.now = wedding.world.now.replace(hour=21)  # 23:00 in Berlin
    broadcast_id = wedding.send()
    wedding.work()
    assert wedding.statuses(broadcast_id) == {
        "anna": Status.FILTERED,
        "ben": Status.QUEUED,
        "dora": Status.FILTERED,
    }
    assert list(wedding.world.delayed) == [(broadcast_id, "carl")]
    assert wedding.world.received == []
    wedding.world.now = wedding.world.delayed[broadcast_id, "carl"]
    assert wedding.world.now.hour == 6
    wedding.connect("c-later", "carl")
    assert wedding.relay()["released"] == 1
    wedding.work()
    assert len(wedding.shown("c-later")) == 1
    assert sum(len(wedding.shown(f"c-{user}")) for user in TEAM) == 0
    assert wedding.world.delayed == {}


def test_a_release_is_checked_again(wedding: Wedding) -> None:
    carl = wedding.world.people["carl"]
    night = Preferences(quiet=QuietHours(time(22), time(8), enabled=True))
    wedding.world.people["carl"] = replace(carl, preferences=night)
    wedding.world.now = wedding.world.now.replace(hour=21)
    broadcast_id = wedding.send(audience=Audience(AudienceType.USERS, user_ids=("carl",)))
    wedding.work()
    wedding.world.people["carl"] = replace(carl, preferences=Preferences(critical_only=True))
    wedding.world.now += timedelta(hours=10)
    wedding.relay()
    wedding.work()
    assert wedding.statuses(broadcast_id) == {"carl": Status.FILTERED}


def test_critical_bypasses_preferences(wedding: Wedding) -> None:
    never = Preferences(kinds=frozenset(), realtime=False, in_app=False)
    wedding.world.people["anna"] = replace(wedding.world.people["anna"], preferences=never)
    wedding.connect("c1", "anna")
    wedding.send(Lane.CRITICAL)
    wedding.work()
    assert len(wedding.shown("c1")) == 1


def test_an_outage_hands_the_rest_of_the_group_back_together_and_burns_nothing(wedding: Wedding) -> None:
    first, second = wedding.send(), wedding.send()
    wedding.world.away = {"database"}
    back = wedding.work()
    assert len(back) == 2
    assert len({wedding.world.returned[message_id] for message_id in back}) == 1
    assert wedding.world.dead == []
    wedding.world.away = set()
    assert wedding.redeliver(*wedding.handed_back) == []
    rows = [wedding.world.deliveries[one, "anna"] for one in (first, second)]
    assert [(row.offset, row.attempts) for row in rows] == [(1, 0), (2, 0)]


def test_poison_is_dead_lettered_and_does_not_hold_up_the_wedding(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    poisoned, healthy = wedding.send(), wedding.send()
    wedding.world.queue[0] = replace(wedding.world.queue[0], body="{broken")
    assert wedding.work() == []
    assert [event["event_id"] for event in wedding.shown("c1")] == [healthy]
    message, reason = wedding.world.dead[0]
    assert dead_letter([replace(message, reason=reason)], wedding.ports) == []
    known = wedding.world.broadcasts[poisoned]
    assert known.state is BroadcastState.FAILED
    assert "no deliver, expand or escalate message" in (known.failure or "")
    assert wedding.statuses(poisoned)["anna"] is Status.FAILED
    told = wedding.connect("c2", "anna", recover={"epoch": "e1", "offsets": {"normal": 0}})
    assert {event["event_id"] for event in told["events"]} == {healthy, poisoned}


@pytest.mark.parametrize("body", ['{"type":"deliver"}', "[]", '{"type":"sing","broadcast_id":"x"}', "null", ""])
def test_what_is_no_message_is_poison(wedding: Wedding, body: str) -> None:
    wedding.send()
    wedding.world.queue[0] = replace(wedding.world.queue[0], body=body)
    assert wedding.work() == []
    assert len(wedding.world.dead) == 1


def test_a_message_in_the_wrong_lane_is_poison(wedding: Wedding) -> None:
    wedding.send(Lane.LOW)
    wedding.world.queue[0] = replace(wedding.world.queue[0], lane=Lane.CRITICAL)
    wedding.work()
    assert len(wedding.world.dead) == 1


def test_an_unforeseen_error_comes_back_and_is_dead_lettered_when_it_stays(
    wedding: Wedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    wedding.send()
    message = wedding.world.queue[0]

    def fail(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(wedding.ports.audiences, "whole", fail)
    assert wedding.work() == [message.message_id]
    assert wedding.redeliver(replace(message, receive_count=4)) == []
    assert wedding.world.dead[0][1] == "RuntimeError: a bug"


def test_dead_letters_wait_out_an_outage(wedding: Wedding) -> None:
    wedding.send()
    message = wedding.world.queue[0]
    wedding.world.away = {"database"}
    assert dead_letter([message], wedding.ports) == [message.message_id]
    assert message.message_id in wedding.world.returned


def test_when_the_dead_letter_queue_is_away_poison_comes_back(wedding: Wedding) -> None:
    wedding.send()
    wedding.world.queue[0] = replace(wedding.world.queue[0], body="{broken")
    wedding.world.away = {"queue"}
    assert len(wedding.work()) == 1


def test_throttled_connected_people_get_another_try_until_attempts_are_used_up(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    wedding.world.refusing = {"c1": "throttled"}
    broadcast_id = wedding.send(Lane.CRITICAL)
    message = wedding.world.queue[0]
    assert wedding.work() == [message.message_id]
    assert wedding.world.returned[message.message_id] == 1
    for _ in range(3):
        assert wedding.redeliver(message) == [message.message_id]
    assert wedding.redeliver(message) == []
    assert wedding.statuses(broadcast_id)["anna"] is Status.FAILED
    assert [event["event_id"] for event in wedding.connect("c2", "anna")["events"]] == [broadcast_id]


def test_a_second_device_that_failed_is_tried_again_and_one_reached_is_sent_in_the_end(wedding: Wedding) -> None:
    wedding.connect("phone", "anna")
    wedding.connect("tablet", "anna")
    wedding.world.refusing = {"tablet": "server"}
    broadcast_id = wedding.send()
    message = wedding.world.queue[0]
    assert wedding.work() == [message.message_id]
    assert wedding.redeliver(message) == [message.message_id]
    assert wedding.redeliver(message) == []
    assert wedding.statuses(broadcast_id)["anna"] is Status.SENT


def test_no_token_from_the_governor_costs_no_attempt(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    wedding.world.refusing = {"c1": "budget"}
    broadcast_id = wedding.send()
    assert len(wedding.work()) == 1
    assert wedding.world.deliveries[broadcast_id, "anna"].attempts == 0


def test_ghosts_are_forgotten(wedding: Wedding) -> None:
    for number in range(1000):
        wedding.connect(f"ghost{number}", "anna")
    wedding.connect("alive", "anna")
    wedding.world.alive = {"alive"}
    broadcast_id = wedding.send()
    wedding.work()
    assert list(wedding.world.active) == ["alive"]
    assert wedding.world.index == {"alive": "anna"}
    assert wedding.statuses(broadcast_id)["anna"] is Status.SENT
    assert wedding.world.counted[Metric.GONE] == 1000


def test_every_device_that_was_refused_is_a_post_refused(wedding: Wedding) -> None:
    refusing = {"phone": "throttled", "tablet": "throttled", "watch": "budget", "clock": "server"}
    for device in (*refusing, "desk"):
        wedding.connect(device, "anna")
    wedding.world.refusing = refusing
    wedding.send()
    wedding.work()
    counted = wedding.world.counted
    posts = (Metric.POSTS, Metric.THROTTLED, Metric.HELD_BACK, Metric.POST_FAILED)
    assert [counted[metric] for metric in posts] == [5, 2, 1, 1]


def test_what_quiet_hours_held_back_says_nothing_about_how_fast_the_lanes_are(wedding: Wedding) -> None:
    night = Preferences(quiet=QuietHours(time(22), time(8), enabled=True))
    wedding.world.people["carl"] = replace(wedding.world.people["carl"], preferences=night)
    wedding.world.now = wedding.world.now.replace(hour=21)
    wedding.send()
    wedding.work()
    wedding.world.now += timedelta(hours=10)
    wedding.connect("c1", "carl")
    wedding.relay()
    wedding.work()
    assert len(wedding.shown("c1")) == 1
    assert Metric.ACCEPTED_TO_FIRST_POST not in wedding.world.counted
    wedding.send()
    wedding.work()
    assert wedding.world.counted[Metric.ACCEPTED_TO_FIRST_POST] == 0, "posted at once"


def test_a_wiped_index_loses_nothing(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    wedding.world.index = None
    wedding.send()
    wedding.work()
    assert len(wedding.shown("c1")) == 1
    assert wedding.world.counted[Metric.INDEX_MISS] == wedding.world.counted[Metric.INDEX_LOOKUP] == 1


def test_an_index_that_forgot_somebody_loses_nothing(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    wedding.world.index = {}
    wedding.send()
    wedding.work()
    assert len(wedding.shown("c1")) == 1


def test_cancel_stops_what_is_not_posted_and_takes_back_the_rest(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    shown = wedding.send()
    wedding.work()
    stopped = wedding.send()
    cancel(stopped, PLANNER, wedding.ports, wedding.world.now)
    cancel(shown, PLANNER, wedding.ports, wedding.world.now)
    wedding.work()
    events = wedding.shown("c1")
    assert [event["name"] for event in events] == ["timeline.shifted", "retracted"]
    assert events[1]["data"]["event_id"] == shown
    assert wedding.statuses(stopped) == dict.fromkeys(TEAM, Status.CANCELED)
    told = wedding.connect("c2", "dora")
    assert [item.get("reason", item.get("name")) for item in told["events"]] == ["canceled", "retracted"]


def test_expired_is_not_posted_and_resumes_as_a_tombstone(wedding: Wedding) -> None:
    soon = wedding.world.now + timedelta(seconds=10)
    in_time = wedding.send(expires_at=soon)
    wedding.work()
    wedding.connect("c1", "anna")
    too_late = wedding.send(expires_at=soon)
    wedding.world.now = soon
    wedding.work()
    assert wedding.shown("c1") == []
    assert wedding.statuses(too_late)["anna"] is Status.EXPIRED
    told = wedding.connect("c2", "anna")
    assert [(item["type"], item["event_id"]) for item in told["events"]] == [("tombstone", in_time)]


def test_an_escalation_repeats_only_to_those_who_have_not_acked(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    wedding.connect("c2", "ben")
    wedding.send(Lane.CRITICAL, escalate_after_s=30)
    wedding.work()
    wedding.say("c1", {"action": "ack", "channel": "inbox", "epoch": "e1", "offsets": {"critical": 1}})
    wedding.world.now += timedelta(seconds=30)
    assert wedding.relay()["escalated"] == 1
    wedding.work()
    assert [event.get("attempt", 1) for event in wedding.shown("c1")] == [1]
    assert [(event["offset"], event.get("attempt", 1)) for event in wedding.shown("c2")] == [(1, 1), (1, 2)]


def test_a_large_audience_is_cut_and_everybody_gets_it_once(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "PAGE", 60)
    people = {f"u{number:03}": Recipient(f"u{number:03}", Role(number % 4), "UTC") for number in range(230)}
    wedding.world.people = people
    broadcast_id = wedding.send(audience=Audience(AudienceType.EVERYONE))
    wedding.work()
    assert set(wedding.statuses(broadcast_id)) == set(people)
    assert wedding.world.broadcasts[broadcast_id].expected == 230
    assert all(head.head == 1 for head in wedding.world.heads.values())


def test_long_work_keeps_its_messages_hidden(wedding: Wedding) -> None:
    people = {f"u{number:04}": Recipient(f"u{number:04}", Role.GUEST, "UTC") for number in range(1200)}
    wedding.world.people |= people
    wedding.world.teams["W1"] |= dict.fromkeys(people, Role.GUEST)
    wedding.send()
    message = wedding.world.queue[0]
    ticks = iter(range(0, 100_000, 10))
    slow = replace(wedding.ports, clock=lambda: wedding.world.now + timedelta(seconds=next(ticks)))
    wedding.ports = slow
    assert wedding.work() == []
    assert wedding.world.returned[message.message_id] == 30
