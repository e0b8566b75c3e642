"""A broadcast to everyone on the real stores, whose membership changes while it is paged by consumers that die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from carillon.model import Role
from tests.integration.faults.killing import doomed, last_words
from tests.integration.faults.phones import all_have
from tests.integration.faults.waiting import until

if TYPE_CHECKING:
    from tests.integration.faults.stage import Stage

LANE = "low"
PAGE = 250
SOME = 4
"""Phones per role; the rest of the people have none."""


@pytest.mark.parametrize("people", [1_500, pytest.param(20_000, marks=pytest.mark.faults)])
def test_members_throughout_get_it_once(stage: Stage, people: int) -> None:
    """Couples are paged first. Each consumer dies in a page, after some of its messages; then people move."""
    roles = {f"P{people}-{number:05}": Role(number % 4) for number in range(people)}
    stage.people(roles)
    users = sorted(roles)
    leavers, movers, stayers = users[0::10], users[1::10], [user for n, user in enumerate(users) if n % 10 > 1]
    listeners = stayers[: 2 * SOME] + stayers[-2 * SOME :] + movers[:SOME]
    phones = stage.fleet.online(listeners)
    stage.system.hold(f"lane {LANE}")
    broadcast_id = stage.send({"type": "everyone"}, LANE)

    for sends in (0, 3, 6):
        told, receipt = last_words(doomed(stage.system, "mid_send", LANE, 60, PAGE, sends))
        assert told == broadcast_id
        move(stage, movers)
        part, leavers = leavers[: len(leavers) // 2], leavers[len(leavers) // 2 :]
        stage.rows("DELETE FROM users WHERE user_id = ANY(%s)", part)
        stage.people({f"{broadcast_id}-{sends}": Role.COUPLE})
        stage.sqs.change_message_visibility(QueueUrl=stage.queue_url(LANE), ReceiptHandle=receipt, VisibilityTimeout=0)

    stage.system.restart(f"lane {LANE}")
    all_have(phones, [broadcast_id], timeout_s=60)
    assert {phone.shown.count(broadcast_id) for phone in phones} == {1}
    until(lambda: stage.waiting_in(LANE) == 0, "all pages to be seen through", timeout_s=60)
    found = stage.rows("SELECT user_id FROM deliveries WHERE broadcast_id = %s", broadcast_id)
    assert {*stayers, *movers, *leavers} <= {user for (user,) in found}
    assert stage.status(broadcast_id)["state"] == "processed"
    stage.verify_clean()


def move(stage: Stage, movers: list[str]) -> None:
    """Give these people the role before theirs: from a page that is still to come to one that has been."""
    stage.rows("UPDATE users SET role = (role + 3) %% 4, updated_at = now() WHERE user_id = ANY(%s)", movers)


def test_a_change_that_was_begun_before_and_committed_after_is_seen(stage: Stage) -> None:
    """An import's transaction is older than the broadcast and ends in the middle of its pages."""
    guest = "0-first-of-all"
    stage.people({guest: Role.GUEST, "0-second": Role.COUPLE})
    (phone,) = stage.fleet.online([guest])
    stage.system.hold(f"lane {LANE}")
    with psycopg.connect(stage.system.dsn) as importing:
        importing.execute("UPDATE users SET role = 0, updated_at = now() WHERE user_id = %s", [guest])
        broadcast_id = stage.send({"type": "everyone"}, LANE)
        # The first page is one couple, behind the guest, who is still a guest to everybody else ...
        told, receipt = last_words(doomed(stage.system, "mid_send", LANE, 60, 1, 100))
        assert told == broadcast_id
    # ... and, before the guests' page is read, becomes one of the couples, where their place has been passed.
    stage.sqs.delete_message(QueueUrl=stage.queue_url(LANE), ReceiptHandle=receipt)
    stage.system.restart(f"lane {LANE}")
    all_have([phone], [broadcast_id])
