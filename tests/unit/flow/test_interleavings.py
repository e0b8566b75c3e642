"""The proof of P2: whatever the interleaving of a consumer and a client, a connected client gets the event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

import carillon.flow.consume as consuming
from carillon import testing
from carillon.flow import lookup, resume
from carillon.flow.consume import consume
from carillon.flow.create import create
from carillon.flow.record import record
from carillon.model import Audience, AudienceType, Connection, Draft, Kind, Lane, Principal, Recipient, Role
from carillon.names import Scope
from tests.unit.flow.interleaving import Actor, orders, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from carillon.model import Event
    from carillon.ports import Ports

CONSUMER_STEPS, CLIENT_STEPS = 9, 4
FAR_STEPS = CONSUMER_STEPS + 2
HERE, THERE = "us-east-1", "eu-west-1"


def accepted(*, ghosts: int = 0, region: str = "", peer: str = "") -> tuple[testing.World, Ports]:
    """A world in which a broadcast to Anna's wedding waits in the queue; her ghosts are active and dead."""
    world = testing.World()
    world.people = {"anna": Recipient("anna", Role.COUPLE, "UTC")}
    world.teams = {"W1": {"anna": Role.COUPLE}}
    ports = testing.ports(world, region=region, peer=peer)
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


def play_regions(order: list[int]) -> bool:
    """Whether a device of the other Region has the event, after the consumer here and the device there in `order`.

    What is handed over waits in the other Region's lane until its consumer comes, which is after both.
    """
    world, here = accepted(region=HERE, peer=THERE)
    there = testing.ports(world, region=THERE, peer=HERE)
    world.alive = set()
    message = world.queue.pop()
    client = Device("far", world)
    run([Actor("here", lambda side: consume([message], side), here), Actor("there", client.come, there)], order)
    consume(world.far.pop(THERE, []), there)
    return client.has() == set(world.broadcasts)


def play_everything(order: list[int], *, near: int, far: int, deliveries: int, handovers: int) -> bool:
    """Whether Anna's devices in both Regions have the event, with consumers of both and all devices side by side.

    Each consumer there takes what waits when its turn comes; what is left then is taken at the end.
    """
    world, here = accepted(region=HERE, peer=THERE, ghosts=1)
    there = testing.ports(world, region=THERE, peer=HERE)
    world.alive = set()
    message = world.queue.pop()
    clients = [Device(f"n{number}", world) for number in range(near)]
    others = [Device(f"f{number}", world) for number in range(far)]

    def take(side: Ports) -> None:
        for _ in range(CONSUMER_STEPS):
            side.connections.owner("nobody")  # a step in which nothing happens
            if world.far.get(THERE):
                break
        consume(world.far.pop(THERE, []), side)

    actors = [Actor(f"here{number}", lambda side: consume([message], side), here) for number in range(deliveries)]
    actors += [Actor(f"there{number}", take, there) for number in range(handovers)]
    actors += [Actor(client.name, client.come, here) for client in clients]
    actors += [Actor(client.name, client.come, there) for client in others]
    run(actors, order)
    consume(world.far.pop(THERE, []), there)
    return all(client.has() == set(world.broadcasts) for client in (*clients, *others))


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


def test_every_merge_of_a_consumer_here_and_a_client_in_the_other_region_delivers() -> None:
    assert [order for order in orders(FAR_STEPS, CLIENT_STEPS) if not play_regions(order)] == []


def test_without_the_handover_some_merge_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "hand_over", lambda *_arguments: None)
    assert not all(play_regions(order) for order in orders(FAR_STEPS, CLIENT_STEPS))


def test_asking_who_is_there_before_the_deliveries_are_recorded_loses_it_in_some_merge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []

    def too_early(*arguments: Any) -> Any:
        ports = arguments[2]
        asked.append(ports.connections.elsewhere(["anna"]))
        return record(*arguments)

    monkeypatch.setattr(consuming, "record", too_early)
    monkeypatch.setattr(consuming, "elsewhere", lambda _users, _ports: asked[-1])
    assert not all(play_regions(order) for order in orders(FAR_STEPS, CLIENT_STEPS))


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


@settings(max_examples=150, deadline=None)
@given(
    order=st.lists(st.integers(0, 6), max_size=80),
    near=st.integers(0, 2),
    far=st.integers(1, 2),
    deliveries=st.integers(1, 2),
    handovers=st.integers(0, 2),
)
def test_devices_in_both_regions_and_consumers_of_both_change_nothing(
    order: list[int], near: int, far: int, deliveries: int, handovers: int
) -> None:
    assert play_everything(order, near=near, far=far, deliveries=deliveries, handovers=handovers)
