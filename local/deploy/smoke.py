"""A wedding told over what is deployed: its API, its lanes' queues, its functions, its WebSocket API."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx

from carillon.client import InboxClient
from carillon.client.line import Line, RefusedError, open_line
from carillon.model import Lane
from carillon.names import Scope
from carillon.protocol.web import IMPORT
from local.deploy.cdk import DeployError
from local.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from carillon.protocol.server_frames import EventFrame
    from local.issuer import Issuer

WEDDING: Final = "smoke"
TEAM: Final = {"ana": "couple", "pia": "planner", "theo": "vendor", "lea": "vendor"}
LATE: Final = "lea"
"""Connects only when all is sent, and must find it."""
LOOK_INTERVAL_S: Final = 0.01
PONG: Final = {"type": "pong"}


@dataclass
class Smoke:
    """What was seen, in seconds.

    Attributes:
        connected: from the first connect until all were subscribed; functions start cold.
        received: by broadcast, from its 202 until everybody connected had it.
        recovered: from the late one's connect until they had all of it.
        verified: from then until `verify` had nothing open.
        totals: what `verify` counted.
    """

    connected: float = 0.0
    received: dict[str, float] = field(default_factory=dict)
    recovered: float = 0.0
    verified: float = 0.0
    totals: dict[str, int] = field(default_factory=dict)


class Api:
    """The HTTP API as the planner's office."""

    def __init__(self, url: str, issuer: Issuer) -> None:
        token = issuer.token("office", [str(scope) for scope in Scope])
        self._http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's document.

        Raises:
            DeployError: it was refused.
        """
        answer = await self._http.request(method, path, **options)
        if answer.is_error:
            raise DeployError(f"{method} {path} was answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()


class Phone:
    """Somebody of the team with the product's own client, which acks what it shows."""

    def __init__(self, url: str, issuer: Issuer, user_id: str) -> None:
        self.shown: list[str] = []
        self._token = issuer.token(user_id)
        self.client = InboxClient(url, self._give_token, on_event=self._show)

    async def _give_token(self) -> str:
        return self._token

    def _show(self, event: EventFrame) -> None:
        self.shown.append(event.event_id)


class Raw:
    """A socket without a client, for single frames."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def line_received(self, _line: Line, message: bytes) -> None:
        """A whole text message."""
        self.heard.append(json.loads(message))

    def line_closed(self, _line: Line, code: int) -> None:
        """The socket is gone."""
        self.heard.append({"closed": code})


async def until(condition: Callable[[], bool], *, deadline: float, what: Callable[[], str]) -> None:
    """Wait until `condition` holds; `what` tells what was waited for.

    Raises:
        NotReadyError: the deadline (of the monotonic clock) passed.
    """
    while not condition():
        if time.monotonic() > deadline:
            raise NotReadyError(f"waited in vain for {what()}.")
        await asyncio.sleep(LOOK_INTERVAL_S)  # what a phone heard is only seen by looking; bounded by the deadline


def rows() -> bytes:
    """The wedding and its team, as the import takes them."""
    first = {
        "wedding_name": "Smoke & Mirrors",
        "starts_at": (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d 15:00"),
        "wedding_time_zone": "Europe/Lisbon",
        "status": "confirmed",
    }
    lines = [
        {"wedding_id": WEDDING, "user_id": user_id, "name": user_id.title(), "role": role}
        | ({"supplier_id": "flowers"} if role == "vendor" else {})
        for user_id, role in TEAM.items()
    ]
    return b"\n".join(json.dumps(line).encode() for line in (lines[0] | first, *lines[1:]))


async def smoke(api_url: str, ws_url: str, issuer: Issuer, *, timeout_s: float) -> Smoke:
    """Import a wedding, connect its team, broadcast on every lane, and verify.

    Raises:
        DeployError, NotReadyError: something was refused, did not come, came twice or is not clean.
    """
    seen, deadline = Smoke(), time.monotonic() + timeout_s
    api = Api(api_url, issuer)
    late = Phone(ws_url, issuer, LATE)
    phones = {user_id: Phone(ws_url, issuer, user_id) for user_id in TEAM if user_id != LATE}
    try:
        imported = await api.call("POST", IMPORT, content=rows())
        if imported["stored"] != len(TEAM):
            raise DeployError(f"the import stored {imported['stored']} of {len(TEAM)} rows: {imported['bad']}")
        seen.connected = await _connect(phones, deadline)
        await _knock(ws_url, issuer, deadline)
        for name, lane in (("critical, cold", Lane.CRITICAL), *((lane.word, lane) for lane in Lane)):
            seen.received[name] = await _broadcast(api, phones, lane, deadline)
        seen.recovered = await _recover(late, phones["ana"].shown, deadline)
        began = time.monotonic()
        seen.totals = await _verify(api, len(seen.received), deadline)
        seen.verified = time.monotonic() - began
    finally:
        for phone in (*phones.values(), late):
            phone.client.stop()
        await api.close()
    return seen


async def _connect(phones: dict[str, Phone], deadline: float) -> float:
    began = time.monotonic()
    for phone in phones.values():
        phone.client.start()
    await until(
        lambda: all(phone.client.state == "live" for phone in phones.values()),
        deadline=deadline,
        what=lambda: f"all to be subscribed; they are {', '.join(phone.client.state for phone in phones.values())}",
    )
    return time.monotonic() - began


async def _knock(ws_url: str, issuer: Issuer, deadline: float) -> None:
    """A token of nobody is refused; `ping` is answered by the API itself."""
    try:
        (await open_line(ws_url, "nobody")).leave(1000, "")
    except RefusedError:
        pass
    else:
        raise DeployError("a token that nobody signed was let in")
    raw, line = Raw(), await open_line(ws_url, issuer.token("ana"))
    line.attach(raw)
    line.send(b'{"action":"ping"}')
    await until(lambda: bool(raw.heard), deadline=deadline, what=lambda: "the answer to a ping")
    line.leave(1000, "")
    if raw.heard != [PONG]:
        raise DeployError(f"a ping was answered with {raw.heard}")


async def _broadcast(api: Api, phones: dict[str, Phone], lane: Lane, deadline: float) -> float:
    body = {
        "audience": {"type": "wedding", "wedding_id": WEDDING},
        "priority": lane.word,
        "kind": "wedding",
        "name": "timeline.shifted",
        "data": {"ceremony": "15:30"},
    }
    accepted = await api.call("POST", "/v1/broadcasts", json=body)
    began, broadcast_id = time.monotonic(), accepted["id"]
    await until(
        lambda: all(broadcast_id in phone.shown for phone in phones.values()),
        deadline=deadline,
        what=lambda: f"the {lane.word} broadcast to reach everybody",
    )
    took = time.monotonic() - began
    twice = [user_id for user_id, phone in phones.items() if phone.shown.count(broadcast_id) > 1]
    if twice:
        raise DeployError(f"the {lane.word} broadcast was shown twice to {', '.join(twice)}")
    return took


async def _recover(late: Phone, sent: list[str], deadline: float) -> float:
    began = time.monotonic()
    late.client.start()
    await until(
        lambda: len(late.shown) >= len(sent),
        deadline=deadline,
        what=lambda: f"{LATE} to find {len(sent)} broadcasts; there are {len(late.shown)}",
    )
    if sorted(late.shown) != sorted(sent):
        raise DeployError(f"{LATE} found {late.shown}, sent were {sent}")
    return time.monotonic() - began


async def _verify(api: Api, broadcasts: int, deadline: float) -> dict[str, int]:
    """Ask until all are acked; what is lost, doubled or open by the deadline fails the run."""
    while True:
        verdict = await api.call("GET", "/v1/ops/verify")
        totals: dict[str, int] = verdict["totals"]
        if verdict["clean"] and totals["accepted"] == broadcasts and totals["delivered"] == broadcasts * len(TEAM):
            return totals
        if time.monotonic() > deadline:
            raise DeployError(f"`verify` is not clean: {json.dumps(verdict)[:1_000]}")
        await asyncio.sleep(0.2)  # verify is asked, it does not call back; bounded by the deadline
