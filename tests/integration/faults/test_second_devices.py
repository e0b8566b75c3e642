"""A person's ack from one device says nothing about the other: what failed there is tried again all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from carillon import testing
from carillon.flow.consume import consume
from carillon.flow.create import create
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
)
from carillon.names import Scope
from carillon.policy.lanes import LANES
from tests.integration.faults.phones import all_have

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.ports import Message, Ports, Post, PostReport, Rate
    from tests.integration.faults.stage import Stage


class QuickToAck:
    """The poster in memory, and a phone that acks before the consumer has noted that it was reached."""

    def __init__(self, ports: Ports, *, dies: bool = False) -> None:
        self._ports, self._dies = ports, dies

    def post(self, posts: Sequence[Post], rate: Rate, deadline_s: float) -> PostReport:
        some = [one for one in posts if one.connection_id == "phone"] if self._dies else posts
        report = self._ports.poster.post(some, rate, deadline_s)
        if "phone" in report.sent:
            self._ports.inbox.ack("phone", "e1", {Lane.NORMAL: 1}, self._ports.clock())
        if self._dies:
            raise KeyboardInterrupt
        return report

    def close(self, connection_ids: Sequence[str]) -> None:
        self._ports.poster.close(connection_ids)


@pytest.fixture
def world() -> testing.World:
    """Anna with a phone and a tablet, and a broadcast to her in the queue."""
    world = testing.World(people={"anna": Recipient("anna", Role.COUPLE, "UTC")}, teams={"W1": {"anna": Role.COUPLE}})
    ports = testing.ports(world)
    for device in ("phone", "tablet"):
        ports.connections.pend(Connection(device, "anna"), world.now, world.now.replace(year=2030))
        ports.connections.activate(device)
        ports.index.add(Connection(device, "anna"))
    draft = Draft(Audience(AudienceType.WEDDING, wedding_id="W1"), Lane.NORMAL, Kind.WEDDING, "moved", {})
    create(draft, Principal("ben", frozenset(Scope), 0), ports, broadcast_id=ports.new_id(), now=world.now)
    return world


def again(message: Message, times: int = 1) -> Message:
    """The message as it comes back."""
    return replace(message, receive_count=message.receive_count + times)


def got(world: testing.World, device: str) -> int:
    """How often a device was posted the event."""
    return sum(one == device for one, _ in world.received)


def test_a_device_that_failed_is_tried_again_although_the_other_has_acked(world: testing.World) -> None:
    ports = testing.ports(world)
    quick = replace(ports, poster=QuickToAck(ports))
    message = world.queue.pop()
    world.refusing = {"tablet": "server"}
    assert consume([message], quick) == [message.message_id]
    assert got(world, "tablet") == 0
    world.refusing = {}
    assert consume([again(message)], quick) == []
    assert got(world, "tablet") == 1


def test_a_consumer_that_died_between_two_devices_leaves_neither_without(world: testing.World) -> None:
    ports = testing.ports(world)
    message = world.queue.pop()
    with pytest.raises(KeyboardInterrupt):
        consume([message], replace(ports, poster=QuickToAck(ports, dies=True)))
    assert (got(world, "phone"), got(world, "tablet")) == (1, 0)
    assert consume([again(message)], ports) == []
    assert got(world, "tablet") == 1


def test_a_device_that_fails_for_ever_does_not_hold_up_the_wedding_for_ever(world: testing.World) -> None:
    ports = testing.ports(world)
    quick = replace(ports, poster=QuickToAck(ports))
    message = world.queue.pop()
    world.refusing = {"tablet": "server"}
    most = LANES[Lane.NORMAL].attempts
    kept = [bool(consume([again(message, times)], quick)) for times in range(most)]
    assert kept == [True] * (most - 1) + [False]


def test_who_has_one_device_and_has_acked_is_not_posted_again(world: testing.World) -> None:
    ports = testing.ports(world)
    ports.index.remove(ports.connections.remove(["tablet"]))
    message = world.queue.pop()
    consume([message], replace(ports, poster=QuickToAck(ports)))
    consume([again(message)], ports)
    assert got(world, "phone") == 1


def test_both_devices_of_everybody_get_everything_through_a_faulty_gateway(stage: Stage) -> None:
    wedding = stage.wedding(couple=2, guest=8)
    phones, tablets = stage.fleet.online(wedding.users), stage.fleet.online(wedding.users)
    stage.gateway_faults(seed=1, error_share=0.4)
    accepted = [stage.send(wedding.audience, "critical") for _ in range(4)]
    all_have([*phones, *tablets], accepted, timeout_s=60)
    assert stage.struck()["error"] > 0
