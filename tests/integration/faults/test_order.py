"""Order: per wedding and lane as accepted, at every client by offset, each once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.integration.faults.phones import all_have

if TYPE_CHECKING:
    from tests.integration.faults.stage import Stage


def test_broadcasts_of_a_wedding_and_lane_arrive_in_the_order_accepted(stage: Stage) -> None:
    wedding = stage.wedding(couple=2, vendor=3, guest=10)
    phones = stage.fleet.online(wedding.users)
    accepted = [stage.send(wedding.audience, data={"number": number}) for number in range(25)]
    all_have(phones, accepted)
    assert {tuple(phone.shown) for phone in phones} == {tuple(accepted)}
    stage.verify_clean()


def test_senders_side_by_side_give_everybody_the_same_order(stage: Stage) -> None:
    """Nobody can tell which of two simultaneous ones was first, but all people of the wedding are told the same."""
    wedding = stage.wedding(couple=2, guest=10)
    phones = stage.fleet.online(wedding.users)
    with ThreadPoolExecutor(8) as senders:
        accepted = list(senders.map(lambda number: stage.send(wedding.audience, data={"n": number}), range(40)))
    all_have(phones, accepted)
    assert len({tuple(phone.shown) for phone in phones}) == 1
