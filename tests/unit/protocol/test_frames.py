from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carillon.errors import (
    CarillonError,
    FrameActionError,
    FrameChannelError,
    FrameError,
    FrameJsonError,
    FrameVersionError,
    OutageError,
)
from carillon.model import Event, Kind, Lane
from carillon.protocol import frames

SUBSCRIBE = {"id": 7, "action": "subscribe", "channel": "inbox"}
EVENT = Event(Lane.HIGH, 3, "e1", "a.b", Kind.BUSINESS, ts=5, expires_at=None, data={"ort": "Köln"}, wedding_id="W1")


@pytest.mark.parametrize(
    ("text", "error", "frame_id", "says"),
    [
        ("{", FrameJsonError, None, "not JSON"),
        (b"\xff{}", FrameJsonError, None, "UTF-8"),
        ("[1]", FrameJsonError, None, "one JSON object"),
        ('{"id":3}', FrameActionError, 3, "`action` is missing"),
        ('{"id":3,"action":"switch"}', FrameActionError, 3, "'switch', which is unknown; it takes one of subscribe"),
        ('{"id":"a","action":["ping"]}', FrameActionError, "a", "unknown"),
        ('{"action":"subscribe","channel":"inbox"}', FrameError, None, "`id` is missing"),
        ('{"id":true,"action":"subscribe","channel":"inbox"}', FrameError, None, "`id` must be a whole number"),
        ('{"id":1,"action":"subscribe","channel":"ops"}', FrameChannelError, 1, "must be 'inbox'"),
        ('{"id":1,"v":2,"action":"subscribe","channel":"inbox"}', FrameVersionError, 1, "`v` must be 1"),
        ('{"id":1,"v":true,"action":"subscribe","channel":"inbox"}', FrameVersionError, 1, "`v` must be 1"),
        ('{"id":1,"action":"subscribe","channel":"inbox","recover":[]}', FrameError, 1, "`recover` must be"),
        (
            '{"id":1,"action":"subscribe","channel":"inbox","recover":{"epoch":"k","offsets":{"low":1.5}}}',
            FrameError,
            1,
            "`recover.offsets.low` must be a whole number",
        ),
        (
            '{"action":"ack","channel":"inbox","epoch":"k","offsets":{"lows":1}}',
            FrameError,
            None,
            "'lows', which is no lane; lanes: critical, high, normal, low",
        ),
        (
            '{"action":"ack","channel":"inbox","epoch":"k","offsets":{"low":true}}',
            FrameError,
            None,
            "`offsets.low` must be a whole number",
        ),
        ("x" * (frames.MAX_MESSAGE_BYTES + 1), FrameError, None, "longer than 131072 bytes"),
    ],
)
def test_bad_frames_are_refused_with_what_was_wrong(
    text: str | bytes, error: type[FrameError], frame_id: int | str | None, says: str
) -> None:
    with pytest.raises(FrameError) as caught:
        frames.parse_client(text)
    assert type(caught.value) is error
    assert says in caught.value.message
    answer = json.loads(frames.encode_error(caught.value))
    assert (answer["code"], answer.get("id")) == (error.code, frame_id)


def test_members_that_v1_does_not_know_are_left_alone() -> None:
    assert frames.parse_client(json.dumps(SUBSCRIBE | {"later": 1})) == frames.Subscribe(id=7, channel="inbox")


def test_a_lane_that_recover_leaves_out_stays_out() -> None:
    text = json.dumps(SUBSCRIBE | {"recover": {"epoch": "k3", "offsets": {"critical": 4}}})
    frame = frames.parse_client(text)
    assert isinstance(frame, frames.Subscribe)
    assert frame.recover == frames.Recover(epoch="k3", offsets={Lane.CRITICAL: 4})


def test_renderer_changes_offset_and_attempt_only() -> None:
    renderer = frames.event_renderer(EVENT, "k3")
    first, reminder = json.loads(renderer.render(41)), json.loads(renderer.render(42, attempt=2))
    assert first == {
        "type": "event",
        "channel": "inbox",
        "lane": "high",
        "epoch": "k3",
        "offset": 41,
        "event_id": "e1",
        "name": "a.b",
        "kind": "business",
        "ts": 5,
        "expires_at": None,
        "wedding_id": "W1",
        "data": {"ort": "Köln"},
    }
    assert reminder == first | {"offset": 42, "attempt": 2}


def test_a_tombstone_stands_for_an_event_and_is_never_posted() -> None:
    gone = Event(Lane.LOW, 9, "e2", "x", Kind.SYSTEM, ts=1, expires_at=2, data={}, tombstone="expired")
    assert frames.event_item(gone, "k") == frames.Tombstone(lane=Lane.LOW, offset=9, event_id="e2", reason="expired")
    with pytest.raises(ValueError, match="never posted"):
        frames.event_renderer(gone, "k")


def test_errors_say_whether_and_when_to_try_again() -> None:
    assert json.loads(frames.encode_error(OutageError("away", retry_after_s=1.2345), 9)) == {
        "type": "error",
        "id": 9,
        "code": "outage",
        "message": "away",
        "temporary": True,
        "retry_after_ms": 1235,
    }
    assert json.loads(frames.encode_error(CarillonError("?"))) == {
        "type": "error",
        "code": "internal",
        "message": "?",
        "temporary": False,
        "retry_after_ms": None,
    }


def test_an_unknown_server_frame_is_an_action_error_so_that_clients_can_leave_it() -> None:
    with pytest.raises(FrameActionError):
        frames.parse_server('{"type":"presence"}')


# a busy machine is no failure
BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["id", "v", "action", "channel", "recover", "epoch", "offsets", "token"])
WORDS = st.sampled_from(["subscribe", "ack", "ping", "sync", "refresh", "unsubscribe", "inbox"])


@BUSY
@given(st.dictionaries(MEMBERS, JSON | WORDS) | JSON)
def test_whatever_a_client_sends_is_a_frame_or_a_coded_error(value: Any) -> None:
    try:
        answer = frames.encode(frames.parse_client(json.dumps(value)))
    except FrameError as error:
        answer = frames.encode_error(error)
    said = json.loads(answer)
    assert said.get("type") == "error" or frames.encode(frames.parse_client(answer)) == answer


@BUSY
@given(st.binary(max_size=64))
def test_whatever_bytes_come_are_refused_with_a_code(data: bytes) -> None:
    with pytest.raises(FrameError):
        frames.parse_client(data)
