"""The event source mapping against the emulated queue, with handlers of our own in real worker processes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.processes import Child, wait_until
from tests.contract.test_emulator_sqs import bodies, receive, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.emulator import Emulator

ROOT = Path(__file__).parents[3]


class Running:
    """A mapping process on one queue."""

    def __init__(self, folder: Path, emulator: Emulator, url: str, workers: int) -> None:
        self.folder = folder
        self.url = url
        self._status_path = folder / "status.json"
        config = {
            "endpoint": emulator.endpoint,
            "queue_urls": [url],
            "target": "tests.integration.local.stub_handlers.handler",
            "workers": workers,
            "status_path": str(self._status_path),
        }
        (folder / "mappings.json").write_text(json.dumps({"lanes": {"test": config}}))
        argv: list[str | Path] = [
            sys.executable,
            "-m",
            "local.mapping",
            "--lane",
            "test",
            "--config",
            folder / "mappings.json",
        ]
        env = os.environ | {"STUB_NOTES": str(folder / "notes")}
        self.child = Child("mapping", argv, log_path=folder / "mapping.log", env=env, cwd=ROOT)

    def status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads(self._status_path.read_text())
        except FileNotFoundError:
            return {"ready": False}
        return status

    def notes(self) -> list[dict[str, Any]]:
        try:
            lines = (self.folder / "notes").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def ended(self) -> list[str]:
        return [note["body"] for note in self.notes() if note["what"] == "end"]

    def go(self) -> None:
        """Let the held handlers go on."""
        (self.folder / "go").touch()


@pytest.fixture
def start(tmp_path: Path, emulator: Emulator, new_queue: Callable[..., str]) -> Iterator[Callable[..., Running]]:
    """A function that starts a mapping on a queue of its own and waits until it is ready."""
    started: list[Running] = []

    def start_mapping(*, workers: int = 2, **queue: Any) -> Running:
        running = Running(tmp_path, emulator, new_queue(**queue), workers)
        started.append(running)
        running.child.wait_ready(lambda: running.status()["ready"], timeout_s=20)
        return running

    yield start_mapping
    for running in started:
        running.go()
        running.child.stop(timeout_s=5)


def left(sqs: Any, url: str) -> int:
    """How many messages the queue still has, in flight or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(count) for count in counts.values())


def test_every_group_is_handled_in_order_and_deleted(sqs: Any, start: Callable[..., Running]) -> None:
    mapping = start()
    sent = [(group, number) for number in range(15) for group in "abc"]
    for group, number in sent:
        send(sqs, mapping.url, f"{group} {number}", group=group)
    wait_until(lambda: left(sqs, mapping.url) == 0, timeout_s=15, what="an empty queue")
    for group in "abc":
        of_group = [body for body in mapping.ended() if body.startswith(group)]
        assert of_group == [f"{group} {number}" for number in range(15)]


def test_other_groups_go_on_while_one_is_held_and_its_next_message_waits(
    sqs: Any, start: Callable[..., Running]
) -> None:
    mapping = start(workers=2)
    send(sqs, mapping.url, "hold a1", group="a")
    wait_until(lambda: len(mapping.notes()) == 1, timeout_s=10, what="the start of a1")
    send(sqs, mapping.url, "a2", group="a")
    for number in range(3):
        send(sqs, mapping.url, f"b{number}", group="b")
    wait_until(lambda: "b2" in mapping.ended(), timeout_s=10, what="the end of b2")
    assert "a2" not in [note["body"] for note in mapping.notes()]
    mapping.go()
    wait_until(lambda: "a2" in mapping.ended(), timeout_s=10, what="the end of a2")
    assert [body for body in mapping.ended() if "a" in body] == ["hold a1", "a2"]


def test_only_the_told_failures_come_back(sqs: Any, start: Callable[..., Running]) -> None:
    mapping = start(visibility_s=1)
    for body in ("ok 1", "fail 2", "ok 3"):
        send(sqs, mapping.url, body, group=body)
    wait_until(lambda: left(sqs, mapping.url) == 0, timeout_s=15, what="an empty queue")
    assert sorted(mapping.ended()) == ["fail 2", "fail 2", "ok 1", "ok 3"]


@pytest.mark.parametrize("body", ["die", "raise"])
def test_what_a_failed_invocation_held_comes_back(body: str, sqs: Any, start: Callable[..., Running]) -> None:
    mapping = start(workers=1, visibility_s=1)
    send(sqs, mapping.url, body)
    wait_until(lambda: left(sqs, mapping.url) == 0, timeout_s=15, what="an empty queue")
    assert mapping.ended() == [body]
    first, second = [note for note in mapping.notes() if note["what"] == "start"]
    assert (first["receives"], second["receives"]) == (1, 2)
    assert (first["pid"] == second["pid"]) == (body == "raise")


def test_a_message_that_always_fails_is_dead_lettered(sqs: Any, start: Callable[..., Running]) -> None:
    mapping = start(workers=1, visibility_s=0, max_receives=3)
    send(sqs, mapping.url, "bad", group="bad")
    send(sqs, mapping.url, "ok", group="good")
    wait_until(lambda: left(sqs, mapping.url) == 0, timeout_s=15, what="an empty queue")
    assert mapping.ended().count("bad") == 3
    assert mapping.ended().count("ok") == 1
    assert bodies(receive(sqs, mapping.url.replace(".fifo", "-dlq.fifo"))) == ["bad"]


def test_a_stopped_mapping_finishes_what_it_has(sqs: Any, start: Callable[..., Running]) -> None:
    mapping = start()
    send(sqs, mapping.url, "hold 1")
    wait_until(lambda: len(mapping.notes()) == 1, timeout_s=10, what="the start")
    os.kill(mapping.child.pid, 15)
    send(sqs, mapping.url, "2", group="late")
    mapping.go()
    wait_until(lambda: not mapping.child.alive, timeout_s=10, what="the mapping's end")
    assert "hold 1" in mapping.ended()
    assert mapping.child.exit_status == 0
    # Either it was still taken and done with, or it is there to take: no poll swallowed it.
    if "2" not in mapping.ended():
        assert bodies(receive(sqs, mapping.url)) == ["2"]


def test_the_status_tells_the_workers_that_live(sqs: Any, start: Callable[..., Running]) -> None:
    mapping = start(workers=2)
    (before, other) = mapping.status()["worker_pids"]
    os.kill(before, 9)

    def replaced() -> bool:
        pids = mapping.status()["worker_pids"]
        return len(pids) == 2 and before not in pids and other in pids

    wait_until(replaced, timeout_s=10, what="a new worker")
