"""kill -9 a consumer at any point of its work: nothing is lost, and nobody is shown anything twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.faults.killing import doomed, last_words, random_kills
from tests.integration.faults.phones import all_have
from tests.integration.faults.sender import Sender
from tests.integration.faults.waiting import until

if TYPE_CHECKING:
    from tests.integration.faults.stage import Stage

LANE = "high"
VISIBILITY_S = 30
PEOPLE = 12


class Crash:
    """A broadcast whose consumer died at `point`, and the phones it was for."""

    def __init__(self, stage: Stage, point: str) -> None:
        wedding = stage.wedding(couple=2, guest=PEOPLE - 2)
        # Nobody acks: what was acked would not be posted again, and there were no duplicates for a client to drop.
        self.phones = stage.fleet.online(wedding.users, acks=False)
        self.broadcast_id = stage.send(wedding.audience, LANE)
        told = last_words(doomed(stage.system, point, LANE, VISIBILITY_S))
        assert told[0] == self.broadcast_id
        self.receipt = told[1]


@pytest.mark.parametrize("wait_out", [False, pytest.param(True, marks=pytest.mark.faults)])
def test_killed_at_each_point(stage: Stage, wait_out: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The short form ends the messages' visibility timeout by hand; the long one waits for it."""
    stage.system.hold(f"lane {LANE}")

    unposted = Crash(stage, "before_post")
    assert stage.statuses(unposted.broadcast_id) == {"queued": PEOPLE}
    assert [phone.shown for phone in unposted.phones] == [[]] * PEOPLE

    half = Crash(stage, "mid_post")
    first = served_first(stage, half.broadcast_id)
    assert stage.statuses(half.broadcast_id) == {"queued": PEOPLE}
    all_have([phone for phone in half.phones if phone.user_id in first], [half.broadcast_id])
    assert {phone.user_id for phone in half.phones if phone.shown} == first

    unsettled = Crash(stage, "before_settle")
    all_have(unsettled.phones, [unsettled.broadcast_id])

    undeleted = Crash(stage, "before_delete")
    all_have(undeleted.phones, [undeleted.broadcast_id])
    assert stage.status(undeleted.broadcast_id)["state"] == "processed"

    crashes = (unposted, half, unsettled, undeleted)
    if not wait_out:
        for crash in crashes:
            stage.sqs.change_message_visibility(
                QueueUrl=stage.queue_url(LANE), ReceiptHandle=crash.receipt, VisibilityTimeout=0
            )
    stage.system.restart(f"lane {LANE}")
    for crash in crashes:
        all_have(crash.phones, [crash.broadcast_id], timeout_s=VISIBILITY_S + 20)
    stage.verify_clean(timeout_s=VISIBILITY_S + 20)
    until(lambda: stage.waiting_in(LANE) == 0, "the queue to be empty", timeout_s=VISIBILITY_S + 20)
    assert [phone.user_id for phone in half.phones if phone.client.statistics.duplicates] == sorted(first)
    assert all(phone.client.statistics.duplicates for phone in unsettled.phones)
    assert not any(phone.client.statistics.duplicates for phone in undeleted.phones)
    assert [phone.faults() for crash in crashes for phone in crash.phones if phone.faults()] == []


def served_first(stage: Stage, broadcast_id: str) -> set[str]:
    """The half of the people whom a consumer posts to first: the couple, then guests by id."""
    rows = stage.rows("SELECT user_id FROM deliveries WHERE broadcast_id = %s ORDER BY role, user_id", broadcast_id)
    return {user_id for (user_id,) in rows[: PEOPLE // 2]}


@pytest.mark.parametrize(
    ("seconds", "visibility_s"),
    [(4, 3), pytest.param(60, 15, marks=[pytest.mark.faults, pytest.mark.timeout(300)])],
)
def test_killed_at_random_under_traffic(stage: Stage, seconds: float, visibility_s: int) -> None:
    """The worst moments are those that nobody thought of."""
    stage.show_again_after(visibility_s)
    weddings = [stage.wedding(couple=2, guest=8) for _ in range(4)]
    phones = [(wedding, stage.fleet.online(wedding.users)) for wedding in weddings]
    lanes = ("critical", "normal")
    with random_kills(stage.system, lanes, every_s=0.4, seed=1) as killed, Sender(stage, weddings, lanes) as sender:
        sender.run_for(seconds, pause_s=0.05)
    assert len(killed) >= 3
    for wedding, devices in phones:
        all_have(devices, sender.accepted_of(wedding), timeout_s=4 * visibility_s + 30)
    stage.verify_clean()
