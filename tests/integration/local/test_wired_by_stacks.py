"""What is gone from a stack is gone from the local run, which is wired by an extract of the templates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.sync.client import connect

from local import wiring
from local.system import System
from stacks.extract import extract
from tests.stacks import conftest as quiet_synthesis  # noqa: F401 - sets how the CDK synthesises
from tests.stacks.synthesised import whole
from tests.stacks.test_wiring import EXTRACTED_FROM, broken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stacks.places import Templates


@pytest.fixture
def wired_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Lets the local run read the extract of other templates."""

    def wire(found: Templates) -> None:
        path = tmp_path / "wiring.json"
        path.write_text(json.dumps(extract(found)))
        monkeypatch.setattr(wiring, "FILE", path)
        wiring.wiring.cache_clear()

    yield wire
    wiring.wiring.cache_clear()


def test_a_route_that_is_gone_from_the_stack_is_gone_from_the_local_run(wired_by: Any, tmp_path: Path) -> None:
    subscribe = {"v": 1, "id": 1, "action": "subscribe", "channel": "inbox"}
    answers = []
    for found in (whole(EXTRACTED_FROM), broken("AWS::ApiGatewayV2::Route", RouteKey="$default")):
        wired_by(found)
        with System.running(tmp_path / f"data{len(answers)}") as system:
            answers.append((first_answer(system, {"action": "ping"}), first_answer(system, subscribe)))
    (whole_pong, whole_answer), (pong, answer) = answers
    assert whole_pong["type"] == pong["type"] == "pong"
    assert whole_answer["type"] == "subscribed"
    assert answer["message"] == "Forbidden", "API Gateway's answer where no route matches"


def first_answer(system: System, frame: dict[str, Any]) -> dict[str, Any]:
    ops = {"Authorization": f"Bearer {system.issuer.token('ops', ['directory:write'])}"}
    added = httpx.put(f"{system.api_url}/v1/users/ann", json={"name": "Ann", "role": "guest"}, headers=ops, timeout=10)
    assert added.is_success, added.text
    offered = ["carillon.v1", f"bearer.{system.issuer.token('ann', [])}"]
    with connect(system.ws_url, subprotocols=offered, open_timeout=10) as socket:  # type: ignore[arg-type]
        socket.send(json.dumps(frame))
        read: dict[str, Any] = json.loads(socket.recv(timeout=10))
        return read
