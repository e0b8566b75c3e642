"""The stand-in for Application Auto Scaling answers what the planner's adapter asks, and keeps what it set."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from local.deploy import scalable_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

TASKS = {"ServiceNamespace": "ecs", "ResourceId": "service/a/b", "ScalableDimension": "ecs:service:DesiredCount"}
WARM = {"ServiceNamespace": "lambda", "ResourceId": "function:c:live", "ScalableDimension": "lambda:function:x"}


@pytest.fixture(autouse=True)
def _nothing_registered() -> Iterator[None]:
    scalable_targets._targets.clear()
    yield
    scalable_targets._targets.clear()


def call(action: str, **asked: Any) -> tuple[int, dict[str, Any]]:
    headers = {"x-amz-target": f"{scalable_targets.PREFIX}.{action}"}
    status, _, body = asyncio.run(scalable_targets.answer("POST", "/", headers, json.dumps(asked).encode(), {}))
    return status, json.loads(body)


def test_what_the_templates_make_can_be_read_and_set_anew() -> None:
    scalable_targets.create("Tasks", {**TASKS, "MinCapacity": "1", "MaxCapacity": 3}, "stack")
    scalable_targets.create("Warm", {**WARM, "MinCapacity": 0, "MaxCapacity": 50}, "stack")
    assert call("RegisterScalableTarget", **TASKS, MinCapacity=2)[0] == 200
    asked = {"ServiceNamespace": "ecs", "ResourceIds": ["service/a/b"], "ScalableDimension": TASKS["ScalableDimension"]}
    assert call("DescribeScalableTargets", **asked) == (
        200,
        {"ScalableTargets": [{**TASKS, "MinCapacity": 2, "MaxCapacity": 3}]},
    )
    assert call("DescribeScalableTargets", ServiceNamespace="ecs", ResourceIds=["service/a/c"])[1] == {
        "ScalableTargets": []
    }


def test_what_it_does_not_know_it_refuses() -> None:
    status, told = call("PutScalingPolicy")
    assert status == 400
    assert "PutScalingPolicy" in told["message"]
