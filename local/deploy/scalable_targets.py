"""What the pinned emulator lacks of Application Auto Scaling: that targets are registered, read and registered anew.

Nothing scales here; the planner's rounds read and set minimums as they do on AWS. Imported by the emulator's own
interpreter, so this knows the standard library alone.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

SERVICE = "application-autoscaling"
PREFIX = "AnyScaleFrontendService"
KEY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_JSON = {"Content-Type": "application/x-amz-json-1.1"}

_targets: dict[tuple[str, ...], dict[str, Any]] = {}


def create(logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
    """A target of a template, as CloudFormation makes it; answers its Ref and attributes."""
    register(properties)
    return f"target/{logical_id}", {"Id": f"target/{logical_id}"}


def register(asked: dict[str, Any]) -> dict[str, Any]:
    """RegisterScalableTarget: what is not given stays as it was."""
    bounds: dict[str, Any] = {name: int(asked[name]) for name in ("MinCapacity", "MaxCapacity") if name in asked}
    key = tuple(str(asked[name]) for name in KEY)
    _targets[key] = {**_targets.get(key, dict(zip(KEY, key, strict=True))), **bounds}
    return {"ScalableTargetARN": f"arn:aws:{SERVICE}:emulated:scalable-target/{len(_targets)}"}


def describe(asked: dict[str, Any]) -> dict[str, Any]:
    """DescribeScalableTargets, of one service and perhaps of some resources and one dimension only."""
    found = [one for one in _targets.values() if one["ServiceNamespace"] == asked["ServiceNamespace"]]
    resources, dimension = asked.get("ResourceIds"), asked.get("ScalableDimension")
    found = [one for one in found if not resources or one["ResourceId"] in resources]
    return {"ScalableTargets": [one for one in found if not dimension or one["ScalableDimension"] == dimension]}


_ACTIONS = {"RegisterScalableTarget": register, "DescribeScalableTargets": describe}


async def answer(
    _method: str, _path: str, headers: dict[str, str], body: bytes, _query: dict[str, Any]
) -> tuple[int, dict[str, str], bytes]:
    """A call of the API: status, headers and body."""
    action = _ACTIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
    if action is None:
        told = {"__type": "ValidationException", "message": f"not emulated: {headers.get('x-amz-target')}"}
        return 400, _JSON, json.dumps(told).encode()
    return 200, _JSON, json.dumps(action(json.loads(body))).encode()


def install() -> None:
    """Let the running emulator answer for the service.

    Raises:
        RuntimeError: the emulator answers for it itself.
    """
    app, router = (importlib.import_module(f"ministack.{name}") for name in ("app", "core.router"))
    if SERVICE in app.SERVICE_HANDLERS:
        raise RuntimeError(f"the emulator has {SERVICE} itself: take scalable_targets.py out")
    router.SERVICE_PATTERNS[SERVICE] = {"target_prefixes": [PREFIX]}
    app.SERVICE_HANDLERS[SERVICE] = answer
