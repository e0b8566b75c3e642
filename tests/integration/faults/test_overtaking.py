"""A critical broadcast does not wait behind a flood of lesser ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.integration.faults.phones import all_have
from tests.integration.faults.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.faults.stage import Stage

PEOPLE = 100


@pytest.mark.parametrize(
    "deliveries", [5_000, pytest.param(50_000, marks=[pytest.mark.faults, pytest.mark.timeout(600)])]
)
def test_one_critical_overtakes_a_flood_of_low(
    stage: Stage, deliveries: int, record_property: Callable[[str, object], None]
) -> None:
    """What is compared is counts: how much of the flood had come when the critical had reached everybody."""
    weddings = [stage.wedding(couple=2, guest=PEOPLE // 5 - 2) for _ in range(5)]
    phones = stage.fleet.online([user for wedding in weddings for user in wedding.users])
    each = deliveries // PEOPLE
    stage.system.hold("lane low")
    with ThreadPoolExecutor(4) as senders:
        flood = [
            list(senders.map(lambda _, w=wedding: stage.send(w.audience, "low"), range(each))) for wedding in weddings
        ]
    assert stage.waiting_in("low") > 0

    def arrived() -> int:
        return sum(len(phone.events) for phone in phones)

    # Posts take as long as over a real network, so that the flood is bound by that and not by this machine's speed.
    stage.gateway_faults(slow_ms=100)
    stage.system.restart("lane low")
    until(lambda: arrived() > PEOPLE, "the flood to flow")
    users = [phone.user_id for phone in phones]
    before = arrived()
    critical = stage.send({"type": "users", "user_ids": users}, "critical")
    all_have(phones, [critical])
    between = arrived() - before - PEOPLE
    stage.gateway_faults()
    behind = deliveries - before - between
    record_property("arrived_between", between)
    print(f"{between} of {deliveries} low deliveries arrived before a critical one had reached all {PEOPLE}")  # noqa: T201
    assert behind > deliveries // 2, f"only {behind} of {deliveries} were overtaken, {between} came in between"
    for wedding, ids in zip(weddings, flood, strict=True):
        mine = [phone for phone in phones if phone.user_id in wedding.people]
        all_have(mine, [critical, *ids], timeout_s=deliveries / 100)
    stage.verify_clean()
