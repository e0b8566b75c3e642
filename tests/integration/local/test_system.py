"""The whole system in one process' hands: every component may crash, and is back where it was."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from valkey import Valkey as ValkeyClient

from carillon.names import Scope
from local.ports import is_free
from local.processes import wait_until
from local.queues import LANES, sqs_client
from local.supervisor import State
from local.system import MAPPINGS, System
from tests.integration.local.test_stores import ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.emulator import Emulator


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System.running(tmp_path_factory.mktemp("a system") / "data") as system:
        yield system


def wait_back(system: System, name: str, old_pid: int | None) -> None:
    unit = system.supervisor.units[name]
    wait_until(
        lambda: unit.state is State.READY and unit.pid not in {None, old_pid}, timeout_s=30, what=f"{name} to be back"
    )


def pid_of(system: System, name: str) -> int:
    pid = system.supervisor.units[name].pid
    assert pid is not None
    return pid


def test_each_lane_has_the_workers_it_is_meant_to(system: System) -> None:
    assert [len(system.worker_pids(lane)) for lane in LANES] == [2, 1, 2, 1]
    assert len(system.worker_pids("dead-letters")) == 1


@pytest.mark.parametrize("name", ["valkey", "gateway", "lane critical", "api", "postgres", "queues"])
def test_a_killed_component_is_back_in_its_place(system: System, name: str) -> None:
    before = system.endpoints
    old_pid = pid_of(system, name)
    os.kill(old_pid, signal.SIGKILL)
    wait_back(system, name, old_pid)
    after = system.endpoints
    places = [key for key in before if key.endswith("_url")]
    assert {key: after[key] for key in places} == {key: before[key] for key in places}


def test_a_killed_worker_is_replaced(system: System) -> None:
    old, other = system.worker_pids("normal")
    os.kill(old, signal.SIGKILL)
    wait_until(
        lambda: len(system.worker_pids("normal")) == 2 and old not in system.worker_pids("normal"),
        timeout_s=15,
        what="a new worker",
    )
    assert other in system.worker_pids("normal")


def test_the_workers_end_with_their_mapping(system: System) -> None:
    (worker,) = system.worker_pids("low")
    old_pid = pid_of(system, "lane low")
    system.kill("lane low")
    wait_until(partial(ended, worker), timeout_s=10, what="the end of the worker")
    wait_back(system, "lane low", old_pid)


def test_a_held_store_stays_down_until_it_is_restarted(system: System) -> None:
    system.hold("postgres")
    assert is_free(system.postgres.port)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(system.dsn)
    system.restart("postgres")
    with psycopg.connect(system.dsn) as connection:
        assert connection.execute("SELECT to_regclass('broadcasts')").fetchone() == ("broadcasts",)


@pytest.mark.parametrize("name", ["lane critical", "gateway", "queues", "postgres"])
def test_it_is_not_ready_while_a_part_without_which_nothing_arrives_is_down(system: System, name: str) -> None:
    system.hold(name)
    assert ready_status(system) == 503
    system.restart(name)
    wait_until(lambda: ready_status(system) == 200, timeout_s=20, what="the system to be ready again")


def ready_status(system: System) -> int:
    return httpx.get(f"{system.api_url}/readyz", timeout=20).status_code


def test_the_development_issuer_gives_tokens_that_the_api_takes(system: System) -> None:
    wanted = {"sub": "U9", "scopes": ["ops:read"], "ttl_s": 60}
    told = httpx.post(f"{system.api_url}/dev/token", json=wanted).json()
    assert told["expires_in_s"] == 60
    headers = {"Authorization": f"Bearer {told['token']}"}
    assert httpx.get(f"{system.api_url}/v1/weddings", headers=headers).status_code == 200
    assert httpx.get(f"{system.api_url}/v1/weddings").status_code == 401
    assert httpx.get(f"{system.api_url}/dev/jwks.json").json() == system.issuer.jwks()


@pytest.mark.parametrize("wrong", [{}, {"sub": ""}, {"sub": "U9", "scopes": ["all"]}, {"sub": "U9", "ttl_s": 10**6}])
def test_the_issuer_refuses_what_it_cannot_sign(system: System, wrong: dict[str, object]) -> None:
    assert httpx.post(f"{system.api_url}/dev/token", json=wrong).status_code == 422


def test_valkey_is_empty_after_its_restart(system: System) -> None:
    with ValkeyClient.from_url(system.valkey_url) as client:
        client.set("k", "v")
    system.restart("valkey")
    with ValkeyClient.from_url(system.valkey_url) as client:
        assert client.get("k") is None


def test_the_queues_are_there_again_and_polled_after_a_kill(system: System) -> None:
    system.kill("queues")
    wait_until(lambda: system.supervisor.units["queues"].state is State.READY, timeout_s=30, what="the queues")
    urls = sqs_client(system.queues.endpoint).list_queues()["QueueUrls"]
    assert len(urls) == 2 * len(LANES)
    counts = {name: system.mapping_status(name)["received"] for name in MAPPINGS}
    assert set(counts) == {*LANES, "dead-letters"}
    put_poison(system.queues)
    wait_until(
        lambda: system.mapping_status("high").get("received", 0) > counts["high"], timeout_s=15, what="a message taken"
    )


def test_what_was_in_the_lost_queues_is_sent_again(system: System) -> None:
    """Accepted while its consumers are down, then the queue is lost with it: it still arrives in the inbox."""
    call(system, "PUT", "/v1/users/U1", {"name": "Zoë", "role": "planner"})
    system.hold("lane high")
    audience = {"type": "users", "user_ids": ["U1"]}
    broadcast = {"kind": "wedding", "name": "timeline.shifted", "priority": "high", "audience": audience, "data": {}}
    accepted = call(system, "POST", "/v1/broadcasts", broadcast)["id"]
    wait_until(lambda: queued(system) == 1, timeout_s=10, what="the message in the queue")
    old_pid = pid_of(system, "queues")
    system.kill("queues")
    wait_back(system, "queues", old_pid)
    system.restart("lane high")

    def arrived() -> bool:
        return accepted in json.dumps(call(system, "GET", "/v1/users/U1/inbox"))

    wait_until(arrived, timeout_s=20, what="the event in the inbox")


def queued(system: System) -> int:
    """Messages in the queue of the lane high."""
    url = f"{system.queues.queue_prefix_url}carillon-high.fifo"
    names = ["ApproximateNumberOfMessages"]
    told = sqs_client(system.queues.endpoint).get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return int(told["Attributes"]["ApproximateNumberOfMessages"])


def call(system: System, method: str, path: str, document: object = None) -> Any:
    """One call of the API with a token that may do everything; its JSON answer."""
    headers = {"Authorization": f"Bearer {system.issuer.token('U1', list(Scope))}"}
    answer = httpx.request(method, system.api_url + path, json=document, headers=headers, timeout=10)
    assert answer.is_success, answer.text
    return answer.json()


def put_poison(queues: Emulator) -> None:
    """Send a message that no consumer can read; it ends among the dead letters."""
    sqs_client(queues.endpoint).send_message(
        QueueUrl=f"{queues.queue_prefix_url}carillon-high.fifo",
        MessageBody="no JSON",
        MessageGroupId="poison",
        MessageDeduplicationId="poison",
    )
