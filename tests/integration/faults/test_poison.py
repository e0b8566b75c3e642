"""A message that no retry can help does not hold up its wedding, and its sender learns why."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from carillon.names import ATTRIBUTE_BROADCAST
from local.queues import DEAD_LETTERS, queue_name
from tests.integration.faults.phones import all_have
from tests.integration.faults.waiting import until

if TYPE_CHECKING:
    from tests.integration.faults.stage import Stage


def put(stage: Stage, body: str, group: str, broadcast_id: str | None, queue: str = queue_name("normal")) -> None:
    """Put a message into a queue past the outbox, as a faulty release of ours might."""
    attribute = {ATTRIBUTE_BROADCAST: {"DataType": "String", "StringValue": broadcast_id}} if broadcast_id else {}
    stage.sqs.send_message(
        QueueUrl=stage.system.queues.queue_prefix_url + queue,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=uuid.uuid4().hex,
        MessageAttributes=attribute,
    )


@pytest.mark.parametrize(
    "body",
    ["no JSON", '{"type":"deliver"}', '{"type":"deliver","broadcast_id":"018f0000-0000-7000-8000-000000000000"}'],
    ids=["garbage", "incomplete", "nobody's"],
)
def test_poison_fails_its_broadcast_and_holds_up_nobody(stage: Stage, body: str) -> None:
    wedding = stage.wedding(couple=2, guest=4)
    phones = stage.fleet.online(wedding.users)
    later = (stage.now() + timedelta(days=1)).isoformat()
    poisoned = stage.send(wedding.audience, send_at=later)
    put(stage, body, f"wedding:{wedding.wedding_id}", poisoned)
    healthy = stage.send(wedding.audience)
    all_have(phones, [healthy])

    until(lambda: stage.status(poisoned)["state"] == "failed", "the broadcast to be shown as failed")
    assert stage.status(poisoned)["failure"]
    assert stage.status(healthy)["state"] == "processed"
    assert stage.rows("SELECT body FROM dead_letters WHERE broadcast_id = %s", poisoned) == [(body,)]
    until(lambda: stage.waiting_in("normal") == 0, "the queue to be empty")
    problems = [problem for problem in stage.verdict()["problems"] if problem["broadcast_id"] == poisoned]
    assert [problem["kind"] for problem in problems] == ["failed"]


def test_a_failed_broadcast_is_still_served_to_who_comes_back(stage: Stage) -> None:
    wedding = stage.wedding(couple=2, guest=4)
    later = (stage.now() + timedelta(days=1)).isoformat()
    poisoned = stage.send(wedding.audience, send_at=later)
    put(stage, "no JSON", f"wedding:{wedding.wedding_id}", poisoned)
    until(lambda: stage.status(poisoned)["state"] == "failed", "the broadcast to be shown as failed")
    assert stage.statuses(poisoned) == {"failed": 6}
    phones = stage.fleet.online(wedding.users)
    all_have(phones, [poisoned])
    until(lambda: stage.statuses(poisoned) == {"delivered": 6}, "it to be acked")


def test_poison_that_belongs_to_nobody_is_kept_for_people_to_look_at(stage: Stage) -> None:
    wedding = stage.wedding(couple=2)
    phones = stage.fleet.online(wedding.users)
    text = f"nobody's {wedding.wedding_id}"
    put(stage, text, f"wedding:{wedding.wedding_id}", None)
    all_have(phones, [stage.send(wedding.audience)])
    letter = "SELECT reason FROM dead_letters WHERE body = %s"
    until(lambda: stage.rows(letter, text), "the dead letter to be kept")
    assert stage.rows(letter, text)[0][0]


def test_a_failed_piece_of_a_large_audience_stays_on_record(stage: Stage) -> None:
    """The pages that go well after it do not wash the failure away."""
    (user,) = stage.wedding(couple=1).users
    phones = stage.fleet.online([user])
    stage.system.hold("lane low")
    broadcast_id = stage.send({"type": "everyone"}, "low")
    letters = queue_name("low" + DEAD_LETTERS)
    put(stage, "a piece that nobody can read", f"broadcast:{broadcast_id}:1", broadcast_id, letters)
    until(lambda: stage.status(broadcast_id)["state"] == "failed", "the broadcast to be shown as failed")
    stage.system.restart("lane low")
    all_have(phones, [broadcast_id])
    until(lambda: stage.waiting_in("low") == 0, "the pages to be seen through")
    found = stage.status(broadcast_id)
    assert (found["state"], found["failure"]) == ("failed", "received too often")
