"""The HTTP API on a real PostgreSQL: what a caller sends, what they get, and what is stored."""

from __future__ import annotations

import base64
import html
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from fastapi import APIRouter

from carillon.model import Lane
from tests.integration.served import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.integration.served import Served

W1 = {"type": "wedding", "wedding_id": "W1"}
PLAIN = {"audience": W1, "name": "timeline.shifted", "data": {"ceremony": "15:30"}}
WRITE = "broadcast:write"
LATER = (datetime.now(UTC) + timedelta(hours=2)).isoformat()


@pytest.fixture(scope="module")
def server(postgres: str) -> Iterator[Served]:
    with serve(postgres, websocket_url="ws://127.0.0.1:9999/local") as served:
        yield served


@pytest.fixture
def api(server: Served) -> Served:
    """The server with weddings W1 and W2 and nothing else, whatever the test before did."""
    server.empty()
    directory = [
        {"user_id": "ann", "name": "Ann Lee", "role": "couple"},
        {"user_id": "bo", "name": "Bo Lee", "role": "couple"},
        {"user_id": "pia", "name": "Pia Plan", "role": "planner"},
        {"user_id": "phil", "name": "Phil Flower", "role": "vendor", "supplier_id": "flowers", "tier": "paid"},
        {"user_id": "gus", "name": "Gus Guest", "role": "guest"},
    ]
    wedding = {"wedding_name": "Ann & Bo", "starts_at": "2027-06-12 15:00", "wedding_time_zone": "Europe/Lisbon"}
    rows = [{"wedding_id": "W1"} | wedding | person for person in directory]
    rows += [{"wedding_id": "W2"} | wedding | {"user_id": "zoe", "name": "Zoe Far", "role": "guest"}]
    content = "\n".join(map(json.dumps, rows))
    assert server.call("POST", "/v1/import", content=content).json()["stored"] == 6
    return server


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer as the problem document that it must be."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert body.keys() >= {"type", "title", "status", "detail", "code", "instance", "errors"}
    assert (body["status"], body["code"]) == (status, code)
    return body


def stored(api: Served) -> int:
    row = api.database.one("SELECT count(*) AS n FROM broadcasts")
    assert row is not None
    return int(row["n"])


# --- broadcasts


def test_a_broadcast_is_accepted_delivered_and_told(api: Served) -> None:
    answer = api.call("POST", "/v1/broadcasts", PLAIN | {"priority": "high", "kind": "business"})
    assert answer.status_code == 202
    sent = answer.json()
    assert answer.headers["location"] == f"/v1/broadcasts/{sent['id']}"
    assert sent.items() >= {"priority": "high", "kind": "business", "state": "accepted", "audience": W1}.items()
    api.consume()
    status = api.get(answer.headers["location"])
    assert (status["state"], status["expected"], status["recipients"]) == ("processed", 5, 5)
    assert status["unacked"] == status["counts"]["queued"] == 5
    rows = api.get(f"{answer.headers['location']}/deliveries")["items"]
    assert [(row["user_id"], row["role"], row["offset"]) for row in rows][:2] == [
        ("ann", "couple", 1),
        ("bo", "couple", 1),
    ]


@pytest.mark.parametrize(
    ("audience", "people"),
    [
        ({"type": "users", "user_ids": ["zoe", "ann"]}, {"zoe", "ann"}),
        (W1, {"ann", "bo", "pia", "phil", "gus"}),
        ({"type": "role", "wedding_id": "W1", "role": "couple"}, {"ann", "bo"}),
        ({"type": "segment", "segment_id": "paying"}, {"phil"}),
        ({"type": "everyone"}, {"ann", "bo", "pia", "phil", "gus", "zoe"}),
    ],
)
def test_every_kind_of_audience_reaches_its_people(api: Served, audience: dict[str, Any], people: set[str]) -> None:
    api.call("PUT", "/v1/segments/paying", {"name": "Paying", "tiers": ["paid", "premium"]})
    sent = api.call("POST", "/v1/broadcasts", PLAIN | {"audience": audience})
    assert sent.status_code == 202, sent.text
    assert sent.json()["audience"] == audience
    api.consume()
    rows = api.get(f"{sent.headers['location']}/deliveries")["items"]
    assert {row["user_id"] for row in rows} == people


def test_a_preview_counts_and_stores_nothing(api: Served) -> None:
    api.call("PUT", "/v1/users/gus/preferences", {"critical_only": True})
    api.call("PUT", "/v1/users/pia/preferences", {"channels": ["in_app"]})
    seen = api.call("POST", "/v1/broadcasts/preview", PLAIN).json()
    assert seen == {"expected": 5, "now": 4, "inbox_only": 1, "delayed": 0, "filtered": 1}
    assert stored(api) == 0


def test_a_replay_answers_the_first_result(api: Served) -> None:
    key = {"Idempotency-Key": "shift-1"}
    first = api.call("POST", "/v1/broadcasts", PLAIN, headers=key)
    again = api.call("POST", "/v1/broadcasts", PLAIN | {"priority": "normal"}, headers=key)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.json()) == (202, first.json())
    assert stored(api) == 1


def test_a_key_is_good_for_one_request_of_one_sender(api: Served) -> None:
    key = {"Idempotency-Key": "shift-1"}
    api.call("POST", "/v1/broadcasts", PLAIN, headers=key)
    problem(api.call("POST", "/v1/broadcasts", PLAIN | {"name": "x"}, headers=key), 409, "idempotency.conflict")
    assert api.call("POST", "/v1/broadcasts", PLAIN | {"name": "x"}, headers=key, sub="another").status_code == 202


def test_a_canceled_broadcast_stays_canceled(api: Served) -> None:
    sent = api.call("POST", "/v1/broadcasts", PLAIN | {"send_at": LATER}).json()
    for _ in range(2):
        canceled = api.call("POST", f"/v1/broadcasts/{sent['id']}/cancel")
        assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")
    assert api.get(f"/v1/broadcasts/{sent['id']}")["canceled_at"] is not None


def test_an_escalating_broadcast_tells_who_is_left(api: Served) -> None:
    sent = api.call("POST", "/v1/broadcasts", PLAIN | {"priority": "critical", "escalate_after_s": 60}).json()
    api.consume()
    assert api.get(f"/v1/broadcasts/{sent['id']}")["escalation"] == {"attempt": 1, "unacked": 5}
    left = api.get(f"/v1/broadcasts/{sent['id']}/deliveries?unacked=true&limit=2")
    rest = api.get(f"/v1/broadcasts/{sent['id']}/deliveries?unacked=true&limit=3&cursor={left['next_cursor']}")
    assert [row["user_id"] for row in left["items"] + rest["items"]] == ["ann", "bo", "gus", "phil", "pia"]
    assert rest["next_cursor"] is None
    assert api.get(f"/v1/broadcasts/{sent['id']}/deliveries?status=delivered")["items"] == []


def test_broadcasts_are_listed_newest_first_in_pages(api: Served) -> None:
    ids = [api.call("POST", "/v1/broadcasts", PLAIN | {"name": f"n{number}"}).json()["id"] for number in range(5)]
    api.call("POST", "/v1/broadcasts", PLAIN | {"audience": {"type": "wedding", "wedding_id": "W2"}})
    seen, cursor = [], ""
    for _ in range(3):
        page = api.get(f"/v1/broadcasts?wedding=W1&limit=2{cursor}")
        seen += [item["id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids[::-1]
    assert page["next_cursor"] is None


# --- what is wrong with a request


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "Not A Name"}, "/name"),
        ({"name": "a" * 101}, "/name"),
        ({"priority": "urgent"}, "/priority"),
        ({"kind": "party"}, "/kind"),
        ({"data": []}, "/data"),
        ({"data": {"x": "a\x00b"}}, "/data"),
        ({"data": {"a\x00b": 1}}, "/data"),
        ({"data": {"x": "y" * 24_600}}, "/data"),
        ({"data": {"x": 2**53}}, "/data"),
        ({"data": {"x": 1e300}}, "/data"),
        ({"data": {"x": 1e-300}}, "/data"),
        ({"audience": {"type": "all"}}, "/audience"),
        ({"audience": {"type": "wedding"}}, "/audience/wedding_id"),
        ({"audience": {"type": "wedding", "wedding_id": "a b"}}, "/audience/wedding_id"),
        ({"audience": {"type": "users", "user_ids": []}}, "/audience/user_ids"),
        ({"audience": {"type": "users", "user_ids": ["ann", "ann"]}}, "/audience/user_ids"),
        ({"audience": {"type": "users", "user_ids": [f"u{n}" for n in range(1_001)]}}, "/audience/user_ids"),
        ({"audience": {"type": "role", "wedding_id": "W1", "role": "cat"}}, "/audience/role"),
        ({"send_at": "tomorrow"}, "/send_at"),
        ({"send_at": 1_800_000_000}, "/send_at"),
        ({"send_at": "2027-06-12T15:00:00"}, "/send_at"),
        ({"send_at": "9999-12-31T23:59:59-23:59"}, "/send_at"),
        ({"send_at": (datetime.now(UTC) + timedelta(days=400)).isoformat()}, "/send_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": LATER, "send_at": LATER}, "/expires_at"),
        ({"escalate_after_s": 60}, "/escalate_after_s"),
        ({"escalate_after_s": 4, "priority": "critical"}, "/escalate_after_s"),
        ({"escalate_after_s": "60", "priority": "critical"}, "/escalate_after_s"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(api: Served, change: dict[str, Any], pointer: str) -> None:
    body = problem(api.call("POST", "/v1/broadcasts", PLAIN | change), 422, "input.invalid")
    assert [error["pointer"] for error in body["errors"]] == [pointer]
    assert stored(api) == 0


def test_all_wrong_fields_are_named_at_once(api: Served) -> None:
    body = problem(api.call("POST", "/v1/broadcasts", {"name": "X", "data": 1}), 422, "input.invalid")
    assert {error["pointer"] for error in body["errors"]} == {"/audience", "/name", "/data"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"audience": {"type": "everyone"}, "name": "x", "data": {"x": "\\ud800"}}',
        b'{"audience": {"type": "everyone"}, "name": "x", "\\ud800": 1}',
        b'{"audience": {"type": "everyone"}, "name": "x\\ud800"}',
        b'{"audience": {"type": "\\ud800"}, "name": "x"}',
        b'{"audience": {"type": "everyone"}, "name": "x", "data": {"x": NaN}}',
        b'{"audience": {"type": "everyone"}, "name": "x", "data": {"x": ' + b"9" * 5_000 + b"}}",
        b'{"audience": {"type": "everyone"}, "name": "x", "data": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}",
        b"[" * 100_000,
    ],
)
def test_what_is_not_a_right_body_is_refused(api: Served, content: bytes) -> None:
    answer = api.call("POST", "/v1/broadcasts", content=content, headers={"Content-Type": "application/json"})
    problem(answer, 422, "input.invalid")
    assert stored(api) == 0


@pytest.mark.parametrize(
    "audience",
    [
        {"type": "wedding", "wedding_id": "W404"},
        {"type": "users", "user_ids": ["ann", "nobody"]},
        {"type": "segment", "segment_id": "nobody"},
    ],
)
def test_an_unknown_audience_is_refused(api: Served, audience: dict[str, Any]) -> None:
    problem(api.call("POST", "/v1/broadcasts", PLAIN | {"audience": audience}), 422, "audience.unknown")
    assert stored(api) == 0


def test_data_comes_back_as_it_was_sent(api: Served) -> None:
    data = {"é\u2028": ["\U0001f492", 0.1, -3, True, None, 2**53 - 1, {"": {}}], "long": "ü" * 12_000}
    sent = api.call(
        "POST", "/v1/broadcasts", PLAIN | {"data": data, "audience": {"type": "users", "user_ids": ["ann"]}}
    )
    api.consume()
    assert sent.json()["data"] == data
    assert api.get("/v1/users/ann/inbox")["events"][0]["data"] == data


def test_a_body_that_is_too_large_is_refused_before_it_is_read(api: Served) -> None:
    problem(api.call("POST", "/v1/broadcasts", content=b" " * 300_000), 413, "input.too_large")
    problem(api.call("POST", "/v1/broadcasts", content=iter([b" " * 100_000] * 3)), 413, "input.too_large")
    assert api.call("POST", "/v1/import", content=b"\n" * 300_000).status_code == 200
    problem(api.call("POST", "/v1/import", content=b"\n" * (8 * 1024 * 1024 + 1)), 413, "input.too_large")


def test_a_claim_of_a_large_body_is_answered_without_waiting_for_it(api: Served) -> None:
    address = urlsplit(api.url)
    head = "POST /v1/broadcasts HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(head.encode())
        told = line.recv(65_536).decode()
    assert told.startswith("HTTP/1.1 413 ")
    assert "connection: close" in told.lower()


def test_unknown_pages_and_methods_are_problems_too(api: Served) -> None:
    assert problem(api.call("GET", "/v1/nothing"), 404, "not_found")["instance"] == "/v1/nothing"
    answer = api.call("PATCH", "/v1/broadcasts")
    problem(answer, 405, "input.invalid")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users/a%00b",
        "/v1/users?query=%00",
        "/v1/users?cursor=%00",
        "/v1/weddings/%ff",
        "/v1/users?limit=0",
        "/v1/broadcasts?weding=W1",
    ],
)
def test_an_address_that_nothing_has_is_refused(api: Served, path: str) -> None:
    problem(api.call("GET", path), 422, "input.invalid")


def test_a_bug_tells_nothing_about_the_inside(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.directory, "users", lambda **_: 1 / 0)
    answer = api.call("GET", "/v1/users")
    assert problem(answer, 500, "internal")["detail"] == "Something went wrong inside Carillon; it is logged."
    assert "division" not in answer.text


# --- who may


def test_without_a_right_token_nobody_gets_in(api: Served) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
        answer = api.client.post("/v1/broadcasts", json=PLAIN, headers=headers)
        problem(answer, 401, "token.invalid")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_issuer_that_is_away_is_no_verdict_on_the_token(api: Served) -> None:
    api.tokens.away = True
    answer = api.call("GET", "/v1/users")
    problem(answer, 503, "outage")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("method", "path", "body", "scope"),
    [
        ("POST", "/v1/broadcasts", PLAIN, "ops:read"),
        ("POST", "/v1/broadcasts", PLAIN | {"priority": "critical"}, WRITE),
        ("POST", "/v1/broadcasts/preview", PLAIN, "ops:read"),
        ("PUT", "/v1/users/x", {"name": "X", "role": "guest"}, WRITE),
        ("DELETE", "/v1/users/ann", None, WRITE),
        ("PUT", "/v1/weddings/W9", {"name": "X", "starts_at": LATER, "time_zone": "UTC"}, WRITE),
        ("PUT", "/v1/weddings/W1/team/zoe", {"role": "guest"}, WRITE),
        ("DELETE", "/v1/weddings/W1/team/ann", None, WRITE),
        ("PUT", "/v1/segments/s", {"name": "S"}, WRITE),
        ("POST", "/v1/import", None, WRITE),
        ("GET", "/v1/users", None, ""),
        ("GET", "/v1/weddings", None, ""),
        ("GET", "/v1/segments", None, ""),
        ("GET", "/v1/broadcasts", None, ""),
        ("GET", "/v1/users/ann/inbox", None, WRITE),
        ("GET", "/v1/users/ann/preferences", None, WRITE),
        ("PUT", "/v1/users/ann/preferences", {}, "ops:read"),
        ("GET", "/v1/ops/verify", None, WRITE),
    ],
)
def test_each_door_needs_its_scope(api: Served, method: str, path: str, body: Any, scope: str) -> None:
    before = api.database.all("SELECT user_id FROM users")
    problem(api.call(method, path, body, scope=scope), 403, "scope.missing")
    assert api.database.all("SELECT user_id FROM users") == before


def test_a_person_sees_to_their_own(api: Served) -> None:
    assert api.get("/v1/users/ann", sub="ann", scope="")["name"] == "Ann Lee"
    chosen = {"kinds": ["wedding"], "quiet_hours": {"enabled": True, "start": "23:00", "end": "07:30"}}
    put = api.call("PUT", "/v1/users/ann/preferences", chosen, sub="ann", scope="")
    assert put.status_code == 200, put.text
    assert api.get("/v1/users/ann/preferences", sub="ann", scope="") == put.json()
    assert put.json()["channels"] == ["realtime", "in_app"]
    api.get("/v1/users/ann/inbox", sub="ann", scope="")
    problem(api.call("GET", "/v1/users/bo", sub="ann", scope=""), 403, "scope.missing")
    problem(api.call("GET", "/v1/users/bo/inbox", sub="ann", scope=""), 403, "scope.missing")


@pytest.mark.parametrize(
    "audience",
    [
        {"type": "wedding", "wedding_id": "W2"},
        {"type": "role", "wedding_id": "W2", "role": "guest"},
        {"type": "users", "user_ids": ["ann", "zoe"]},
        {"type": "segment", "segment_id": "all"},
        {"type": "everyone"},
    ],
)
def test_a_supplier_cannot_address_strangers(api: Served, audience: dict[str, Any]) -> None:
    api.call("PUT", "/v1/segments/all", {"name": "All"})
    answer = api.call("POST", "/v1/broadcasts", PLAIN | {"audience": audience}, supplier="flowers", sub="phil")
    problem(answer, 403, "wedding.foreign")
    assert stored(api) == 0


def test_a_supplier_addresses_and_sees_its_own_weddings_alone(api: Served) -> None:
    own = api.call("POST", "/v1/broadcasts", PLAIN, supplier="flowers", sub="phil")
    assert own.status_code == 202
    other = api.call("POST", "/v1/broadcasts", PLAIN | {"audience": {"type": "wedding", "wedding_id": "W2"}}).json()
    assert [item["id"] for item in api.get("/v1/broadcasts", supplier="flowers")["items"]] == [own.json()["id"]]
    assert [item["id"] for item in api.get("/v1/weddings", supplier="flowers")["items"]] == ["W1"]
    for path in (f"/v1/broadcasts/{other['id']}", "/v1/weddings/W2", "/v1/weddings/W2/team", "/v1/users/zoe"):
        problem(api.call("GET", path, supplier="flowers"), 404, "not_found")
    hidden = api.call("POST", f"/v1/broadcasts/{other['id']}/cancel", supplier="flowers", sub="phil")
    problem(hidden, 404, "not_found")
    planners = api.call("POST", "/v1/broadcasts", PLAIN).json()
    seen = api.call("POST", f"/v1/broadcasts/{planners['id']}/cancel", supplier="flowers", sub="phil")
    problem(seen, 403, "scope.missing")
    problem(api.call("GET", "/v1/ops/verify", supplier="flowers"), 403, "scope.missing")
    problem(api.call("PUT", "/v1/users/x", {"name": "X", "role": "guest"}, supplier="flowers"), 403, "scope.missing")
    problem(api.call("GET", "/v1/users/ann/inbox", supplier="flowers", sub="phil"), 403, "scope.missing")


# --- the directory


def test_weddings_and_teams_are_kept(api: Served) -> None:
    wedding = {"name": "Cy & Di", "starts_at": "2027-07-01T18:00:00+02:00", "time_zone": "Europe/Paris", "guests": 80}
    made = api.call("PUT", "/v1/weddings/W3", wedding)
    assert (made.status_code, made.json()["starts_at"]) == (201, "2027-07-01T16:00:00Z")
    assert api.call("PUT", "/v1/weddings/W3", wedding | {"status": "confirmed"}).status_code == 200
    assert api.get("/v1/weddings/W3")["status"] == "confirmed"
    assert api.call("PUT", "/v1/weddings/W3/team/gus", {"role": "vendor"}).status_code == 201
    assert [one["user_id"] for one in api.get("/v1/weddings/W3/team?role=vendor")["items"]] == ["gus"]
    assert api.get("/v1/weddings/W3/team?role=guest")["items"] == []
    for _ in range(2):
        assert api.call("DELETE", "/v1/weddings/W3/team/gus").status_code == 204
    assert api.get("/v1/weddings/W3/team")["items"] == []
    problem(api.call("PUT", "/v1/weddings/W3/team/nobody", {"role": "guest"}), 404, "not_found")
    problem(api.call("DELETE", "/v1/weddings/W404/team/gus"), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("users/x", {"name": "", "role": "guest"}, "/name"),
        ("users/x", {"name": "a\tb", "role": "guest"}, "/name"),
        ("users/x", {"name": "X", "role": "guest", "time_zone": "Mars/Olympus"}, "/time_zone"),
        ("users/x", {"name": "X", "role": "guest", "time_zone": "../../etc/passwd"}, "/time_zone"),
        ("weddings/x", {"name": "X", "starts_at": LATER, "time_zone": "UTC", "guests": -1}, "/guests"),
        ("weddings/x", {"name": "X", "starts_at": LATER, "time_zone": "UTC", "guests": True}, "/guests"),
        ("users/ann/preferences", {"quiet_hours": {"start": "25:00"}}, "/quiet_hours/start"),
        ("users/ann/preferences", {"quiet_hours": {"start": "9:00"}}, "/quiet_hours/start"),
        ("users/ann/preferences", {"kinds": ["party"]}, "/kinds/0"),
        ("segments/x", {"name": "X", "roles": ["cat"]}, "/roles/0"),
    ],
)
def test_a_wrong_field_of_the_directory_is_named(api: Served, path: str, body: Any, pointer: str) -> None:
    errors = problem(api.call("PUT", f"/v1/{path}", body), 422, "input.invalid")["errors"]
    assert [error["pointer"] for error in errors] == [pointer]


def test_people_and_segments_are_kept(api: Served) -> None:
    person = {"name": "New", "role": "vendor", "tier": "premium", "time_zone": "America/Denver", "supplier_id": "band"}
    assert api.call("PUT", "/v1/users/new", person).status_code == 201
    assert api.call("PUT", "/v1/users/new", person | {"tier": "free"}).status_code == 200
    assert api.get("/v1/users/new") == {"id": "new", **person, "tier": "free"}
    segment = {"name": "Paying", "roles": ["vendor"], "tiers": ["paid", "premium"], "statuses": ["confirmed"]}
    assert api.call("PUT", "/v1/segments/paying", segment).status_code == 201
    assert api.get("/v1/segments/paying") == {"id": "paying", **segment}
    assert [one["id"] for one in api.get("/v1/segments")["items"]] == ["paying"]
    problem(api.call("GET", "/v1/segments/none"), 404, "not_found")


def test_an_erased_person_is_gone_and_their_sockets_with_them(api: Served) -> None:
    sent = api.call("POST", "/v1/broadcasts", PLAIN).json()
    api.consume()
    api.database.all("INSERT INTO connections VALUES ('C1', 'ann', true, now(), now() + interval '1 hour')")
    assert api.call("DELETE", "/v1/users/ann").status_code == 204
    problem(api.call("GET", "/v1/users/ann"), 404, "not_found")
    assert api.world.closed == ["C1"]
    ((socket, told),) = api.world.received
    frame = json.loads(told)
    assert (socket, frame["type"], frame["code"], frame["reconnect"]) == ("C1", "disconnect", 4002, False)
    assert api.get(f"/v1/broadcasts/{sent['id']}")["recipients"] == 5, "the count stays"
    assert api.get("/v1/ops/verify")["clean"]
    assert api.call("DELETE", "/v1/users/ann").status_code == 204


def test_an_inbox_is_read_from_where_one_stands(api: Served) -> None:
    for number in range(3):
        api.call("POST", "/v1/broadcasts", PLAIN | {"name": f"n{number}"})
    api.consume()
    whole = api.get("/v1/users/ann/inbox")
    assert [event["offset"] for event in whole["events"]] == [1, 2, 3]
    later = api.get(f"/v1/users/ann/inbox?normal=2&epoch={whole['epoch']}")
    assert [event["offset"] for event in later["events"]] == [3]
    assert api.get("/v1/users/ann/inbox?normal=3")["events"] == []
    assert api.get("/v1/users/ann/inbox?epoch=other&normal=2")["recovered"] is False
    problem(api.call("GET", f"/v1/users/ann/inbox?normal={2**63}"), 422, "input.invalid")
    problem(api.call("GET", "/v1/users/nobody/inbox"), 404, "not_found")


# --- CloudEvents

EVENT = {
    "specversion": "1.0",
    "id": "7f3c",
    "source": "https://flowers.example/orders",
    "type": "carillon.broadcast.delivery.delayed",
    "subject": "weddings/W1/roles/planner",
    "priority": "high",
    "data": {"minutes": 20},
}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}


def test_a_structured_event_becomes_a_broadcast_once(api: Served) -> None:
    first = api.call("POST", "/v1/events", EVENT, headers=STRUCTURED)
    assert first.status_code == 202, first.text
    assert first.json().items() >= {"name": "delivery.delayed", "priority": "high", "data": {"minutes": 20}}.items()
    assert first.json()["audience"] == {"type": "role", "wedding_id": "W1", "role": "planner"}
    again = api.call("POST", "/v1/events", EVENT, headers=STRUCTURED)
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (first.json()["id"], "true")
    problem(api.call("POST", "/v1/events", EVENT | {"data": {}}, headers=STRUCTURED), 409, "idempotency.conflict")
    other = api.call("POST", "/v1/events", EVENT | {"source": "https://other.example"}, headers=STRUCTURED)
    assert other.json()["id"] != first.json()["id"]


def test_a_binary_event_says_the_same(api: Served) -> None:
    attributes = {f"ce-{name}": value for name, value in EVENT.items() if name != "data"}
    more = {"ce-escalateafters": "60", "ce-priority": "critical", "ce-kind": "business", "ce-expiresat": LATER}
    headers = attributes | {"Content-Type": "application/json"}  # type: ignore[operator]
    answer = api.call("POST", "/v1/events", EVENT["data"], headers=headers | more)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["priority"], told["kind"], told["escalate_after_s"]) == ("critical", "business", 60)
    assert told["expires_at"] is not None
    plain = api.call(
        "POST", "/v1/events", EVENT["data"], headers=headers | {"ce-subject": "users/ann,bo", "ce-id": "2"}
    )
    assert plain.json()["audience"] == {"type": "users", "user_ids": ["ann", "bo"]}


def test_data_in_base64_is_data_all_the_same(api: Served) -> None:
    event = {name: value for name, value in EVENT.items() if name != "data"}
    encoded = base64.b64encode(b'{"minutes": 20}').decode()
    answer = api.call("POST", "/v1/events", event | {"data_base64": encoded}, headers=STRUCTURED)
    assert answer.status_code == 202, answer.text
    assert answer.json()["data"] == {"minutes": 20}
    for wrong in ("!", 7, base64.b64encode(b"no json").decode()):
        refused = api.call("POST", "/v1/events", event | {"data_base64": wrong, "id": "2"}, headers=STRUCTURED)
        problem(refused, 422, "input.invalid")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"specversion": "0.3"}, "/specversion"),
        ({"id": ""}, "/id"),
        ({"source": 7}, "/source"),
        ({"type": "com.example.order"}, "/type"),
        ({"type": "carillon.broadcast.Bad Name"}, "/name"),
        ({"subject": "planets/mars"}, "/subject"),
        ({"subject": "weddings/a b"}, "/audience/wedding_id"),
        ({"data": "text"}, "/data"),
        ({"data_base64": "e30="}, "/data_base64"),
        ({"priority": "urgent"}, "/priority"),
        ({"escalateafters": "soon", "priority": "critical"}, "/escalate_after_s"),
    ],
)
def test_a_wrong_event_is_refused(api: Served, change: dict[str, Any], pointer: str) -> None:
    body = problem(api.call("POST", "/v1/events", EVENT | change, headers=STRUCTURED), 422, "input.invalid")
    assert body["errors"][0]["pointer"] == pointer
    assert stored(api) == 0


def test_events_in_other_shapes_are_refused(api: Served) -> None:
    for headers, content in (
        ({"Content-Type": "application/cloudevents-batch+json"}, b"[]"),
        ({"Content-Type": "application/json"}, b"{}"),
        (STRUCTURED, b"[]"),
        (STRUCTURED, b"{"),
    ):
        problem(api.call("POST", "/v1/events", content=content, headers=headers), 422, "input.invalid")


# --- import


def test_an_import_over_http_names_bad_rows_by_line(api: Served) -> None:
    content = b'\n{"user_id": "new", "name": "New", "role": "guest"}\n{"user_id": "x", "role": "cat"}\n{]\n[]\n'
    told = api.call("POST", "/v1/import", content=content).json()
    assert [(bad["line"], bad["column"]) for bad in told["bad"]] == [(3, "role"), (4, ""), (5, "")]
    assert (told["rows"], told["stored"], told["users"]["created"]) == (4, 1, 1)
    assert api.get("/v1/users?query=new")["items"][0]["name"] == "New"
    problem(api.call("POST", "/v1/import", content=b"{}\n" * 50_001), 422, "input.invalid")


# --- operations


def test_the_probes_say_what_is_away(api: Served) -> None:
    assert api.client.get("/healthz").json() == {"status": "ok"}
    ready = api.client.get("/readyz")
    assert ready.json()["ready"] is True
    api.world.index = None
    assert api.client.get("/readyz").json()["components"]["valkey"]["state"] == "degraded"
    api.world.away.add("queue")
    down = api.client.get("/readyz")
    told = problem(down, 503, "outage")
    assert told["components"]["queue"] == {"state": "down", "detail": "not all lanes can be reached"}
    assert told["components"]["database"]["state"] == "ok"
    assert down.headers["retry-after"] == "1"


def test_acceptance_promises_the_outbox_not_the_queue(api: Served) -> None:
    api.world.away.add("queue")
    sent = api.call("POST", "/v1/broadcasts", PLAIN)
    assert sent.status_code == 202
    row = api.database.one("SELECT sent_at FROM outbox WHERE broadcast_id = %(id)s", {"id": sent.json()["id"]})
    assert row == {"sent_at": None}


def test_a_database_that_is_away_is_an_outage_and_the_process_lives(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens on port 1; the threads wait for it, and who comes on top is answered at once."""
    monkeypatch.setattr("api.limits._MOST_AT_ONCE", 50)
    with serve(postgres.replace(urlsplit(postgres).netloc.rpartition(":")[2], "1"), timeout_s=0.5) as api:
        answer = api.call("POST", "/v1/broadcasts", PLAIN)
        problem(answer, 503, "outage")
        assert int(answer.headers["retry-after"]) >= 1
        told = problem(api.client.get("/readyz"), 503, "outage")
        assert told["components"]["database"]["state"] == "down"
        assert told["components"]["queue"]["state"] == "ok"
        with ThreadPoolExecutor(90) as crowd:
            answers = list(crowd.map(lambda _: api.call("POST", "/v1/broadcasts", PLAIN), range(90)))
        assert {answer.status_code for answer in answers} == {503}
        assert any("under way already" in answer.text for answer in answers)
        assert api.client.get("/healthz").status_code == 200


def test_verify_is_clean_after_a_day_s_work_and_not_after_a_theft(api: Served) -> None:
    sent = api.call("POST", "/v1/broadcasts", PLAIN).json()
    assert api.get("/v1/ops/verify")["totals"]["pending"] == 1
    api.consume()
    verdict = api.get("/v1/ops/verify")
    assert (verdict["clean"], verdict["totals"]["recipients"], verdict["totals"]["pending"]) == (True, 5, 0)
    api.database.all("DELETE FROM deliveries WHERE user_id = 'ann'")
    verdict = api.get("/v1/ops/verify")
    assert verdict["clean"] is False
    assert [(one["kind"], one["broadcast_id"], one["user_ids"]) for one in verdict["problems"]] == [
        ("lost", sent["id"], ["ann"])
    ]


def test_verify_looks_back_as_far_as_deliveries_are_kept(api: Served) -> None:
    for since in ("2020-01-01T00:00:00Z", (datetime.now(UTC) + timedelta(hours=1)).isoformat(), "yesterday"):
        problem(api.call("GET", "/v1/ops/verify", params={"since": since}), 422, "input.invalid")


def test_the_relay_sends_what_could_not_be_sent_at_once(fresh_postgres: str) -> None:
    with serve(fresh_postgres, relay=True) as api:
        api.call("POST", "/v1/import", content=b'{"user_id": "ann", "name": "Ann", "role": "guest"}')
        api.world.away.add("queue")
        body = PLAIN | {"audience": {"type": "users", "user_ids": ["ann"]}}
        sent = api.call("POST", "/v1/broadcasts", body).json()
        wait_for(lambda: api.client.get("/readyz").json()["components"]["relay"]["state"] == "down")
        api.world.away.clear()
        wait_for(lambda: any(message.broadcast_id == sent["id"] for message in api.world.queue))
        wait_for(lambda: api.client.get("/readyz").status_code == 200)
        assert api.world.queue[0].lane is Lane.NORMAL


def wait_for(condition: Any) -> None:
    """Wait until it holds, up to 15 s."""
    deadline = datetime.now(UTC) + timedelta(seconds=15)
    while not condition():
        assert datetime.now(UTC) < deadline, "it never came true"


# --- pages


def test_the_console_is_told_where_things_are_and_kept_in_its_place(api: Served) -> None:
    assert api.client.get("/console/config.json").json() == {
        "websocket_url": "ws://127.0.0.1:9999/local",
        "token_url": "",
    }
    page = api.client.get("/console/config.json").headers
    assert "connect-src 'self' ws://127.0.0.1:9999;" in page["content-security-policy"]
    assert "unsafe" not in page["content-security-policy"]
    for path in ("/healthz", "/nothing", "/v1/users"):
        headers = api.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'; frame-ancestors 'none'")
        assert headers["cache-control"] == "no-store"


def test_the_console_is_told_of_a_development_issuer(fresh_postgres: str) -> None:
    issuer = APIRouter()
    issuer.post("/dev/token")(lambda: {"token": "x"})
    with serve(fresh_postgres, routers=[issuer]) as api:
        assert api.client.get("/console/config.json").json()["token_url"] == "/dev/token"
        assert api.client.post("/dev/token").json() == {"token": "x"}
        assert "/dev/token" not in api.client.get("/openapi.json").json()["paths"]


def test_error_codes_have_a_page(api: Served) -> None:
    kind = api.call("GET", "/v1/nothing").json()["type"]
    page, _, anchor = kind.partition("#")
    assert f'id="{anchor}"' in api.client.get(page).text


def test_the_operations_have_a_page_that_loads_nothing_from_elsewhere(api: Served) -> None:
    answer = api.client.get("/docs")
    page = html.unescape(answer.text)
    for path, methods in api.client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()}</b><code>{path}</code><span>{operation['summary']}</span>" in page
    assert '"ceremony": "15:30"' in page, "a request's example"
    assert '"state": "processed"' in page, "an answer's example"
    assert "<code>Idempotency-Key</code>" in page
    assert '<a href="/errors#audience.unknown">' in page
    assert not re.search(r'(src|href)="(?![/#])|<script|style=', answer.text)
    assert "style-src 'self'" in answer.headers["content-security-policy"]
    (style,) = re.findall(r'rel="stylesheet" href="([^"]+)"', answer.text)
    styled = api.client.get(style)
    assert (styled.status_code, styled.headers["content-type"]) == (200, "text/css; charset=utf-8")


def test_the_address_alone_leads_to_the_console(api: Served) -> None:
    for method in ("GET", "HEAD"):
        answer = api.client.request(method, "/")
        assert (answer.status_code, answer.headers["location"]) == (307, "/console/")


def test_health_can_be_asked_without_the_body(api: Served) -> None:
    for path in ("/healthz", "/readyz"):
        answer = api.client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_a_body_of_another_type_is_told_what_is_taken(api: Served, kind: str) -> None:
    answer = api.call("POST", "/v1/broadcasts", content=json.dumps(PLAIN), headers={"Content-Type": kind})
    assert f"takes application/json; this came as {kind}" in problem(answer, 422, "input.invalid")["detail"]
    assert stored(api) == 0


def test_other_origins_are_let_in_only_when_they_are_named(fresh_postgres: str) -> None:
    with serve(fresh_postgres, cors_origins="https://planner.example") as api:
        asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for origin, status in (("https://planner.example", 200), ("https://evil.example", 400)):
            answer = api.client.options("/v1/broadcasts", headers=asking | {"Origin": origin})
            assert answer.status_code == status
            assert (answer.headers.get("access-control-allow-origin") == origin) is (status == 200)
