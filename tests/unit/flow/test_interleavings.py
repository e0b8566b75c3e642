"""The proof of P2: whatever the interleaving of a consumer and a client, a connected client gets the event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from carillon import testing
from carillon.flow import lookup, resume
from carillon.flow.consume import consume
from carillon.flow.create import create
from carillon.model import Audience, AudienceType, Connection, Draft, Kind, Lane, Principal, Recipient, Role
from carillon.names import Scope
from tests.unit.flow.interleaving import Actor, orders, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from carillon.model import Event
    from carillon.ports import Ports

CONSUMER_STEPS, CLIENT_STEPS = 9, 4


def accepted(*, ghosts: int = 0) -> tuple[testing.World, Ports]:
    """A world in which a broadcast to Anna's wedding waits in the queue; her ghosts are active and dead."""
    world = testing.World()
    world.people = {"anna": Recipient("anna", Role.COUPLE, "UTC")}
    world.teams = {"W1": {"anna": Role.COUPLE}}
    ports = testing.ports(world)
    for number in range(ghosts):
        ports.connections.pend(Connection(f"ghost{number}", "anna"), world.now, world.now.replace(year=2030))
        ports.connections.activate(f"ghost{number}")
    draft = Draft(Audience(AudienceType.WEDDING, wedding_id="W1"), Lane.NORMAL, Kind.WEDDING, "moved", {})
    create(draft, Principal("ben", frozenset(Scope), 0), ports, broadcast_id=ports.new_id(), now=world.now)
    return world, ports


class Device:
    """A client of Anna's: opens, subscribes, and keeps what the answer holds. The socket is alive from its opening."""

    def __init__(self, name: str, world: testing.World) -> None:
        self.name, self.world = name, world
        self.events: list[Event] = []

    def come(self, ports: Ports) -> None:
        ports.connections.pend(Connection(self.name, "anna"), self.world.now, self.world.now.replace(year=2030))
        assert self.world.alive is not None
        self.world.alive.add(self.name)
        page = resume.subscribe(self.name, None, None, ports, self.world.now)
        assert page is not None, "a 410 from before the opening must not unregister the socket"
        self.events.extend(page.events)

    def has(self) -> set[str]:
        posted = {json.loads(body)["event_id"] for one, body in self.world.received if one == self.name}
        return posted | {event.event_id for event in self.events}


def play(order: list[int], *, devices: int = 1, ghosts: int = 0, deliveries: int = 1) -> bool:
    """Whether every device has the event after consumer (or several) and devices ran in `order`."""
    world, ports = accepted(ghosts=ghosts)
    world.alive = set()
    message = world.queue.pop()
    clients = [Device(f"d{number}", world) for number in range(devices)]
    work: list[Callable[[Ports], Any]] = [lambda side: consume([message], side)] * deliveries
    actors = [Actor(f"actor{index}", one, ports) for index, one in enumerate([*work, *(one.come for one in clients)])]
    run(actors, order)
    return all(client.has() == set(world.broadcasts) for client in clients)


def test_every_merge_of_a_consumer_and_a_client_delivers() -> None:
    played = [order for order in orders(CONSUMER_STEPS, CLIENT_STEPS) if not play(order, ghosts=1)]
    assert played == []


def test_without_the_second_look_up_some_merge_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "truth", lambda _users, _ports, _tried: [])
    assert not all(play(order) for order in orders(CONSUMER_STEPS, CLIENT_STEPS))


def test_reading_the_inbox_before_being_active_loses_it_in_some_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_order(connection_id: str, _epoch: None, _offsets: None, ports: Ports, now: Any) -> resume.Page | None:
        page = resume.page("anna", None, None, ports, now)
        ports.connections.activate(connection_id)
        return page

    monkeypatch.setattr(resume, "subscribe", wrong_order)
    assert not all(play(order) for order in orders(CONSUMER_STEPS, CLIENT_STEPS))


@settings(max_examples=150, deadline=None)
@given(
    order=st.lists(st.integers(0, 4), max_size=60),
    devices=st.integers(1, 3),
    ghosts=st.integers(0, 3),
    deliveries=st.integers(1, 2),
)
def test_more_devices_ghosts_and_redeliveries_change_nothing(
    order: list[int], devices: int, ghosts: int, deliveries: int
) -> None:
    assert play(order, devices=devices, ghosts=ghosts, deliveries=deliveries)
