"""What happens to a broadcast and to a socket over time: tokens end, moments come, senders change their minds."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.faults.phones import all_have, all_live
from tests.integration.faults.test_bad_input import open_socket
from tests.integration.faults.waiting import until

if TYPE_CHECKING:
    from tests.integration.faults.stage import Stage

ESCALATE_S = 5
"""The least that the API takes."""


def test_a_socket_whose_token_ended_is_told_and_closed(stage: Stage) -> None:
    stage.people_once({"dora": "guest"})
    with open_socket(stage, stage.system.issuer.token("dora", ttl_s=2)) as socket:
        socket.send(json.dumps({"id": 1, "action": "subscribe", "channel": "inbox"}))
        assert json.loads(socket.recv(10))["type"] == "subscribed"
        told = json.loads(socket.recv(20))
        assert (told["type"], told["code"], told["reconnect"]) == ("disconnect", 4201, True)
        with pytest.raises(ConnectionClosed):
            socket.recv(10)
    assert stage.rows("SELECT 1 FROM connections WHERE user_id = 'dora'") == []


def test_a_socket_that_got_a_new_token_lives_on(stage: Stage) -> None:
    issuer = stage.system.issuer
    stage.people_once({"dora": "guest"})
    with open_socket(stage, issuer.token("dora", ttl_s=2)) as socket:
        socket.send(json.dumps({"id": 1, "action": "subscribe", "channel": "inbox"}))
        assert json.loads(socket.recv(10))["type"] == "subscribed"
        socket.send(json.dumps({"id": 2, "action": "refresh", "token": issuer.token("dora", ttl_s=3600)}))
        assert json.loads(socket.recv(10))["type"] == "refreshed"
        # Another socket, opened later and with a token that ends later, is reaped first: then ours was left alone.
        with open_socket(stage, issuer.token("dora", ttl_s=3)) as other:
            assert json.loads(other.recv(20))["type"] == "disconnect"
        socket.send('{"action":"ping"}')
        assert json.loads(socket.recv(10)) == {"type": "pong"}


def test_a_phone_brings_new_tokens_before_the_old_ones_end(stage: Stage) -> None:
    wedding = stage.wedding(couple=2)
    phones = stage.fleet.online(wedding.users, ttl_s=4)
    ends = "SELECT min(expires_at) FROM connections WHERE user_id = ANY(%s)"
    ((first_end,),) = stage.rows(ends, wedding.users)
    until(lambda: stage.now() > first_end + timedelta(seconds=1), "the first tokens to be over")
    all_have(phones, [stage.send(wedding.audience)])
    assert [phone.client.statistics.reconnects for phone in phones] == [0, 0]


def test_send_at_waits_for_its_moment_and_comes_with_it(stage: Stage) -> None:
    wedding = stage.wedding(couple=2, guest=3)
    phones = stage.fleet.online(wedding.users)
    moment = stage.now() + timedelta(seconds=2)
    later = stage.send(wedding.audience, send_at=moment.isoformat())
    sooner = stage.send(wedding.audience)
    all_have(phones, [sooner, later])
    assert {tuple(phone.shown) for phone in phones} == {(sooner, later)}
    ((first,),) = stage.rows("SELECT min(sent_at) FROM deliveries WHERE broadcast_id = %s", later)
    assert first is None or first >= moment
    stage.verify_clean()


def night(stage: Stage) -> dict[str, Any]:
    """Quiet hours that hold the present, at the person's place as at the venue's."""
    now = stage.now()
    return {"enabled": True, "start": f"{now - timedelta(hours=2):%H:%M}", "end": f"{now + timedelta(hours=6):%H:%M}"}


def test_quiet_hours_hold_back_until_they_end(stage: Stage) -> None:
    """The night is ended by hand: what is waited for is that the relay releases, and preferences are asked again."""
    wedding = stage.wedding(couple=2, guest=2)
    sleeper, leaver, *awake = wedding.users
    quiet = night(stage)
    for user in (sleeper, leaver):
        stage.ask("PUT", f"/v1/users/{user}/preferences", {"quiet_hours": quiet})
    phones = stage.fleet.online([sleeper, *awake])
    whispered = stage.send(wedding.audience)
    all_have(phones[1:], [whispered])
    until(lambda: stage.statuses(whispered)["delayed"] == 2, "two to be asleep")
    shouted = stage.send(wedding.audience, "critical")
    all_have(phones, [shouted])
    assert phones[0].shown == [shouted]

    stage.ask("PUT", f"/v1/users/{sleeper}/preferences", {"quiet_hours": quiet | {"enabled": False}})
    stage.ask("PUT", f"/v1/users/{leaver}/preferences", {"kinds": []})
    stage.rows("UPDATE delayed_deliveries SET release_at = now() WHERE broadcast_id = %s", whispered)
    all_have(phones, [whispered, shouted])
    until(lambda: stage.statuses(whispered) == {"delivered": 3, "filtered": 1}, "everybody to be in one place")
    stage.verify_clean()


def test_who_left_while_it_was_delayed_gets_nothing_and_is_not_waited_for(stage: Stage) -> None:
    wedding = stage.wedding(couple=2)
    stayer, leaver = wedding.users
    stage.ask("PUT", f"/v1/users/{leaver}/preferences", {"quiet_hours": night(stage)})
    phones = stage.fleet.online([stayer])
    whispered = stage.send(wedding.audience)
    all_have(phones, [whispered])
    until(lambda: stage.statuses(whispered)["delayed"] == 1, "one to be asleep")
    stage.ask("DELETE", f"/v1/weddings/{wedding.wedding_id}/team/{leaver}")
    stage.rows("UPDATE delayed_deliveries SET release_at = now() WHERE broadcast_id = %s", whispered)
    until(lambda: stage.statuses(whispered) == {"delivered": 1}, "nobody to be waited for")
    stage.verify_clean()


def test_cancel_takes_it_back_from_who_is_connected(stage: Stage) -> None:
    wedding = stage.wedding(couple=2, guest=3)
    phones = stage.fleet.online(wedding.users)
    mistaken, right = stage.send(wedding.audience), stage.send(wedding.audience)
    all_have(phones, [mistaken, right])
    stage.ask("POST", f"/v1/broadcasts/{mistaken}/cancel")
    until(lambda: all(phone.retracted == [mistaken] for phone in phones), "it to be taken back everywhere")
    assert stage.status(mistaken)["state"] == "canceled"
    late = stage.fleet.online(wedding.users[:1])[0]
    assert mistaken not in late.shown
    assert [phone.faults() for phone in phones if phone.faults()] == []
    stage.verify_clean()


def test_cancel_before_its_time_reaches_nobody(stage: Stage) -> None:
    wedding = stage.wedding(couple=2)
    phones = stage.fleet.online(wedding.users)
    moment = (stage.now() + timedelta(seconds=2)).isoformat()
    canceled = stage.send(wedding.audience, send_at=moment)
    stage.ask("POST", f"/v1/broadcasts/{canceled}/cancel")
    after = stage.send(wedding.audience, send_at=moment)
    all_have(phones, [after])
    assert [phone.shown for phone in phones] == [[after]] * 2
    assert [phone.retracted for phone in phones] == [[]] * 2


def test_what_expires_is_shown_to_nobody_who_comes_later(stage: Stage) -> None:
    wedding = stage.wedding(couple=2)
    here, away = wedding.users
    phones = stage.fleet.online([here])
    short = stage.send(wedding.audience, expires_at=(stage.now() + timedelta(seconds=2)).isoformat())
    lasting = stage.send(wedding.audience)
    all_have(phones, [short, lasting])
    until(lambda: stage.statuses(short)["expired"] == 1, "it to expire for who is away")
    (late,) = stage.fleet.online([away])
    all_have([late], [lasting])
    assert late.shown == [lasting]
    assert late.client.statistics.tombstones == 1


def test_escalation_repeats_to_who_has_not_acked_until_all_have(stage: Stage) -> None:
    wedding = stage.wedding(couple=2, guest=2)
    anna, aron, *guests = wedding.users
    quick = stage.fleet.online(guests)
    (slow,) = stage.fleet.online([anna], acks=False)
    alarm = stage.send(wedding.audience, "critical", escalate_after_s=ESCALATE_S)
    all_have([*quick, slow], [alarm])
    until(lambda: stage.status(alarm)["escalation"] == {"attempt": 2, "unacked": 2}, "the second attempt", timeout_s=20)
    until(lambda: [event.attempt for event in slow.reminders] == [2], "the reminder")
    assert [phone.reminders for phone in quick] == [[], []], "who acked is left in peace"
    left = stage.ask("GET", f"/v1/broadcasts/{alarm}/deliveries?unacked=true")["items"]
    assert [row["user_id"] for row in left] == [anna, aron]

    (late,) = stage.fleet.online([aron])
    all_have([late], [alarm])
    stage.fleet.call(lambda: slow.client.ack(slow.events[0].lane, slow.events[0].offset or 0))
    until(lambda: stage.status(alarm)["unacked"] == 0, "everybody to have acked")
    stage.rows("UPDATE escalations SET due_at = now() WHERE broadcast_id = %s", alarm)
    until(lambda: not stage.rows("SELECT 1 FROM escalations WHERE broadcast_id = %s", alarm), "its end")
    assert stage.status(alarm)["escalation"] == {"attempt": 2, "unacked": 0}


def test_a_faulty_gateway_loses_nothing(stage: Stage) -> None:
    """Posts are throttled, fail, and die before and after the frame went out."""
    wedding = stage.wedding(couple=2, guest=28)
    phones = stage.fleet.online(wedding.users)
    stage.gateway_faults(seed=5, limit_share=0.1, error_share=0.1, drop_before_share=0.05, drop_after_share=0.05)
    accepted = [stage.send(wedding.audience, ("critical", "normal")[number % 2]) for number in range(12)]
    all_have(phones, accepted, timeout_s=60)
    struck = stage.struck()
    assert min(struck[fault] for fault in ("limit", "error", "drop_before", "drop_after")) > 0, struck
    stage.gateway_faults()
    all_live(phones)
    stage.verify_clean(timeout_s=60)


def test_phones_that_vanish_without_a_word_are_forgotten_and_served_on_return(stage: Stage) -> None:
    wedding = stage.wedding(couple=2, guest=4)
    stage.gateway_faults(lost_disconnect_share=1.0)
    phones = stage.fleet.online(wedding.users)
    for phone in phones:
        phone.leave()
    until(lambda: stage.struck()["lost_disconnect"] >= len(phones), "the gateway to lose the disconnects")
    active = "SELECT count(*) FROM connections WHERE user_id = ANY(%s) AND active"
    assert stage.rows(active, wedding.users) == [(len(phones),)]
    missed = stage.send(wedding.audience)
    until(lambda: stage.rows(active, wedding.users) == [(0,)], "the ghosts to be found out")
    stage.gateway_faults()
    for phone in phones:
        phone.come()
    all_have(phones, [missed])
    assert stage.verify_clean()["totals"]["failed"] == 0
