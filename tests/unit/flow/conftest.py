"""A wedding in memory, and a short way to run its messages through the flow."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from carillon import testing
from carillon.flow.answer import answer
from carillon.flow.consume import consume
from carillon.flow.create import create
from carillon.flow.relay import relay
from carillon.model import (
    Audience,
    AudienceType,
    Connection,
    Draft,
    Kind,
    Lane,
    Principal,
    Recipient,
    Role,
    Status,
)
from carillon.names import Scope
from carillon.protocol.frames import encode

if TYPE_CHECKING:
    from carillon.ports import Message, Ports

PLANNER = Principal("ben", frozenset(Scope), 2_000_000_000)
TEAM = {"anna": Role.COUPLE, "ben": Role.PLANNER, "carl": Role.VENDOR, "dora": Role.GUEST}


@dataclass
class Wedding:
    """The world, its ports, and verbs that read like the story of a test."""

    world: testing.World
    ports: Ports
    numbers: list[int] = field(default_factory=lambda: [0])

    def draft(self, lane: Lane = Lane.NORMAL, audience: Audience | None = None, **more: Any) -> Draft:
        chosen = audience or Audience(AudienceType.WEDDING, wedding_id="W1")
        return Draft(chosen, lane, more.pop("kind", Kind.WEDDING), "timeline.shifted", {"to": "15:30"}, **more)

    def send(self, lane: Lane = Lane.NORMAL, audience: Audience | None = None, **more: Any) -> str:
        broadcast_id = self.ports.new_id()
        draft = self.draft(lane, audience, **more)
        create(draft, PLANNER, self.ports, broadcast_id=broadcast_id, now=self.world.now)
        return broadcast_id

    def connect(self, connection_id: str, user_id: str, recover: dict[str, Any] | None = None) -> dict[str, Any]:
        self.ports.connections.pend(
            Connection(connection_id, user_id), self.world.now, self.world.now.replace(year=2030)
        )
        return self.say(
            connection_id,
            {"id": 1, "action": "subscribe", "channel": "inbox"} | ({"recover": recover} if recover else {}),
        )

    def say(self, connection_id: str, frame: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(frame)
        told = answer(connection_id, text, self.ports, lambda _token: PLANNER, self.world.now)
        return json.loads(encode(told)) if told is not None else {}

    def work(self) -> list[str]:
        """Let the consumers empty the queue; returns the ids of messages that were handed back."""
        back: list[str] = []
        for _ in range(100):
            taken, self.world.queue = self.world.queue[:10], self.world.queue[10:]
            if not taken:
                break
            failed = consume(taken, self.ports)
            back += failed
            self.handed_back = [message for message in taken if message.message_id in failed]
        return back

    def redeliver(self, *messages: Message) -> list[str]:
        return consume([replace(message, receive_count=message.receive_count + 1) for message in messages], self.ports)

    def relay(self) -> dict[str, int]:
        return relay(self.ports, self.world.now)

    def statuses(self, broadcast_id: str) -> dict[str, Status]:
        return {user: row.status for (one, user), row in self.world.deliveries.items() if one == broadcast_id}

    def shown(self, connection_id: str) -> list[dict[str, Any]]:
        frames = [json.loads(body) for one, body in self.world.received if one == connection_id]
        return [frame for frame in frames if frame["type"] == "event"]


@pytest.fixture
def wedding() -> Wedding:
    world = testing.World()
    world.people = {user: Recipient(user, role, "Europe/Berlin") for user, role in TEAM.items()}
    world.teams = {"W1": dict(TEAM)}
    return Wedding(world, testing.ports(world))
