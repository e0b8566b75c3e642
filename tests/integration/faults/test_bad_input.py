"""Bad input gets a clear, coded answer through the real doors, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from carillon.names import BEARER_PREFIX, SUBPROTOCOL, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.faults.stage import Stage

WRITE = [Scope.BROADCAST_WRITE]
KB = 1024
GOOD: dict[str, Any] = {
    "audience": {"type": "everyone"},
    "priority": "low",
    "kind": "system",
    "name": "news",
    "data": {},
}
TABLES = (
    *("users", "weddings", "wedding_team", "preferences", "segments", "broadcasts", "idempotency", "outbox"),
    *("deliveries", "inbox_heads", "delayed_deliveries", "escalations", "dead_letters"),
)


@contextlib.contextmanager
def nothing_stored(stage: Stage) -> Iterator[None]:
    """No table holds anything else after the block than before."""
    per_table = "SELECT '{0}', count(*), sum(hashtext(t::text)) FROM {0} t"
    query = " UNION ALL ".join(per_table.format(table) for table in TABLES)
    before = sorted(stage.rows(query))
    yield
    assert sorted(stage.rows(query)) == before


# HTTP


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"audience": {"type": "wedding", "wedding_id": "nowhere"}}, 422, "audience.unknown"),
        ({"audience": {"type": "users", "user_ids": ["nobody"]}}, 422, "audience.unknown"),
        ({"audience": {"type": "segment", "segment_id": "none"}}, 422, "audience.unknown"),
        ({"audience": {"type": "friends"}}, 422, "input.invalid"),
        ({"audience": {"type": "holders", "broadcast_id": "x"}}, 422, "input.invalid"),
        ({"priority": "urgent"}, 422, "input.invalid"),
        ({"name": "Not A Name!"}, 422, "input.invalid"),
        ({"data": {"text": "x" * 25 * KB}}, 422, "input.invalid"),
        ({"data": []}, 422, "input.invalid"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "input.invalid"),
        ({"send_at": "tomorrow"}, 422, "input.invalid"),
        ({"escalate_after_s": 30}, 422, "input.invalid"),
        ({"surprise": 1}, 422, "input.invalid"),
        ({"priority": "critical"}, 403, "scope.missing"),
    ],
)
def test_a_bad_broadcast_is_refused(stage: Stage, change: dict[str, Any], status: int, code: str) -> None:
    headers = stage.headers(WRITE) | {"Idempotency-Key": "bad-input"}
    with nothing_stored(stage):
        answer = stage.http.post("/v1/broadcasts", json=GOOD | change, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert problem["detail"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"x" * KB * KB, 413, "input.too_large"),
        (json.dumps(GOOD | {"data": {"x": "y" * KB * KB}}).encode(), 413, "input.too_large"),
        (b'{"audience":', 422, "input.invalid"),
        (b"\xff\xfe", 422, "input.invalid"),
        (b"null", 422, "input.invalid"),
        (b"", 422, "input.invalid"),
        (b"[" * 100_000, 422, "input.invalid"),
    ],
    ids=["1 MB", "1 MB of data", "cut off", "no UTF-8", "null", "nothing", "deep"],
)
def test_a_bad_body_is_refused(stage: Stage, content: bytes, status: int, code: str) -> None:
    headers = stage.headers(WRITE) | {"Content-Type": "application/json"}
    with nothing_stored(stage):
        answer = stage.http.post("/v1/broadcasts", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_supplier_cannot_address_a_foreign_wedding(stage: Stage) -> None:
    wedding = stage.wedding(couple=1)
    headers = stage.headers(WRITE, sub="flora", supplier_id="S-flora")
    with nothing_stored(stage):
        answer = stage.http.post("/v1/broadcasts", json=GOOD | {"audience": wedding.audience}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "wedding.foreign")


def test_a_bad_token_gets_nobody_in(stage: Stage) -> None:
    issuer = stage.system.issuer
    right = issuer.token("ops", Scope)
    head, claims, signature = right.split(".")
    bad = {
        "nonsense": "token.invalid",
        f"{head}.{claims}.": "token.invalid",
        f"{head}.{claims}.{signature[::-1]}": "token.invalid",
        issuer.token("ops", Scope, ttl_s=-60): "token.expired",
    }
    with nothing_stored(stage):
        for token, code in bad.items():
            answer = stage.http.post("/v1/broadcasts", json=GOOD, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["code"]) == (401, code)
            assert "Bearer" in answer.headers["WWW-Authenticate"]


# WebSocket


def open_socket(stage: Stage, token: str, **more: Any) -> ClientConnection:
    """A socket as any program would open it."""
    protocols: Any = [SUBPROTOCOL, BEARER_PREFIX + token]
    return connect(stage.fleet.url, subprotocols=protocols, open_timeout=10, close_timeout=5, max_size=None, **more)


def test_no_socket_without_a_right_token(stage: Stage) -> None:
    issuer = stage.system.issuer
    stage.people_once({"intruder": "guest"})
    bad = ["nonsense", issuer.token("intruder", ttl_s=-60), issuer.token("intruder")[:-6] + "AAAAAA"]
    for token in bad:
        with pytest.raises(InvalidStatus) as refused:
            open_socket(stage, token)
        assert refused.value.response.status_code in (401, 403)
    with pytest.raises(InvalidStatus):
        connect(f"{stage.fleet.url}?token={issuer.token('intruder')}", open_timeout=10)
    assert stage.rows("SELECT 1 FROM connections WHERE user_id = 'intruder'") == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("no JSON", "frame.json"),
        ("[1, 2]", "frame.json"),
        ("{" * 1_000, "frame.json"),
        ("", "frame.json"),
        ({"id": 1}, "frame.action"),
        ({"id": 1, "action": "sing"}, "frame.action"),
        ({"id": 1, "action": None}, "frame.action"),
        ({"id": 1, "action": "subscribe", "channel": "wedding:W1"}, "frame.channel"),
        ({"id": 1, "action": "subscribe"}, "frame.invalid"),
        ({"action": "subscribe", "channel": "inbox"}, "frame.invalid"),
        ({"id": 1, "action": "sync", "channel": "inbox", "epoch": 7, "offsets": {}}, "frame.invalid"),
        ({"id": 1, "v": 9, "action": "subscribe", "channel": "inbox"}, "frame.version"),
        ({"id": 1, "action": "ack", "channel": "inbox", "epoch": "e", "offsets": {"normal": -1}}, "frame.invalid"),
        ({"id": 1, "action": "ack", "channel": "inbox", "epoch": "e", "offsets": {"urgent": 1}}, "frame.invalid"),
        ({"id": 1, "action": "ack", "channel": "inbox", "epoch": "e", "offsets": {"low": 2**63}}, "frame.invalid"),
        ({"id": 1, "action": "refresh", "token": "nonsense"}, "token.invalid"),
    ],
)
def test_a_bad_frame_gets_an_error_and_the_socket_stays(stage: Stage, frame: Any, code: str) -> None:
    stage.people_once({"bea": "guest"})
    with open_socket(stage, stage.system.issuer.token("bea")) as socket:
        with nothing_stored(stage):
            socket.send(frame if isinstance(frame, str) else json.dumps(frame))
            answer = json.loads(socket.recv(10))
        assert (answer["type"], answer["code"]) == ("error", code), answer
        assert answer["message"]
        assert answer.get("id") == (frame.get("id") if isinstance(frame, dict) else None)
        socket.send('{"action":"ping"}')
        assert json.loads(socket.recv(10)) == {"type": "pong"}


def test_a_token_of_another_person_refreshes_nothing(stage: Stage) -> None:
    issuer = stage.system.issuer
    stage.people_once({"bea": "guest", "carl": "guest"})
    with open_socket(stage, issuer.token("bea")) as socket:
        socket.send(json.dumps({"id": 5, "action": "refresh", "token": issuer.token("carl")}))
        answer = json.loads(socket.recv(10))
    assert (answer["code"], answer["id"]) == ("token.invalid", 5)


@pytest.mark.parametrize("pieces", [["x" * 33 * KB], ["x" * 30 * KB] * 5], ids=["frame", "message"])
def test_what_is_too_large_closes_the_socket(stage: Stage, pieces: list[str]) -> None:
    """32 KB a frame, 128 KB a message, as at API Gateway."""
    stage.people_once({"bea": "guest"})
    with nothing_stored(stage), open_socket(stage, stage.system.issuer.token("bea")) as socket:
        with contextlib.suppress(ConnectionClosed):
            socket.send(iter(pieces) if len(pieces) > 1 else pieces[0])
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_an_ack_beyond_the_head_counts_what_was_given_out(stage: Stage) -> None:
    """A client that lies gains nothing: what comes later is still unacked."""
    wedding = stage.wedding(couple=1)
    (anna,) = wedding.users
    first = stage.send(wedding.audience)
    with open_socket(stage, stage.system.issuer.token(anna)) as socket:
        socket.send(json.dumps({"id": 1, "action": "subscribe", "channel": "inbox"}))
        epoch = json.loads(socket.recv(10))["epoch"]
        lie = {"id": 2, "action": "ack", "channel": "inbox", "epoch": epoch, "offsets": {"normal": 10**6}}
        for _ in range(200):  # until the first is recorded, there is nothing to ack
            socket.send(json.dumps(lie))
            answer = json.loads(socket.recv(10))
            if answer["type"] == "acked" and answer["offsets"]:
                break
        assert answer["offsets"] == {"normal": 1}
    second = stage.send(wedding.audience)
    stage.verify_clean()
    assert stage.statuses(first) == {"delivered": 1}
    assert stage.statuses(second) == {"queued": 1}
