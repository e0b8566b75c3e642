"""Clients that come and go, on several devices and beside ghosts, while broadcasts arrive: each has all of its own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from carillon.model import Lane
from tests.integration.faults.phones import Phone, all_have, all_live
from tests.integration.faults.sender import Sender
from tests.integration.faults.waiting import ticks, until

if TYPE_CHECKING:
    from tests.integration.faults.stage import Stage

PER_WEDDING = 10
SECOND_DEVICES = 0.2
LANES = ("critical", "high", "normal", "low")


def heads(stage: Stage, users: list[str]) -> dict[str, dict[str, int]]:
    """Where each person's streams end."""
    found: dict[str, dict[str, int]] = {user: {} for user in users}
    for user, lane, head in stage.rows("SELECT user_id, lane, head FROM inbox_heads WHERE user_id = ANY(%s)", users):
        found[user][Lane(lane).word] = head
    return found


def stands_at_the_end(phone: Phone, ends: dict[str, int]) -> bool:
    """Whether the device has everything up to the heads."""
    position = phone.client.position
    return position is not None and all(position["offsets"][lane] == head for lane, head in ends.items())


@pytest.mark.parametrize(
    ("clients", "seconds"), [(60, 8), pytest.param(200, 60, marks=[pytest.mark.faults, pytest.mark.timeout(400)])]
)
def test_clients_that_come_and_go_miss_nothing(stage: Stage, clients: int, seconds: float) -> None:
    weddings = [stage.wedding(couple=2, vendor=2, guest=PER_WEDDING - 4) for _ in range(clients // PER_WEDDING)]
    users = [user for wedding in weddings for user in wedding.users]
    # Each stands at the beginning of its streams: a device that was never there starts from what its person acked.
    phones = {phone.user_id: phone for phone in stage.fleet.online(users)}
    second_devices: list[Phone] = []
    chance = random.Random(7)
    stage.gateway_faults(seed=3, lost_disconnect_share=0.3)
    with Sender(stage, weddings, LANES) as sender:
        sender.start(pause_s=0.1)
        for _ in ticks(seconds, every_s=0.5 / clients**0.5):
            user = chance.choice(users)
            if chance.random() < SECOND_DEVICES:
                second_devices.append(stage.fleet.phone(user).come())
            elif phones[user].client.state == "stopped":
                phones[user].come()
            else:
                phones[user].leave()
    for phone in phones.values():
        if phone.client.state == "stopped":
            phone.come()
    all_live(stage.fleet.phones, timeout_s=60)
    for wedding in weddings:
        assert sender.accepted_of(wedding)
        all_have([phones[user] for user in wedding.users], sender.accepted_of(wedding), timeout_s=60)

    ends = heads(stage, users)
    until(
        lambda: all(stands_at_the_end(phone, ends[phone.user_id]) for phone in second_devices),
        "second devices to have everything since they came",
        seen=lambda: str(
            [
                (phone.user_id, phone.client.position, ends[phone.user_id], phone.states[-3:], phone.client.statistics)
                for phone in second_devices
                if not stands_at_the_end(phone, ends[phone.user_id])
            ]
            + [stage.struck()]
        ),
    )
    assert [fault for phone in second_devices for fault in phone.faults()] == []
    assert stage.struck()["lost_disconnect"] > 0
    totals = stage.verify_clean()["totals"]
    assert totals["recipients"] == PER_WEDDING * len(sender.everything)
    assert totals["failed"] == 0


def test_phones_that_change_their_mind_leave_no_socket_behind(stage: Stage) -> None:
    """Gone again before the handshake is done: the socket is closed by the client, not by a garbage collector."""
    wedding = stage.wedding(couple=2, guest=18)
    phones = [stage.fleet.phone(user) for user in wedding.users]
    chance = random.Random(11)
    for _ in ticks(2, every_s=0.01):
        phone = chance.choice(phones).come()
        until(lambda: phone.client.state != "connecting" or chance.random() < 0.3, "a random moment")  # noqa: B023
        phone.leave()
    stage.fleet.send_home()
