"""What a client's frames are answered: subscribe and resume, ack, sync, refresh, unsubscribe."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from carillon.errors import FrameActionError, RateLimitedError, UnauthenticatedError, UnknownPersonError
from carillon.flow.answer import answer
from carillon.flow.connect import connect, disconnect
from carillon.model import Connection, Lane
from carillon.ports import Head
from carillon.protocol.frames import MAX_FRAME_BYTES, encode
from tests.unit.flow.conftest import PLANNER, Wedding

SYNC = {"id": 2, "action": "sync", "channel": "inbox", "epoch": "e1", "offsets": {}}
REFRESH = {"id": 3, "action": "refresh", "token": "t"}
ACK = {"id": 4, "action": "ack", "channel": "inbox", "epoch": "e1", "offsets": {"normal": 1}}
UNSUBSCRIBE = {"id": 5, "action": "unsubscribe", "channel": "inbox"}


def sent(wedding: Wedding, count: int, lane: Lane = Lane.NORMAL) -> list[str]:
    ids = [wedding.send(lane) for _ in range(count)]
    wedding.work()
    return ids


def recovered(told: dict[str, Any]) -> tuple[bool, bool, list[int]]:
    return told["recovered"], told["more"], [event["offset"] for event in told["events"]]


def test_a_client_gets_what_came_after_its_position(wedding: Wedding) -> None:
    sent(wedding, 3)
    told = wedding.connect("c1", "anna", {"epoch": "e1", "offsets": {"normal": 1}})
    assert recovered(told) == (True, False, [2, 3])
    assert told["offsets"] == {"critical": 0, "high": 0, "normal": 3, "low": 0}


def test_without_a_position_it_starts_from_what_it_acked(wedding: Wedding) -> None:
    sent(wedding, 3)
    wedding.connect("c1", "anna")
    wedding.say("c1", ACK)
    assert recovered(wedding.connect("c2", "anna")) == (True, False, [2, 3])


@pytest.mark.parametrize(
    "position",
    [{"epoch": "old", "offsets": {"normal": 2}}, {"epoch": "e1", "offsets": {"normal": 99}}],
)
def test_a_position_of_no_use_is_said_and_starts_from_the_acked(wedding: Wedding, position: dict[str, Any]) -> None:
    sent(wedding, 2)
    assert recovered(wedding.connect("c1", "anna", position)) == (False, False, [1, 2])


def test_what_is_no_longer_kept_is_not_recovered(wedding: Wedding) -> None:
    sent(wedding, 3)
    head = wedding.world.heads["anna", Lane.NORMAL]
    wedding.world.heads["anna", Lane.NORMAL] = replace(head, floor=2)
    assert recovered(wedding.connect("c1", "anna", {"epoch": "e1", "offsets": {"normal": 1}})) == (False, False, [3])


def test_events_that_vanished_do_not_make_a_client_ask_forever(wedding: Wedding) -> None:
    wedding.world.heads["anna", Lane.LOW] = Head(head=5)
    told = wedding.connect("c1", "anna")
    assert recovered(told) == (False, False, [])
    assert told["offsets"]["low"] == 5


def test_pages_fit_a_frame_and_hold_everything_lane_by_lane(wedding: Wedding) -> None:
    data = {"text": "x" * 9_000}
    for lane in (Lane.LOW, Lane.CRITICAL):
        for _ in range(6):
            draft_id = wedding.send(lane)
            wedding.world.broadcasts[draft_id] = replace(wedding.world.broadcasts[draft_id], data=data)
    wedding.work()
    position: dict[str, Any] | None = None
    seen: list[tuple[str, int]] = []
    for number in range(20):
        wedding.ports.connections.pend(Connection(f"c{number}", "anna"), wedding.world.now, wedding.world.now)
        frame = {"id": 1, "action": "subscribe", "channel": "inbox"} | ({"recover": position} if position else {})
        told = wedding.say(f"c{number}", frame)
        seen += [(event["lane"], event["offset"]) for event in told["events"]]
        position = {"epoch": told["epoch"], "offsets": told["offsets"]}
        assert len(str(told)) < MAX_FRAME_BYTES
        if not told["more"]:
            break
    assert seen == [(lane, offset) for lane in ("critical", "low") for offset in range(1, 7)]


def test_sync_tells_the_heads(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    sent(wedding, 2)
    assert wedding.say("c1", SYNC)["offsets"] == {"critical": 0, "high": 0, "normal": 2, "low": 0}


def test_refresh_keeps_the_socket_of_the_same_person(wedding: Wedding) -> None:
    wedding.connect("c1", "ben")
    assert wedding.say("c1", REFRESH) == {"type": "refreshed", "id": 3, "expires_at": PLANNER.expires_at * 1000}
    assert wedding.world.token_ends["c1"].timestamp() == PLANNER.expires_at
    wedding.connect("c2", "anna")
    with pytest.raises(UnauthenticatedError):
        wedding.say("c2", REFRESH)


def test_after_unsubscribe_nothing_is_posted(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    assert wedding.say("c1", UNSUBSCRIBE)["type"] == "unsubscribed"
    sent(wedding, 1)
    assert wedding.shown("c1") == []
    told = wedding.say("c1", {"id": 6, "action": "subscribe", "channel": "inbox"})
    assert recovered(told) == (True, False, [1])


@pytest.mark.parametrize(
    "frame", [{"id": 1, "action": "subscribe", "channel": "inbox"}, SYNC, REFRESH, ACK, UNSUBSCRIBE]
)
def test_an_unknown_socket_is_told_to_come_back(wedding: Wedding, frame: dict[str, Any]) -> None:
    told = wedding.say("nobody", frame)
    assert (told["type"], told["reconnect"]) == ("disconnect", True)


def test_ping_and_an_ack_without_id(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    assert wedding.say("c1", {"action": "ping"}) == {"type": "pong"}
    silent = {key: value for key, value in ACK.items() if key != "id"}
    assert wedding.say("c1", silent) == {}


def test_an_unknown_action_is_refused_with_its_id(wedding: Wedding) -> None:
    with pytest.raises(FrameActionError) as refused:
        answer("c1", '{"id":7,"action":"sing"}', wedding.ports, lambda _token: PLANNER, wedding.world.now)
    assert refused.value.facts["id"] == 7


def test_too_many_new_sockets_a_minute_are_refused(wedding: Wedding) -> None:
    for number in range(3):
        connect(f"c{number}", PLANNER, 3, wedding.ports, wedding.world.now)
    with pytest.raises(RateLimitedError):
        connect("c3", PLANNER, 3, wedding.ports, wedding.world.now)
    assert "c3" not in wedding.world.pending


def test_a_person_who_is_not_in_the_directory_is_refused(wedding: Wedding) -> None:
    with pytest.raises(UnknownPersonError):
        connect("c1", replace(PLANNER, subject="nobody"), 3, wedding.ports, wedding.world.now)
    assert wedding.world.pending == {}


def test_a_closed_socket_is_forgotten(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    disconnect("c1", wedding.ports)
    assert (wedding.world.active, wedding.world.index) == ({}, {})
    disconnect("c1", wedding.ports)


def test_sockets_whose_time_is_over_are_told_closed_and_forgotten(wedding: Wedding) -> None:
    connect("c1", PLANNER, 9, wedding.ports, wedding.world.now)
    wedding.connect("c2", "anna")
    wedding.world.now += timedelta(minutes=119)
    assert wedding.relay()["reaped"] == 2
    assert sorted(wedding.world.closed) == ["c1", "c2"]
    assert [b'"disconnect"' in body for _, body in wedding.world.received] == [True, True]
    assert wedding.world.pending == {}


def test_frames_are_encoded_compactly(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    told = answer("c1", '{"action":"ping"}', wedding.ports, lambda _token: PLANNER, wedding.world.now)
    assert told is not None
    assert encode(told) == '{"type":"pong"}'
