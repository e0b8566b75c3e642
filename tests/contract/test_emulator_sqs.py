"""What Carillon relies on in SQS FIFO, against the pinned emulator, and what our launcher changes in it."""

from __future__ import annotations

import subprocess
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local import emulator as emulator_module
from local.emulator import LAUNCHER, REQUIREMENTS, VERSION, Emulator
from local.emulator_launcher import WRONG_VERSION
from local.errors import NotReadyError
from local.queues import sqs_client
from tests.fixtures_emulator import FIFO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def send(sqs: Any, url: str, body: str, *, group: str = "g", dedup: str | None = None, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = sqs.send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=dedup or uuid.uuid4().hex,
        **more,
    )
    return answer


def receive(sqs: Any, url: str, *, wait_s: int = 0, **more: Any) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=wait_s,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
        **more,
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def delete(sqs: Any, url: str, message: dict[str, Any]) -> None:
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def test_a_group_keeps_its_order(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    for number in range(5):
        send(sqs, url, str(number))
    assert bodies(receive(sqs, url)) == ["0", "1", "2", "3", "4"]


def test_a_group_in_flight_is_locked_and_others_are_not(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    send(sqs, url, "first", group="a")
    (first,) = receive(sqs, url)
    send(sqs, url, "second", group="a")
    send(sqs, url, "other", group="b")
    assert bodies(receive(sqs, url)) == ["other"]
    delete(sqs, url, first)
    assert bodies(receive(sqs, url)) == ["second"]


def test_a_message_that_comes_back_comes_before_the_later_ones(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    send(sqs, url, "first")
    send(sqs, url, "second")
    for message in receive(sqs, url):
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    again = receive(sqs, url)
    assert bodies(again) == ["first", "second"]
    assert [message["Attributes"]["ApproximateReceiveCount"] for message in again] == ["2", "2"]


def test_the_same_deduplication_id_is_taken_once(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    first = send(sqs, url, "one", dedup="d")
    again = send(sqs, url, "one", dedup="d")
    assert again["MessageId"] == first["MessageId"]
    (message,) = receive(sqs, url)
    delete(sqs, url, message)
    send(sqs, url, "one", dedup="d")  # deleted or not: the window is five minutes from the send
    assert receive(sqs, url) == []


def test_deduplication_is_per_group(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    send(sqs, url, "one", group="a", dedup="d")
    send(sqs, url, "two", group="b", dedup="d")
    assert sorted(bodies(receive(sqs, url))) == ["one", "two"]


def test_visibility_is_changed_per_message(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    send(sqs, url, "soon", group="a")
    send(sqs, url, "later", group="b")
    for message in receive(sqs, url):
        seconds = 0 if message["Body"] == "soon" else 600
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds)
    assert bodies(receive(sqs, url)) == ["soon"]


def test_a_batch_of_changes_tells_each_failure(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    send(sqs, url, "one")
    (message,) = receive(sqs, url)
    answer = sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "right", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "wrong", "ReceiptHandle": "nonsense", "VisibilityTimeout": 0},
        ],
    )
    assert [done["Id"] for done in answer["Successful"]] == ["right"]
    assert [failed["Id"] for failed in answer["Failed"]] == ["wrong"]


def test_the_message_received_too_often_moves_to_the_dead_letters(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue(visibility_s=0, max_receives=2)
    attribute = {"broadcast_id": {"DataType": "String", "StringValue": "B1"}}
    send(sqs, url, "bad", MessageAttributes=attribute)
    send(sqs, url, "good", group="other")
    assert bodies(receive(sqs, url))[0] == "bad"
    assert bodies(receive(sqs, url))[0] == "bad"
    assert "bad" not in bodies(receive(sqs, url))
    (dead,) = [m for m in receive(sqs, url.replace(".fifo", "-dlq.fifo")) if m["Body"] == "bad"]
    assert dead["MessageAttributes"]["broadcast_id"]["StringValue"] == "B1"
    assert dead["Attributes"]["MessageGroupId"] == "g"


def test_a_batch_of_sends_may_fail_in_part(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    entry = {"MessageGroupId": "g", "MessageDeduplicationId": "d"}
    answer = sqs.send_message_batch(
        QueueUrl=url,
        Entries=[{**entry, "Id": "right", "MessageBody": "x"}, {**entry, "Id": "wrong", "MessageBody": "\x00"}],
    )
    assert [sent["Id"] for sent in answer["Successful"]] == ["right"]
    assert [failed["Id"] for failed in answer["Failed"]] == ["wrong"]


def test_messages_carry_what_a_consumer_reads(sqs: Any, new_queue: Callable[..., str]) -> None:
    url = new_queue()
    attribute = {"broadcast_id": {"DataType": "String", "StringValue": "B1"}}
    before_ms = int(time.time() * 1000)
    send(sqs, url, "hello", group="wedding:W1", MessageAttributes=attribute)
    (message,) = receive(sqs, url)
    assert message["MessageAttributes"] == attribute
    assert message["Attributes"]["MessageGroupId"] == "wedding:W1"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert int(message["Attributes"]["SentTimestamp"]) >= before_ms


def test_an_unknown_queue_is_told(sqs: Any, emulator: Emulator) -> None:
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        receive(sqs, emulator.queue_prefix_url + "nobody.fifo")


def median_wake_ms(server: Emulator) -> float:
    """How long a waiting receive takes to get what was sent, the median of 9."""
    sender, receiver = sqs_client(server.endpoint), sqs_client(server.endpoint)
    url = sender.create_queue(QueueName=f"{uuid.uuid4().hex}.fifo", Attributes=FIFO)["QueueUrl"]
    return sorted(_one_wake_ms(sender, receiver, url, number) for number in range(9))[4]


def _one_wake_ms(sender: Any, receiver: Any, url: str, number: int) -> float:
    got: list[tuple[float, dict[str, Any]]] = []

    def wait() -> None:
        (message,) = receive(receiver, url, wait_s=5)
        got.append((time.perf_counter(), message))

    waiting = threading.Thread(target=wait)
    waiting.start()
    # Spread over the period of the emulator's own look, so that the median of an unpatched one is half of it.
    waiting.join(0.12 + number * 0.0111)
    sent_at = time.perf_counter()
    send(sender, url, "x")
    waiting.join()
    delete(receiver, url, got[0][1])
    return (got[0][0] - sent_at) * 1000


def test_a_send_wakes_a_waiting_receive_at_once(emulator: Emulator, emulator_python: Path, tmp_path: Path) -> None:
    """Measured against the same emulator without our patch, in the same run: it looks every 100 ms."""
    unpatched = Emulator(tmp_path, python=emulator_python, patched=False)
    unpatched.start()
    try:
        assert median_wake_ms(emulator) < median_wake_ms(unpatched) / 3
    finally:
        unpatched.stop()


def sends_per_cpu_s(server: Emulator, url: str, count: int) -> float:
    """How many messages the emulator takes per second of its own CPU time, in batches of ten."""
    client = sqs_client(server.endpoint)
    before_s = cpu_s(server)
    for _ in range(count // 10):
        entries = [
            {
                "Id": str(number),
                "MessageBody": "x",
                "MessageGroupId": "g",
                "MessageDeduplicationId": uuid.uuid4().hex,
            }
            for number in range(10)
        ]
        assert len(client.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    return count / max(cpu_s(server) - before_s, 0.01)


def cpu_s(server: Emulator) -> float:
    """The CPU time the emulator has used, in seconds."""
    assert server.child is not None
    with open(f"/proc/{server.child.pid}/stat") as file:  # noqa: PTH123
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_sends_stay_quick_after_12000_messages(emulator: Emulator, sqs: Any, new_queue: Callable[..., str]) -> None:
    """In CPU time, which a busy machine does not stretch; unpatched, the rate falls to less than a tenth."""
    url = new_queue()
    at_first = sends_per_cpu_s(emulator, url, 1_000)
    sends_per_cpu_s(emulator, url, 11_000)
    assert sends_per_cpu_s(emulator, url, 1_000) > at_first / 2
    sqs.delete_queue(QueueUrl=url)


def test_the_launcher_refuses_another_version(emulator_python: Path) -> None:
    told = subprocess.run([emulator_python, LAUNCHER, "9.9.9"], capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == WRONG_VERSION
    assert "the patches are for ministack 9.9.9" in told.stderr


def test_the_emulator_that_refuses_is_reported_with_its_reason(
    emulator_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator_module, "VERSION", "9.9.9")
    with pytest.raises(NotReadyError, match=r"the patches are for ministack 9\.9\.9"):
        Emulator(tmp_path, python=emulator_python).start()


def test_the_pin_and_the_patches_are_of_one_version() -> None:
    assert f"ministack=={VERSION}" in REQUIREMENTS.read_text().splitlines()
